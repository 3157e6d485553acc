insert into logs
select
    project_id, nullif(trace_id, ''::blob), nullif(span_id, ''::blob), arrival, received_ns, content_hash, event_name,
    time_ns, severity_number, nullif(body, ''), nullif(attributes, ''), nullif(resource, ''), scope_name,
    scope_version
from incoming
