update quarantines
set released_ns = $released_ns
where project_id = $project_id and quarantine_id in (select unnest($quarantine_ids::varchar[]))
