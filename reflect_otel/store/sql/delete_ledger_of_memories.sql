delete from utility_events
where project_id = $project_id and memory_id in (select unnest($memory_ids::varchar[]))
