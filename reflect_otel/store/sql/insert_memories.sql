insert into memories
select
    $project_id, unnest($memory_id::varchar[]), unnest($task::varchar[]), unnest($reflection::varchar[]),
    unnest($kind::varchar[]), unnest($utility::double[]), unnest($uses::bigint[]), unnest($passes::bigint[]),
    unnest($success::boolean[]), unnest($created_from::varchar[]), unnest($created_ns::bigint[]),
    unnest($status::varchar[]), unnest($agent::varchar[]), unnest($metadata::varchar[]), unnest($pinned::boolean[]),
    unnest($merged_into::varchar[]), unnest($last_served_ns::bigint[]), unnest($author::varchar[]),
    unnest($status_reason::varchar[]), unnest($alarm::varchar[]), unnest($reflector::varchar[]),
    unnest($contrasted_with::varchar[])
