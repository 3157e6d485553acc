update journal_offset set sequence = greatest(sequence, $sequence)
