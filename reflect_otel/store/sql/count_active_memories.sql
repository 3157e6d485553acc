select count(*) from memories where status = 'active'
