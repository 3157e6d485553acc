select
    trace_id, span_id, parent_span_id, name, kind, start_ns, end_ns, status_code, status_message, attributes, events,
    links, resource, scope_name, scope_version, schema_url, flags, dropped_attributes_count
from spans
where arrival between $first_arrival and $last_arrival and project_id = $project_id and trace_id in ($trace_ids)
order by arrival
