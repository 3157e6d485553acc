insert into trajectories values ($project_id, $run_id, $head_chain, $head_depth, $document)
