select ordinal, run_id, memory_id from servings where project_id = $project_id and run_id in ($run_ids) and not withheld
