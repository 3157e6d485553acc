select project_id, content_hash
from logs
where time_ns between $first_ns and $last_ns and content_hash in (select unnest($hashes::blob[]))
