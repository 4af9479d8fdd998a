-- What people did through Kanchi: a row when it is begun, another when it has ended.
-- Rows are only ever added.
CREATE TABLE audit (
    no       INTEGER PRIMARY KEY AUTOINCREMENT,
    id       TEXT NOT NULL UNIQUE,
    attempt  TEXT NOT NULL,
    verb     INTEGER NOT NULL,
    method   TEXT,
    source   TEXT,
    target   TEXT,
    actor    TEXT,
    remote   TEXT,
    agent    TEXT,
    request  TEXT,
    begun_at INTEGER NOT NULL
);
CREATE INDEX audit_target ON audit (target, no);
CREATE TABLE audit_ends (
    no       INTEGER PRIMARY KEY REFERENCES audit (no),
    ended_at INTEGER NOT NULL,
    outcome  INTEGER NOT NULL,
    text     TEXT,
    result   TEXT
);
CREATE TRIGGER audit_update BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
CREATE TRIGGER audit_delete BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
CREATE TRIGGER audit_ends_update BEFORE UPDATE ON audit_ends
BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
CREATE TRIGGER audit_ends_delete BEFORE DELETE ON audit_ends
BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
