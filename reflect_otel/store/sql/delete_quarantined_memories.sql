delete from quarantine_members
where project_id = $project_id and memory_id in (select unnest($memory_ids::varchar[]))
    and quarantine_id in (select quarantine_id from quarantines where project_id = $project_id and released_ns = 0)
