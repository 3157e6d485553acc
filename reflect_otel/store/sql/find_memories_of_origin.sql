select * exclude (project_id)
from memories
where project_id = $project_id
    and (
        memory_id in (select unnest($memory_ids::varchar[]))
        or (merged_into <> '' and merged_into in (select unnest($memory_ids::varchar[])))
        or (created_from <> '' and created_from in (select unnest($run_ids::varchar[])))
        or (contrasted_with <> '' and contrasted_with in (select unnest($run_ids::varchar[])))
        or (author <> '' and author = $author)
        or ($timed and created_ns >= $since_ns and created_ns < $until_ns)
    )
order by created_ns, memory_id
