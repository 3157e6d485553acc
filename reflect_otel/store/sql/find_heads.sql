select head_chain, head_depth from trajectories where project_id = $project_id and run_id in ($run_ids)
