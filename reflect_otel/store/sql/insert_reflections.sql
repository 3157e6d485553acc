insert into reflections
select
    $project_id, unnest($run_id::varchar[]), unnest($memory_id::varchar[]), unnest($reflector::varchar[]),
    unnest($model::varchar[]), unnest($note::varchar[]), unnest($evidence_steps::varchar[]),
    unnest($contrasted_with::varchar[]), unnest($prompt_hash::varchar[]), unnest($created_ns::bigint[]),
    unnest($raw_output::varchar[])
