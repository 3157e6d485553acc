select memory_id, run_id, reward, alpha, sequence, before, after, reviewer, excluded
from utility_events
where project_id = $project_id and (memory_id in (select unnest($memory_ids::varchar[])) or run_id = $run_id)
order by sequence, run_id, memory_id
