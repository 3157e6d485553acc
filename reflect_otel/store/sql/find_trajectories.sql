select run_id, head_chain, head_depth, document from trajectories where project_id = $project_id and run_id in ($run_ids)
