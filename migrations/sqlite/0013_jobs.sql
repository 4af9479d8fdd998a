-- Tasks that somebody has marked as resolved: what failed was seen to. The mark goes
-- when the task fails again, or becomes something else.
CREATE TABLE resolved (
    no    INTEGER PRIMARY KEY, -- of the task
    at    INTEGER NOT NULL,
    actor TEXT
);

-- One thing done to many tasks. due_at: nothing more is begun before.
CREATE TABLE jobs (
    no         INTEGER PRIMARY KEY AUTOINCREMENT,
    id         TEXT NOT NULL UNIQUE,
    action     INTEGER NOT NULL,
    state      INTEGER NOT NULL,
    rate       REAL NOT NULL,
    due_at     INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    ended_at   INTEGER,
    actor      TEXT,
    remote     TEXT,
    agent      TEXT,
    options    TEXT,
    request    TEXT,
    total      INTEGER NOT NULL,
    waiting    INTEGER NOT NULL,
    begun      INTEGER NOT NULL,
    done       INTEGER NOT NULL,
    refused    INTEGER NOT NULL,
    failed     INTEGER NOT NULL,
    uncertain  INTEGER NOT NULL,
    cancelled  INTEGER NOT NULL
);
CREATE INDEX jobs_open ON jobs (no) WHERE state < 2;

-- Its tasks, as they were chosen. taker: the process that began it.
CREATE TABLE job_items (
    job    INTEGER NOT NULL,
    item   INTEGER NOT NULL,
    source INTEGER NOT NULL,
    task   INTEGER NOT NULL,
    id     TEXT NOT NULL,
    state  INTEGER NOT NULL,
    at     INTEGER,
    taker  TEXT,
    text   TEXT,
    new_id TEXT,
    PRIMARY KEY (job, item)
) WITHOUT ROWID;
CREATE INDEX job_items_open ON job_items (job, state, source, item) WHERE state < 2;
