insert into memory_heirs values ($project_id, $memory_id, $heir_id) on conflict do update set heir_id = excluded.heir_id
