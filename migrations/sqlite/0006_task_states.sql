-- Which tasks have a status, in order of arrival: apart from tasks, so that a change
-- of status rewrites one small entry, and no index of tasks.
CREATE TABLE task_states (
    status INTEGER NOT NULL,
    no     INTEGER NOT NULL,
    PRIMARY KEY (status, no)
) WITHOUT ROWID;
INSERT INTO task_states (status, no) SELECT status, no FROM tasks ORDER BY status, no;
DROP INDEX tasks_status;
