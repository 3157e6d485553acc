select status, count(*), count(*) filter (alarm <> '') from memories group by status order by status
