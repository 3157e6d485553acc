with v as materialized (
    select
        memory_id, embedder_id, max(vector) filter (purpose = 'task') as task,
        max(vector) filter (purpose = 'content') as content
    from memory_vectors
    where project_id = $project_id and memory_id in (select unnest($memory_ids::varchar[]))
    group by memory_id, embedder_id
)
select m.project_id, v.embedder_id, v.task, v.content, m.* exclude (project_id)
from memories m
join v on v.memory_id = m.memory_id
where m.project_id = $project_id and m.memory_id in (select unnest($memory_ids::varchar[])) and v.task is not null
order by m.created_ns, m.memory_id, v.embedder_id
