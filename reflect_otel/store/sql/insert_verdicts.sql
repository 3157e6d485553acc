insert into run_verdicts
select $project_id, unnest($run_id::varchar[]), unnest($result::varchar[]), unnest($reward::double[])
