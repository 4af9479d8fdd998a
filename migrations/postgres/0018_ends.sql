-- When a task ended, where that was learned and no event told it. Filled in for older tasks when
-- the program starts: see write/learned_ends.c.
ALTER TABLE tasks ADD COLUMN learned_end BIGINT;

-- Which numbers the tasks have that ended within a second (unit 1) or a minute (unit 60).
CREATE TABLE task_end_spans (
    unit   BIGINT NOT NULL,
    at     BIGINT NOT NULL,
    source BIGINT NOT NULL,
    first  BIGINT NOT NULL,
    last   BIGINT NOT NULL,
    PRIMARY KEY (unit, at, source)
);
INSERT INTO task_end_spans (unit, at, source, first, last)
SELECT 1, ended_at / 1000000, source, min(no), max(no)
FROM (SELECT CASE status WHEN 3 THEN succeeded_at WHEN 4 THEN failed_at WHEN 6 THEN revoked_at
                         WHEN 7 THEN rejected_at END AS ended_at, source, no FROM tasks) AS ends
WHERE ended_at IS NOT NULL
GROUP BY 2, 3;
INSERT INTO task_end_spans (unit, at, source, first, last)
SELECT 60, at / 60, source, min(first), max(last) FROM task_end_spans WHERE unit = 1 GROUP BY 2, 3;
