select count(*) from spans
