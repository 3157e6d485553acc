select memory_id, run_id, reward, alpha, sequence, before, after, reviewer, excluded, result
from utility_events
where project_id = $project_id and memory_id in ($memory_ids)
