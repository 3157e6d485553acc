select
    trace_id, span_id, event_name, time_ns, severity_number, body, attributes, resource, scope_name, scope_version
from logs
where arrival between $first_arrival and $last_arrival and project_id = $project_id and trace_id in ($trace_ids)
order by arrival
