update memories set utility = $utility, uses = $uses, passes = $passes
where project_id = $project_id and memory_id = $memory_id
