select project_id, trace_id, run_id from run_traces where trace_id in ($trace_ids) order by ordinal
