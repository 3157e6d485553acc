select project_id, memory_id, trace_id, run_id, rank, served_ns
from servings
where served_ns between $first_ns and $last_ns and memory_id in (select unnest($memory_ids::varchar[]))
