select * exclude (project_id)
from memories
where project_id = $project_id and status = 'active' and not pinned and status_reason = ''
order by utility, uses desc, created_ns, memory_id
limit $limit
