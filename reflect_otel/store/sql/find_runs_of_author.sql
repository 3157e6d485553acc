select run_id from runs where project_id = $project_id and author = $author and author <> '' order by first_seen_ns, run_id
