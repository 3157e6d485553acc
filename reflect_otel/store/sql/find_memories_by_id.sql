select * exclude (project_id)
from memories
where project_id = $project_id and list_contains($memory_ids::varchar[], memory_id)
