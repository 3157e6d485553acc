insert into spans
select
    project_id, trace_id, span_id, nullif(parent_span_id, ''::blob), arrival, received_ns, name, kind, start_ns,
    end_ns, status_code, status_message, nullif(response_id, ''), nullif(attributes, ''), nullif(events, ''),
    nullif(links, ''), nullif(resource, ''), scope_name, scope_version, schema_url, flags, dropped_attributes_count
from incoming
