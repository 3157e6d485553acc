select project_id, document from project_settings
