select count(*) from review_signals
