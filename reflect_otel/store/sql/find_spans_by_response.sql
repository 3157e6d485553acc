select project_id, response_id, trace_id, attributes
from spans
where response_id in (select unnest($response_ids::varchar[]))
order by arrival
