-- How often the row was changed: a process that keeps tasks of the source in memory sees by
-- it whether another one has written meanwhile.
ALTER TABLE source_counters ADD COLUMN changes BIGINT NOT NULL DEFAULT 0;
