-- Tasks that somebody has marked as resolved: what failed was seen to. The mark goes
-- when the task fails again, or becomes something else.
CREATE TABLE resolved (
    no    BIGINT PRIMARY KEY, -- of the task
    at    BIGINT NOT NULL,
    actor TEXT
);

-- One thing done to many tasks. due_at: nothing more is begun before.
CREATE TABLE jobs (
    no         BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id         TEXT NOT NULL UNIQUE,
    action     BIGINT NOT NULL,
    state      BIGINT NOT NULL,
    rate       DOUBLE PRECISION NOT NULL,
    due_at     BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    ended_at   BIGINT,
    actor      TEXT,
    remote     TEXT,
    agent      TEXT,
    options    TEXT,
    request    TEXT,
    total      BIGINT NOT NULL,
    waiting    BIGINT NOT NULL,
    begun      BIGINT NOT NULL,
    done       BIGINT NOT NULL,
    refused    BIGINT NOT NULL,
    failed     BIGINT NOT NULL,
    uncertain  BIGINT NOT NULL,
    cancelled  BIGINT NOT NULL
);
CREATE INDEX jobs_open ON jobs (no) WHERE state < 2;

-- Its tasks, as they were chosen. taker: the process that began it.
CREATE TABLE job_items (
    job    BIGINT NOT NULL,
    item   BIGINT NOT NULL,
    source BIGINT NOT NULL,
    task   BIGINT NOT NULL,
    id     TEXT NOT NULL,
    state  BIGINT NOT NULL,
    at     BIGINT,
    taker  TEXT,
    text   TEXT,
    new_id TEXT,
    PRIMARY KEY (job, item)
);
CREATE INDEX job_items_open ON job_items (job, state, source, item) WHERE state < 2;
