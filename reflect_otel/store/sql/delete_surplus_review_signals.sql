delete from review_signals
where project_id = $project_id
    and ordinal not in (
        select ordinal
        from (
            select ordinal
            from review_signals
            where project_id = $project_id
            qualify row_number() over (
                partition by target_run_id, target_response_id, target_trace_id order by ordinal desc
            ) <= $most_at_target
        )
        order by ordinal desc
        limit $most
    )
