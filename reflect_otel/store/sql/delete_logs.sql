delete from logs
where arrival between $first_arrival and $last_arrival and project_id = $project_id and trace_id in ($trace_ids)
