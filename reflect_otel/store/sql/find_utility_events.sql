with family as (
    select unnest($memory_ids::varchar[]) as memory_id
    union
    select memory_id from memories
    where project_id = $project_id and merged_into in (select unnest($memory_ids::varchar[]))
)
select memory_id, run_id, reward, alpha, sequence, before, after, reviewer, excluded
from utility_events
where project_id = $project_id
    and (
        run_id in (select unnest($run_ids::varchar[]))
        or memory_id in (from family)
        or memory_id in (
            select memory_id from memory_heirs where project_id = $project_id and heir_id in (from family)
        )
    )
order by sequence, run_id, memory_id
