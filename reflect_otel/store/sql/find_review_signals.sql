select
    ordinal, project_id, target_run_id, target_response_id, target_trace_id, name, source, identifier, result, score,
    feedback, alpha, created_ns, withdrawn
from review_signals
where target_run_id in (select unnest($run_ids::varchar[]))
    or target_response_id in (select unnest($response_ids::varchar[]))
    or target_trace_id in (select unnest($trace_ids::blob[]))
order by ordinal
