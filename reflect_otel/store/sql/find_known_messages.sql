select hash, chain, depth from messages where project_id = $project_id and hash in ($hashes)
