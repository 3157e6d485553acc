insert into trace_extents
select
    unnest($project_id::varchar[]), unnest($trace_id::blob[]), unnest($first_arrival::bigint[]),
    unnest($last_arrival::bigint[])
