-- Conversations as chains: a hash covers the message and all before it, so a history that is sent again adds only
-- its new tail. The messages written together share a chain; the first one of a chain may continue another chain.
create table messages (
    project_id varchar not null,
    chain bigint not null,
    depth bigint not null, -- position in the conversation, from 0
    parent_chain bigint, -- set where a chain continues another one
    hash blob not null,
    content varchar using compression zstd not null
);
create index messages_by_hash on messages (hash);
create index messages_by_chain on messages (chain);
