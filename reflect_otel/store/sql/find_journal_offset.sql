select sequence from journal_offset
