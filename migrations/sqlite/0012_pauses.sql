-- Queues that nobody is to consume for now. consumers: how their workers did, JSON.
CREATE TABLE pauses (
    source    TEXT NOT NULL,
    queue     TEXT NOT NULL,
    since     INTEGER NOT NULL,
    actor     TEXT,
    consumers TEXT,
    resuming  INTEGER NOT NULL,
    PRIMARY KEY (source, queue)
) WITHOUT ROWID;
