select * exclude (project_id) from memories where project_id = $project_id and memory_id in ($memory_ids)
union all
select * exclude (project_id) from memories where project_id = $project_id and merged_into in ($memory_ids)
