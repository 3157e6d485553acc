select created_from, memory_id
from memories
where project_id = $project_id and created_from in (select unnest($run_ids::varchar[]))
order by created_ns, memory_id
