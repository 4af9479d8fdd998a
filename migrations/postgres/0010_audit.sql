-- What people did through Kanchi: a row when it is begun, another when it has ended.
-- Rows are only ever added.
CREATE TABLE audit (
    no       BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id       TEXT NOT NULL UNIQUE,
    attempt  TEXT NOT NULL,
    verb     BIGINT NOT NULL,
    method   TEXT,
    source   TEXT,
    target   TEXT,
    actor    TEXT,
    remote   TEXT,
    agent    TEXT,
    request  TEXT,
    begun_at BIGINT NOT NULL
);
CREATE INDEX audit_target ON audit (target, no);
CREATE TABLE audit_ends (
    no       BIGINT PRIMARY KEY REFERENCES audit (no),
    ended_at BIGINT NOT NULL,
    outcome  BIGINT NOT NULL,
    text     TEXT,
    result   TEXT
);
CREATE FUNCTION kanchi_append_only() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'the audit is append-only'; END $$;
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
FOR EACH STATEMENT EXECUTE FUNCTION kanchi_append_only();
CREATE TRIGGER audit_ends_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_ends
FOR EACH STATEMENT EXECUTE FUNCTION kanchi_append_only();
