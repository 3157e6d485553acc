select project_id, trace_id, first_arrival, last_arrival from trace_extents where trace_id in ($trace_ids)
