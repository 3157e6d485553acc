alter table utility_events add column result varchar; -- verdict that the reward goes with; null: the reward tells
