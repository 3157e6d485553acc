select withdrawn, changed_ns, name, source, identifier, result, score, feedback, alpha, created_ns
from reviews
where project_id = $project_id and run_id = $run_id and name = $name and source = $source and identifier = $identifier
