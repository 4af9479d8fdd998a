-- What a worker answered and seldom changes (configuration, statistics, registered
-- tasks), apart from what changes with every heartbeat. A message "worker".
ALTER TABLE workers ADD COLUMN answers BYTEA;
