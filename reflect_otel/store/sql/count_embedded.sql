select v.embedder_id, count(*)
from memory_vectors v
join memories m on m.project_id = v.project_id and m.memory_id = v.memory_id and m.status = 'active'
where v.purpose = 'task'
group by v.embedder_id
order by v.embedder_id
