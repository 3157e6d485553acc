insert into messages
select
    $project_id, unnest($chain::bigint[]), unnest($depth::bigint[]), unnest($parent_chain::bigint[]), unnest($hash::blob[]),
    unnest($content::varchar[])
