-- finds the tasks of a workflow by its root; most tasks are their own root, and not in it
CREATE INDEX tasks_root ON tasks (substr(root_id, 1, 64), no) WHERE root_id <> id;

-- When a worker came, went, or was started anew. change: see KN_WORKER_CHANGE_MAP.
CREATE TABLE worker_life (
    source BIGINT NOT NULL,
    host   BIGINT NOT NULL,
    at     BIGINT NOT NULL,
    change BIGINT NOT NULL,
    PRIMARY KEY (source, host, at, change)
);
