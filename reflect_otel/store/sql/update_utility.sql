update memories set utility = $utility, uses = $uses, passes = $passes, alarm = $alarm
where project_id = $project_id and memory_id = $memory_id
