-- Which tasks have a status, in order of arrival: apart from tasks, so that a change
-- of status rewrites one small entry, and no index of tasks.
CREATE TABLE task_states (
    status BIGINT NOT NULL,
    no     BIGINT NOT NULL,
    PRIMARY KEY (status, no)
) WITH (autovacuum_vacuum_scale_factor = 0.05);
INSERT INTO task_states (status, no) SELECT status, no FROM tasks ORDER BY status, no;
DROP INDEX tasks_status;
-- A task is rewritten some times soon after it came: with room in its page, and no
-- indexed column changed, that touches no index.
ALTER TABLE tasks SET (fillfactor = 50);
