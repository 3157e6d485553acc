select greatest(
    (select coalesce(max(head_depth), -1) from trajectories where head_chain = $chain),
    (select coalesce(max(depth) - 1, -1) from messages where parent_chain = $chain)
)
