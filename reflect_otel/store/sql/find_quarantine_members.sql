select quarantine_id, memory_id, run_id, status, reason
from quarantine_members
where project_id = $project_id and quarantine_id in (select unnest($quarantine_ids::varchar[]))
order by coalesce(memory_id, run_id)
