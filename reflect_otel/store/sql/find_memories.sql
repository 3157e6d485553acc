select * exclude (project_id)
from memories
where project_id = $project_id and (created_ns, memory_id) < ($before_ns, $before_memory_id)
order by created_ns desc, memory_id desc
limit $limit
