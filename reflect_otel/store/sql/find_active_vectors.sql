select v.project_id, v.embedder_id, v.vector, m.* exclude (project_id)
from memories m
join memory_vectors v on v.project_id = m.project_id and v.memory_id = m.memory_id and v.purpose = 'task'
where m.status = 'active'
order by m.created_ns, m.memory_id, v.embedder_id
