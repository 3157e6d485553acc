insert into runs
select
    project_id, run_id, trace_ids, state, closed_by, task, agent, model, session_id, final_response, reference_context,
    metadata, served_memory_ids, steps, llm_calls, llm_errors, tool_calls, tool_errors, input_tokens, output_tokens,
    span_count, late_spans, started_ns, ended_ns, first_seen_ns, last_seen_ns, inferred, last_error, author
from incoming
