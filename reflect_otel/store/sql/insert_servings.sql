insert into servings
select
    unnest($project_id::varchar[]), unnest($memory_id::varchar[]), unnest($trace_id::blob[]),
    unnest($run_id::varchar[]), unnest($rank::integer[]), unnest($similarity::double[]), unnest($utility::double[]),
    unnest($score::double[]), unnest($served_ns::bigint[]), unnest($ordinal::bigint[]), unnest($withheld::boolean[]),
    unnest($control_share::double[])
