select count(*), coalesce(sum(input_tokens + output_tokens), 0)::bigint, coalesce(sum(cost_usd), 0)
from model_calls
where project_id = $project_id and started_ns >= $since_ns
