-- Rollups with the cells of all queues, workers and statuses in one row for each
-- task name (scope 1), and for all names together (scope 0, name 0): see
-- services/storage/cells.h. step: minutes. totals: by status alone.
--
-- The counts are made anew: from the feed when it still has everything, else from
-- the stored events.
DROP TABLE rollups;
CREATE TABLE rollups (
    step   INTEGER NOT NULL,
    scope  INTEGER NOT NULL,
    minute INTEGER NOT NULL,
    source INTEGER NOT NULL,
    name   INTEGER NOT NULL,
    totals BLOB NOT NULL,
    cells  BLOB NOT NULL,
    PRIMARY KEY (step, scope, minute, source, name)
) WITHOUT ROWID;
DELETE FROM readers;
