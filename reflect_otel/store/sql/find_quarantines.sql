select quarantine_id, reason, spreads, created_ns, released_ns
from quarantines
where project_id = $project_id
    and (not $open_only or released_ns = 0)
    and ($quarantine_id is null or quarantine_id = $quarantine_id)
order by created_ns desc, quarantine_id desc
