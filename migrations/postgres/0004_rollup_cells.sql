-- Rollups with the cells of all queues, workers and statuses in one row for each
-- task name (scope 1), and for all names together (scope 0, name 0): see
-- services/storage/cells.h. step: minutes. totals: by status alone.
--
-- The counts are made anew: from the feed when it still has everything, else from
-- the stored events.
DROP TABLE rollups;
CREATE TABLE rollups (
    step   BIGINT NOT NULL,
    scope  BIGINT NOT NULL,
    minute BIGINT NOT NULL,
    source BIGINT NOT NULL,
    name   BIGINT NOT NULL,
    totals BYTEA NOT NULL,
    cells  BYTEA NOT NULL,
    PRIMARY KEY (step, scope, minute, source, name)
);
-- The bytes are dense; to compress them takes longer than to write them.
ALTER TABLE rollups ALTER COLUMN totals SET STORAGE EXTERNAL;
ALTER TABLE rollups ALTER COLUMN cells SET STORAGE EXTERNAL;
DELETE FROM readers;
