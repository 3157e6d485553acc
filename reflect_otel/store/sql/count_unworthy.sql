select project_id, count(*)
from memories
where status = 'active' and not pinned and status_reason = ''
    and (
        (uses >= $min_uses and utility < $min_utility)
        or greatest(created_ns, last_served_ns) < $idle_before_ns
    )
group by project_id
order by project_id
