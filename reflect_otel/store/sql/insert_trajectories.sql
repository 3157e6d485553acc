insert into trajectories
select
    $project_id, unnest($run_id::varchar[]), unnest($head_chain::bigint[]), unnest($head_depth::bigint[]),
    unnest($document::varchar[])
