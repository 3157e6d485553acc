select m.project_id, m.* exclude (project_id)
from memories m
anti join (
    select project_id, memory_id from memory_vectors where embedder_id = $embedder_id
    group by project_id, memory_id having count(*) = 2
) v on v.project_id = m.project_id and v.memory_id = m.memory_id
order by m.status <> 'active', m.created_ns, m.memory_id
limit $limit
