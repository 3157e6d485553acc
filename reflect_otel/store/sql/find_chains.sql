select chain, depth, parent_chain, content from messages where chain in ($chains) and depth <= $depth order by depth
