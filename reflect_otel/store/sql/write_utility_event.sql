insert into utility_events values (
    $project_id, $memory_id, $run_id, $reward, $alpha, $sequence, $before, $after, $reviewer, $excluded
)
on conflict do update set
    reward = excluded.reward, alpha = excluded.alpha, sequence = excluded.sequence, before = excluded.before,
    after = excluded.after, reviewer = excluded.reviewer, excluded = excluded.excluded
