select * exclude (project_id)
from memories
where project_id = $project_id
    and ($status is null or status = $status)
    and ($kind is null or kind = $kind)
    and ($agent is null or agent = $agent)
    and ($source_run is null or created_from = $source_run)
    and ($author is null or author = $author)
    and (not $alarmed or alarm <> '')
    and (created_ns, memory_id) < ($before_ns, $before_memory_id)
order by created_ns desc, memory_id desc
limit $limit
