select depth, parent_chain from messages where chain = $chain order by depth limit 1
