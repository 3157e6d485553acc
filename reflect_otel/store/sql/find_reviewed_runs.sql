select distinct run_id from reviews where project_id = $project_id and not withdrawn order by run_id
