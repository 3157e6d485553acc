select result, score, feedback, alpha, withdrawn
from review_signals
where project_id = $project_id
    and target_run_id is not distinct from $target_run_id
    and target_response_id is not distinct from $target_response_id
    and target_trace_id is not distinct from $target_trace_id
    and name = $name
    and source = $source
    and identifier = $identifier
order by ordinal desc
limit 1
