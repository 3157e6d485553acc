delete from review_signals where project_id = $project_id and target_run_id in ($run_ids)
