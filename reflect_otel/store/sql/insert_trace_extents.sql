insert into trace_extents
select project_id, trace_id, first_arrival, last_arrival from incoming
