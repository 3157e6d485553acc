insert into memories values (
    $project_id, $memory_id, $task, $reflection, $kind, $utility, $uses, $passes, $success, $created_from,
    $created_ns, $status, $agent, $metadata, $pinned, $merged_into, $last_served_ns, $author, $status_reason,
    $alarm, $reflector, $contrasted_with
)
on conflict do update set
    task = excluded.task, reflection = excluded.reflection, kind = excluded.kind, utility = excluded.utility,
    uses = excluded.uses, passes = excluded.passes, success = excluded.success,
    created_from = excluded.created_from, created_ns = excluded.created_ns, status = excluded.status,
    agent = excluded.agent, metadata = excluded.metadata,
    pinned = excluded.pinned, merged_into = excluded.merged_into, last_served_ns = excluded.last_served_ns,
    author = excluded.author, status_reason = excluded.status_reason,
    alarm = excluded.alarm, reflector = excluded.reflector, contrasted_with = excluded.contrasted_with
