select q.quarantine_id, q.reason, q.spreads, q.created_ns, q.released_ns
from quarantines q
where q.project_id = $project_id and q.released_ns = 0
    and q.quarantine_id in (
        select quarantine_id
        from quarantine_members
        where project_id = $project_id
            and (
                memory_id in (select unnest($memory_ids::varchar[]))
                or run_id in (select unnest($run_ids::varchar[]))
            )
    )
order by q.created_ns desc, q.quarantine_id desc
