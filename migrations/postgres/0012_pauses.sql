-- Queues that nobody is to consume for now. consumers: how their workers did, JSON.
CREATE TABLE pauses (
    source    TEXT NOT NULL,
    queue     TEXT NOT NULL,
    since     BIGINT NOT NULL,
    actor     TEXT,
    consumers TEXT,
    resuming  BIGINT NOT NULL,
    PRIMARY KEY (source, queue)
);
