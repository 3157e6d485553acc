update reviews set run_id = $to_run_id
where project_id = $project_id and run_id = $run_id and withdrawn
    and not exists (
        select 1 from reviews t
        where t.project_id = $project_id and t.run_id = $to_run_id and t.name = reviews.name
            and t.source = reviews.source and t.identifier = reviews.identifier
    )
