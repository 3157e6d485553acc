update reviews
set result = $result, score = $score, feedback = $feedback, alpha = $alpha, changed_ns = $changed_ns
where project_id = $project_id and run_id = $run_id and name = $name and source = $source
    and identifier = $identifier
