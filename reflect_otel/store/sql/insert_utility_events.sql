insert into utility_events
select
    $project_id, unnest($memory_id::varchar[]), unnest($run_id::varchar[]), unnest($reward::double[]),
    unnest($alpha::double[]), unnest($sequence::bigint[]), unnest($before::double[]), unnest($after::double[]),
    unnest($reviewer::varchar[]), unnest($excluded::varchar[]), unnest($result::varchar[])
