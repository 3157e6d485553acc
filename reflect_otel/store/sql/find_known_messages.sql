select chain, depth from messages where project_id = $project_id and hash in ($hashes) order by depth desc limit 1
