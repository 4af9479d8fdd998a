-- Which numbers the tasks have whose first event fell into a second: for the ends of a
-- period that is asked for. Where tasks are many, a minute has too many to look through.
CREATE TABLE task_seconds (
    source BIGINT NOT NULL,
    second BIGINT NOT NULL,
    first  BIGINT NOT NULL,
    last   BIGINT NOT NULL,
    PRIMARY KEY (second, source)
);
INSERT INTO task_seconds (source, second, first, last)
SELECT source, first_at / 1000000, min(no), max(no) FROM tasks GROUP BY 2, 1;
