delete from messages where chain = $chain and depth > $depth
