insert into reflections values (
    $project_id, $run_id, $memory_id, $reflector, $model, $note, $evidence_steps, $contrasted_with, $prompt_hash,
    $created_ns, $raw_output
)
on conflict do update set
    memory_id = excluded.memory_id, reflector = excluded.reflector, model = excluded.model, note = excluded.note,
    evidence_steps = excluded.evidence_steps, contrasted_with = excluded.contrasted_with,
    prompt_hash = excluded.prompt_hash, created_ns = excluded.created_ns, raw_output = excluded.raw_output
