insert into schema_version values ($version, $applied_ns)
