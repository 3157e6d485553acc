insert into messages
select
    $project_id, $chain, unnest($depth::bigint[]), unnest($parent_chain::bigint[]), unnest($hash::blob[]),
    unnest($content::varchar[])
