update memories
set utility = c.utility, uses = c.uses, passes = c.passes, alarm = c.alarm
from (
    select
        unnest($memory_id::varchar[]) as memory_id, unnest($utility::double[]) as utility,
        unnest($uses::bigint[]) as uses, unnest($passes::bigint[]) as passes, unnest($alarm::varchar[]) as alarm
) c
where memories.project_id = $project_id and memories.memory_id = c.memory_id
