insert into reviews values (
    $project_id, $run_id, $name, $source, $identifier, $result, $score, $feedback, $alpha, $created_ns, $ordinal, false,
    $changed_ns
)
