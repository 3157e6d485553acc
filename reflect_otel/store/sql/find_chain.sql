select depth, parent_chain, content from messages where chain = $chain and depth <= $depth order by depth
