select run_id, served_memory_ids
from runs
where project_id = $project_id and served_memory_ids <> '[]'
    and exists (select 1 from (select unnest($memory_ids::varchar[]) as wanted) where contains(served_memory_ids, wanted))
