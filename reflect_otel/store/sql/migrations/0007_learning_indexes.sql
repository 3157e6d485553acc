-- Learning reads a handful of memories and their entries a run; without these it scans every one of them.
create index memories_by_id on memories (memory_id);
create index memories_by_speaker on memories (merged_into);
create index utility_events_by_memory on utility_events (memory_id);
create index utility_events_by_run on utility_events (run_id);
