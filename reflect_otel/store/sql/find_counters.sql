select
    greatest((select coalesce(max(arrival), 0) from spans), (select coalesce(max(arrival), 0) from logs)),
    greatest(
        (select coalesce(max(ordinal), 0) from run_traces),
        (select coalesce(max(ordinal), 0) from reviews),
        (select coalesce(max(ordinal), 0) from review_signals),
        (select coalesce(max(ordinal), 0) from servings),
        (select coalesce(max(chain), 0) from messages)
    )
