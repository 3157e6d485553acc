update memories m
set last_served_ns = s.served_ns
from (
    select
        unnest($project_ids::varchar[]) as project_id, unnest($memory_ids::varchar[]) as memory_id,
        unnest($served_ns::bigint[]) as served_ns
) s
where m.project_id = s.project_id and m.memory_id = s.memory_id and m.last_served_ns < s.served_ns
