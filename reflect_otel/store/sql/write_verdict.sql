insert into run_verdicts values ($project_id, $run_id, $result, $reward)
on conflict do update set result = excluded.result, reward = excluded.reward
