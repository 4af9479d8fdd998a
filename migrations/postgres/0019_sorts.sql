-- Tasks that have ended, to list them by end, runtime and queue wait (µs). The indexes begin with the
-- minute of the end, so that what is written lies close together, and a period narrows a search.
CREATE TABLE task_ends (
    at      BIGINT NOT NULL,
    no      BIGINT NOT NULL,
    minute  BIGINT NOT NULL,
    runtime BIGINT,
    wait    BIGINT,
    PRIMARY KEY (at, no)
);
INSERT INTO task_ends (at, no, minute, runtime, wait)
SELECT ended_at, no, ended_at / 60000000,
       CASE WHEN runtime IS NOT NULL THEN CAST(round(runtime * 1000000) AS BIGINT)
            WHEN started_at <= ended_at THEN ended_at - started_at END,
       CASE WHEN sent_at <= started_at THEN started_at - sent_at
            WHEN received_at <= started_at THEN started_at - received_at END
FROM (SELECT CASE status WHEN 3 THEN succeeded_at WHEN 4 THEN failed_at WHEN 6 THEN revoked_at
                         WHEN 7 THEN rejected_at END AS ended_at,
             no, runtime, sent_at, received_at, started_at FROM tasks) AS ends
WHERE ended_at IS NOT NULL;
CREATE INDEX task_ends_runtime ON task_ends (minute, runtime, no) WHERE runtime IS NOT NULL;
CREATE INDEX task_ends_wait ON task_ends (minute, wait, no) WHERE wait IS NOT NULL;
-- those whose end was learned follow: see write/learned_ends.c
DELETE FROM meta WHERE key = 'learned_ends';

-- the tasks that were retried
CREATE INDEX tasks_retries ON tasks (retries, no) WHERE retries > 0;
