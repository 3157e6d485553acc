select memory_id, run_id, reward, alpha, sequence, before, after, reviewer, excluded, result
from utility_events
where project_id = $project_id
    and (
        list_contains($run_ids::varchar[], run_id)
        or memory_id in (
            with family as (
                select unnest($memory_ids::varchar[]) as memory_id
                union
                select memory_id
                from memories
                where project_id = $project_id
                    and merged_into <> '' and list_contains($memory_ids::varchar[], merged_into)
            )
            from family
            union
            select memory_id from memory_heirs where project_id = $project_id and heir_id in (from family)
        )
    )
order by sequence, run_id, memory_id
