select count(*)
from memories
where project_id = $project_id and author = $author and created_ns > $since_ns
