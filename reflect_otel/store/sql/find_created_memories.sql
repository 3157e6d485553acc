select created_from, memory_id
from memories
where project_id = $project_id and created_from in ($run_ids)
order by created_ns, memory_id
