select distinct created_from from memories where project_id = $project_id and contrasted_with in ($run_ids)
