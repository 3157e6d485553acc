insert into model_calls values (
    $project_id, $call_id, $run_id, $purpose, $model, $input_tokens, $output_tokens, $cost_usd, $error, $started_ns
)
on conflict do update set
    input_tokens = excluded.input_tokens, output_tokens = excluded.output_tokens, cost_usd = excluded.cost_usd,
    error = excluded.error
