-- Names that repeat (kind: 1 source, 2 task name, 3 queue, 4 host). 0 stands for
-- "none" wherever such a number is kept.
CREATE TABLE dict (
    id   INTEGER PRIMARY KEY,
    kind INTEGER NOT NULL,
    text TEXT NOT NULL,
    UNIQUE (kind, text)
);

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

-- Numbers of tasks are taken in blocks.
CREATE TABLE task_blocks (next INTEGER NOT NULL);
INSERT INTO task_blocks VALUES (1);

-- One row for each task, in order of arrival. hash: 64 bits of (source, id).
-- ordering: see merge_order_encode.
CREATE TABLE tasks (
    no           INTEGER PRIMARY KEY,
    hash         INTEGER NOT NULL,
    source       INTEGER NOT NULL,
    status       INTEGER NOT NULL,
    name         INTEGER NOT NULL,
    queue        INTEGER NOT NULL,
    worker       INTEGER NOT NULL,
    started_by   INTEGER NOT NULL,
    client       INTEGER NOT NULL,
    first_at     INTEGER NOT NULL,
    latest_at    INTEGER NOT NULL,
    sent_at      INTEGER,
    received_at  INTEGER,
    started_at   INTEGER,
    succeeded_at INTEGER,
    failed_at    INTEGER,
    rejected_at  INTEGER,
    revoked_at   INTEGER,
    retried_at   INTEGER,
    eta          INTEGER,
    expires      INTEGER,
    retries      INTEGER,
    runtime      REAL,
    revoked      INTEGER NOT NULL,
    ordering     BLOB NOT NULL,
    id           TEXT NOT NULL,
    args_repr    TEXT,
    kwargs_repr  TEXT,
    root_id      TEXT,
    parent_id    TEXT,
    exchange     TEXT,
    routing_key  TEXT,
    signum       TEXT,
    result_repr  TEXT,
    error        TEXT,
    traceback    TEXT
);
-- finds a task by its id
CREATE INDEX tasks_hash ON tasks (hash);
-- the filters of the task list, each in order of arrival
CREATE INDEX tasks_status ON tasks (status, no);
CREATE INDEX tasks_name ON tasks (name, no) WHERE name <> 0;
CREATE INDEX tasks_queue ON tasks (queue, no) WHERE queue <> 0;
CREATE INDEX tasks_worker ON tasks (worker, no) WHERE worker <> 0;

-- Which numbers the tasks have whose first event fell into a minute.
CREATE TABLE task_minutes (
    source INTEGER NOT NULL,
    minute INTEGER NOT NULL,
    first  INTEGER NOT NULL,
    last   INTEGER NOT NULL,
    PRIMARY KEY (minute, source)
) WITHOUT ROWID;

-- The history of each task; task 0 has what belongs to none. body: the rest of
-- the event as msgpack.
CREATE TABLE events (
    task  INTEGER NOT NULL,
    ident INTEGER NOT NULL,
    at    INTEGER NOT NULL,
    clock INTEGER NOT NULL,
    type  INTEGER NOT NULL,
    host  INTEGER NOT NULL,
    body  BLOB NOT NULL,
    PRIMARY KEY (task, ident)
) WITHOUT ROWID;

CREATE TABLE task_counts (
    source INTEGER NOT NULL,
    status INTEGER NOT NULL,
    count  INTEGER NOT NULL,
    PRIMARY KEY (source, status)
) WITHOUT ROWID;

CREATE TABLE source_counters (
    source     INTEGER PRIMARY KEY,
    received   INTEGER NOT NULL,
    invalid    INTEGER NOT NULL,
    lost       INTEGER NOT NULL,
    stored     INTEGER NOT NULL,
    duplicates INTEGER NOT NULL
);

-- Batches that were applied: all up to done, and those in ahead (8 bytes each,
-- little endian).
CREATE TABLE batch_marks (
    source INTEGER NOT NULL,
    epoch  INTEGER NOT NULL,
    done   INTEGER NOT NULL,
    ahead  BLOB NOT NULL,
    at     INTEGER NOT NULL,
    PRIMARY KEY (source, epoch)
) WITHOUT ROWID;

-- body: a message "worker"; the other columns decide what is newer.
CREATE TABLE workers (
    source       INTEGER NOT NULL,
    host         INTEGER NOT NULL,
    beat_at      INTEGER NOT NULL,
    beat_clock   INTEGER NOT NULL,
    status_at    INTEGER NOT NULL,
    status_clock INTEGER NOT NULL,
    status_by    INTEGER NOT NULL,
    body         BLOB NOT NULL,
    PRIMARY KEY (source, host)
) WITHOUT ROWID;

CREATE TABLE queues (
    source     INTEGER NOT NULL,
    queue      INTEGER NOT NULL,
    at         INTEGER NOT NULL,
    body       BLOB NOT NULL,
    PRIMARY KEY (source, queue)
) WITHOUT ROWID;

CREATE TABLE queue_points (
    source    INTEGER NOT NULL,
    queue     INTEGER NOT NULL,
    at        INTEGER NOT NULL,
    messages  INTEGER NOT NULL,
    unacked   INTEGER,
    consumers INTEGER,
    PRIMARY KEY (source, queue, at)
) WITHOUT ROWID;

CREATE TABLE gaps (
    source  INTEGER NOT NULL,
    from_at INTEGER NOT NULL,
    to_at   INTEGER NOT NULL,
    reason  TEXT NOT NULL,
    PRIMARY KEY (source, from_at, to_at, reason)
) WITHOUT ROWID;

-- A feed is the numbering of one storage process's commits.
CREATE TABLE feeds (
    no     INTEGER PRIMARY KEY,
    name   TEXT NOT NULL UNIQUE,
    id     TEXT NOT NULL,
    number INTEGER NOT NULL
);
CREATE TABLE feed (
    feed   INTEGER NOT NULL,
    number INTEGER NOT NULL,
    at     INTEGER NOT NULL,
    body   BLOB NOT NULL,
    PRIMARY KEY (feed, number)
) WITHOUT ROWID;
CREATE TABLE readers (
    reader TEXT PRIMARY KEY,
    feed   TEXT NOT NULL,
    number INTEGER NOT NULL
) WITHOUT ROWID;

-- Counts by steps of 1, 60 and 1440 minutes. minute: the first of the step, since
-- 1970. runtime, wait: sketches.
CREATE TABLE rollups (
    step    INTEGER NOT NULL,
    minute  INTEGER NOT NULL,
    source  INTEGER NOT NULL,
    name    INTEGER NOT NULL,
    queue   INTEGER NOT NULL,
    worker  INTEGER NOT NULL,
    status  INTEGER NOT NULL,
    count   INTEGER NOT NULL,
    runtime BLOB,
    wait    BLOB,
    PRIMARY KEY (step, minute, source, name, queue, worker, status)
) WITHOUT ROWID;
