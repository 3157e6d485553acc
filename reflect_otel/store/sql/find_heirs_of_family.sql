select memory_id, heir_id
from memory_heirs
where project_id = $project_id and (memory_id in ($memory_ids) or heir_id in ($memory_ids))
