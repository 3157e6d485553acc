with asked as materialized (
    select unnest($memory_ids::varchar[]) as memory_id
)
select * exclude (project_id)
from memories
where project_id = $project_id and memory_id not in (from asked)
    and (
        (merged_into <> '' and merged_into in (from asked))
        or memory_id in (
            select merged_into
            from memories
            where project_id = $project_id and merged_into <> '' and memory_id in (from asked)
        )
    )
order by created_ns, memory_id
