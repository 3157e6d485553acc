select * exclude (project_id)
from memories
where project_id = $project_id and status = 'active' and not pinned and status_reason = ''
    and (
        (uses >= $min_uses and utility < $min_utility)
        or greatest(created_ns, last_served_ns) < $idle_before_ns
    )
order by created_ns, memory_id
limit $limit
