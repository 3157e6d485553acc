delete from review_signals where ordinal in ($ordinals)
