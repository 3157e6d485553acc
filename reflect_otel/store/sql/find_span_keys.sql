select project_id, trace_id, span_id
from spans
where arrival between $first_arrival and $last_arrival and trace_id in ($trace_ids)
