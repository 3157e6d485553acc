insert into project_settings values ($project_id, $document)
on conflict do update set document = excluded.document
