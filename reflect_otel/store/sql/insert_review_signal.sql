insert into review_signals values (
    $project_id, $target_run_id, $target_response_id, $target_trace_id, $name, $source, $identifier, $result, $score,
    $feedback, $alpha, $created_ns, $ordinal, $withdrawn
)
