select t.project_id, t.embedder_id, t.vector, c.vector, m.* exclude (project_id)
from memories m
join memory_vectors t on t.project_id = m.project_id and t.memory_id = m.memory_id and t.purpose = 'task'
left join memory_vectors c
    on c.project_id = t.project_id and c.memory_id = t.memory_id
    and c.embedder_id = t.embedder_id and c.purpose = 'content' and m.status = 'active'
where m.status in ('active', 'merged')
order by m.project_id, m.created_ns, m.memory_id, t.embedder_id
