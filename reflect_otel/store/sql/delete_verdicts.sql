delete from run_verdicts where project_id = $project_id and run_id in ($run_ids)
