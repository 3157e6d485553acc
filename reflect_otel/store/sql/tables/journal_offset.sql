create table journal_offset (sequence ubigint not null);
insert into journal_offset values (0);
