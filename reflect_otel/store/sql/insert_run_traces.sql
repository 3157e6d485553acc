insert into run_traces
select project_id, trace_id, run_id, ordinal from incoming
