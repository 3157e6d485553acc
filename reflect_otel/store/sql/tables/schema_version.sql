create table schema_version (
    version integer primary key,
    applied_ns bigint not null
);
