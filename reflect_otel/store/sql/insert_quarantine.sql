insert into quarantines values ($project_id, $quarantine_id, $reason, $spreads, $created_ns, $released_ns)
