-- Tasks that were sent again: new_id is task_id once more.
CREATE TABLE task_links (
    source  TEXT NOT NULL,
    new_id  TEXT NOT NULL,
    task_id TEXT NOT NULL,
    at      INTEGER NOT NULL,
    PRIMARY KEY (source, new_id)
);
CREATE INDEX task_links_task ON task_links (source, task_id);
CREATE INDEX task_links_at ON task_links (at);
