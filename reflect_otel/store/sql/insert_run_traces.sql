insert into run_traces values ($project_id, $trace_id, $run_id, $ordinal)
