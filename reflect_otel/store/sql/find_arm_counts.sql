with noted as (
    select
        s.run_id, s.trace_id, s.withheld, s.control_share, s.served_ns, s.ordinal, r.run_id as named,
        coalesce(nullif(m.merged_into, ''), h.heir_id, s.memory_id) as memory_id -- who speaks for it now
    from servings s
    left join memory_heirs h on h.project_id = s.project_id and h.memory_id = s.memory_id
    left join memories m on m.project_id = s.project_id and m.memory_id = coalesce(h.heir_id, s.memory_id)
    left join runs r on r.project_id = s.project_id and r.run_id = s.run_id
    where s.project_id = $project_id
),
eligible as materialized (
    select named as run_id, memory_id, withheld, control_share, served_ns, ordinal from noted where named is not null
    union all
    select t.run_id, n.memory_id, n.withheld, n.control_share, n.served_ns, n.ordinal
    from noted n
    join run_traces t on t.project_id = $project_id and t.trace_id = n.trace_id
    where n.named is null
),
decided as (
    select
        run_id, arg_min(withheld, ordinal) as withheld, arg_min(control_share, ordinal) as control_share,
        min(served_ns) as decided_ns
    from eligible
    group by run_id
)
select
    case $by when 'memory' then m.memory_id when 'agent' then coalesce(r.agent, '') else '' end as subject,
    d.control_share, d.withheld, count(*) as runs, count(v.run_id) as reviewed,
    count(*) filter (v.result = 'pass') as passes, coalesce(sum(v.reward), 0) as rewards
from decided d
join runs r on r.project_id = $project_id and r.run_id = d.run_id
left join run_verdicts v on v.project_id = $project_id and v.run_id = d.run_id
left join (select distinct run_id, memory_id from eligible where $by = 'memory') m on m.run_id = d.run_id
where
    d.control_share > 0
    and d.decided_ns >= $since_ns
    and ($agent is null or r.agent = $agent)
    and ($memory_id is null or d.run_id in (select run_id from eligible where memory_id = $memory_id))
group by subject, d.control_share, d.withheld
order by subject, d.control_share, d.withheld
