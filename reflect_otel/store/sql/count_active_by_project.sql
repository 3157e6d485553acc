select project_id, count(*) from memories where status = 'active' group by project_id order by project_id
