with asked as materialized (
    select unnest($memory_ids::varchar[]) as memory_id
),
family as (
    from asked
    union
    select memory_id
    from memories
    where project_id = $project_id and merged_into <> '' and merged_into in (from asked)
),
named as (
    select run_id, unnest(json_extract_string(served_memory_ids, '$[*]')) as memory_id
    from runs
    where project_id = $project_id and served_memory_ids <> '[]'
),
noted as materialized (
    select run_id, trace_id, memory_id
    from servings
    where project_id = $project_id and not withheld and memory_id in (from asked)
)
select run_id, memory_id
from utility_events
where project_id = $project_id
    and memory_id in (
        from family
        union
        select memory_id from memory_heirs where project_id = $project_id and heir_id in (from family)
    )
union
select run_id, memory_id from named where memory_id in (from asked)
union
select run_id, memory_id from noted where run_id is not null
union
select t.run_id, n.memory_id
from noted n
join run_traces t on t.project_id = $project_id and t.trace_id = n.trace_id
where n.run_id is null -- what was served to a named run of a trace is not another run's of the same trace
    or not exists (
        select 1 from run_traces o
        where o.project_id = $project_id and o.trace_id = n.trace_id and o.run_id = n.run_id
    )
order by run_id, memory_id
