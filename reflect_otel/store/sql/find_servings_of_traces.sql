select ordinal, trace_id, memory_id, run_id from servings where project_id = $project_id and trace_id in ($trace_ids) and not withheld
