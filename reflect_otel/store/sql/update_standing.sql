update memories m
set
    status = s.status, merged_into = s.merged_into, utility = s.utility, uses = s.uses, passes = s.passes,
    alarm = s.alarm
from (
    select
        unnest($memory_ids::varchar[]) as memory_id, unnest($statuses::varchar[]) as status,
        unnest($merged_into::varchar[]) as merged_into, unnest($utility::double[]) as utility,
        unnest($uses::bigint[]) as uses, unnest($passes::bigint[]) as passes, unnest($alarm::varchar[]) as alarm
) s
where m.project_id = $project_id and m.memory_id = s.memory_id
