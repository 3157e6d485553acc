insert into quarantine_members
select
    $project_id, $quarantine_id, unnest($memory_id::varchar[]), unnest($run_id::varchar[]), unnest($status::varchar[]),
    unnest($reason::varchar[])
