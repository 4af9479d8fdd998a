-- When a task ended, where that was learned and no event told it. Filled in for older tasks when
-- the program starts: see write/learned_ends.c.
ALTER TABLE tasks ADD COLUMN learned_end INTEGER;

-- Which numbers the tasks have that ended within a second (unit 1) or a minute (unit 60).
CREATE TABLE task_end_spans (
    unit   INTEGER NOT NULL,
    at     INTEGER NOT NULL,
    source INTEGER NOT NULL,
    first  INTEGER NOT NULL,
    last   INTEGER NOT NULL,
    PRIMARY KEY (unit, at, source)
) WITHOUT ROWID;
-- row by row: grouping would sort all tasks in memory
INSERT INTO task_end_spans (unit, at, source, first, last)
SELECT 1, CASE status WHEN 3 THEN succeeded_at WHEN 4 THEN failed_at WHEN 6 THEN revoked_at
                      ELSE rejected_at END / 1000000, source, no, no
FROM tasks
WHERE CASE status WHEN 3 THEN succeeded_at WHEN 4 THEN failed_at WHEN 6 THEN revoked_at
                  WHEN 7 THEN rejected_at END IS NOT NULL
ON CONFLICT (unit, at, source) DO UPDATE
SET first = min(first, excluded.first), last = max(last, excluded.last);
INSERT INTO task_end_spans (unit, at, source, first, last)
SELECT 60, at / 60, source, min(first), max(last) FROM task_end_spans WHERE unit = 1 GROUP BY 2, 3;
