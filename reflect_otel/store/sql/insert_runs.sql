insert into runs
select
    unnest($project_id::varchar[]), unnest($run_id::varchar[]), unnest($trace_ids::varchar[]),
    unnest($state::varchar[]), unnest($closed_by::varchar[]), unnest($task::varchar[]), unnest($agent::varchar[]),
    unnest($model::varchar[]), unnest($session_id::varchar[]), unnest($final_response::varchar[]),
    unnest($reference_context::varchar[]), unnest($metadata::varchar[]), unnest($served_memory_ids::varchar[]),
    unnest($steps::bigint[]), unnest($llm_calls::bigint[]), unnest($llm_errors::bigint[]),
    unnest($tool_calls::bigint[]), unnest($tool_errors::bigint[]), unnest($input_tokens::bigint[]),
    unnest($output_tokens::bigint[]), unnest($span_count::bigint[]), unnest($late_spans::bigint[]),
    unnest($started_ns::ubigint[]), unnest($ended_ns::ubigint[]), unnest($first_seen_ns::bigint[]),
    unnest($last_seen_ns::bigint[]), unnest($inferred::boolean[]), unnest($last_error::varchar[])
