select v.vector, m.* exclude (project_id)
from memories m
left join memory_vectors v
    on v.project_id = m.project_id and v.memory_id = m.memory_id
    and v.purpose = 'content' and v.embedder_id = $embedder_id
where m.project_id = $project_id and m.merged_into = $memory_id
order by m.created_ns, m.memory_id
