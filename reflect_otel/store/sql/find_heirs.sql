select memory_id, heir_id
from memory_heirs
where project_id = $project_id and list_contains($memory_ids::varchar[], memory_id)
