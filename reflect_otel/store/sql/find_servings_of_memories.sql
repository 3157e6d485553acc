select distinct run_id, trace_id
from servings
where project_id = $project_id and not withheld and memory_id in (select unnest($memory_ids::varchar[]))
