select * from runs where state <> 'closed' order by first_seen_ns, run_id
