-- Which numbers the tasks have whose first event fell into a second: for the ends of a
-- period that is asked for. Where tasks are many, a minute has too many to look through.
CREATE TABLE task_seconds (
    source INTEGER NOT NULL,
    second INTEGER NOT NULL,
    first  INTEGER NOT NULL,
    last   INTEGER NOT NULL,
    PRIMARY KEY (second, source)
) WITHOUT ROWID;
-- row by row: grouping would sort all tasks in memory
INSERT INTO task_seconds (source, second, first, last)
SELECT source, first_at / 1000000, no, no FROM tasks WHERE true
ON CONFLICT (second, source) DO UPDATE
SET first = min(first, excluded.first), last = max(last, excluded.last);
