select r.*
from runs r
anti join reviews v on v.project_id = r.project_id and v.run_id = r.run_id and not v.withdrawn
left join (
    select project_id, run_id, count(*) as tries, count(*) filter (error = '') as judgements
    from model_calls
    where purpose = 'judgement' and started_ns >= $since_ns
    group by all
) c on c.project_id = r.project_id and c.run_id = r.run_id
where r.state = 'closed' and r.last_error = '' and r.last_seen_ns >= $since_ns and r.last_seen_ns < $until_ns
    and coalesce(c.judgements, 0) = 0 and coalesce(c.tries, 0) < $max_tries
order by r.last_seen_ns, r.run_id
limit $limit
