select run_id, trace_id from run_traces where project_id = $project_id and run_id in ($run_ids) order by ordinal
