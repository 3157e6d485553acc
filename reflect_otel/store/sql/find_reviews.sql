select run_id, name, source, identifier, result, score, feedback, alpha, created_ns
from reviews
where project_id = $project_id and run_id in ($run_ids) and not withdrawn
order by ordinal
