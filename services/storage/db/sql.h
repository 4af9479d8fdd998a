/* Every statement: id, types of its values, text for SQLite, text for PostgreSQL (SAME for
 * identical text). Values are $1, $2 …, each i (integer), f (number), t (text) or b (bytes). On
 * PostgreSQL statements for many rows (db_each) take arrays, or are a COPY. */
#ifndef KN_STORAGE_DB_SQL_H
#define KN_STORAGE_DB_SQL_H

#include "services/storage/db/sql_tasks.h"

/* Maximum number of values of a statement, and of columns of a row, in both databases. */
enum { SQL_PARAMS_MAX = 40, SQL_COLUMNS_MAX = 48 };

/* Numbers used in statements because an index or a sequence depends on them; sql.c checks them
 * against proto/enums.h. */
#define SQL_TEXT_OF(number) #number
#define SQL_TEXT(number) SQL_TEXT_OF(number)
#define SQL_ITEM_WAITING 0
#define SQL_ITEM_BEGUN 1
#define SQL_ITEM_FAILED 4
#define SQL_ITEM_CANCELLED 6
#define SQL_ENDED 2         /* jobs and their items: the first final state */
#define SQL_BLOCK_SIZE 1024 /* task numbers reserved at once */

/* clang-format off */
#define SQL_WAITING SQL_TEXT(SQL_ITEM_WAITING)
#define SQL_BEGUN SQL_TEXT(SQL_ITEM_BEGUN)
#define SQL_CANCELLED SQL_TEXT(SQL_ITEM_CANCELLED)
#define SQL_OPEN "state < " SQL_TEXT(SQL_ENDED)

#define SQL_AUDIT_ROWS \
    "SELECT a.no, a.id, a.verb, a.method, a.source, a.target, a.actor, " \
    "a.remote, a.agent, a.request, a.begun_at, e.ended_at, e.outcome, " \
    "e.text, e.result FROM audit a LEFT JOIN audit_ends e ON e.no = a.no "

#define SQL_JOB \
    "SELECT no, id, action, state, rate, due_at, created_at, ended_at, actor, " \
    "remote, agent, options, request, total, waiting, begun, done, refused, " \
    "failed, uncertain, cancelled FROM jobs "

#define SQL_ROLLUPS_AT(column) \
    "SELECT r.minute, r.source, r.name, r." column " FROM rollups r JOIN " \
    "unnest($1::int8[], $2::int8[], $3::int8[], $4::int8[], $5::int8[]) AS " \
    "u(step, scope, minute, source, name) USING (step, scope, minute, source, " \
    "name) ORDER BY r.minute"

#define SQL_END_SPAN_CONFLICT \
    "ON CONFLICT (unit, at, source) DO UPDATE SET first = CASE WHEN " \
    "excluded.first < task_end_spans.first THEN excluded.first ELSE " \
    "task_end_spans.first END, last = CASE WHEN excluded.last > " \
    "task_end_spans.last THEN excluded.last ELSE task_end_spans.last END"

#define SQL_WORKERS \
    "SELECT source, host, beat_at, beat_clock, status_at, status_clock, " \
    "status_by, body, answers FROM workers "

#define SQL_WORKER_SET \
    "beat_at = excluded.beat_at, beat_clock = excluded.beat_clock, status_at " \
    "= excluded.status_at, status_clock = excluded.status_clock, status_by = " \
    "excluded.status_by, body = excluded.body, online = excluded.online, " \
    "heard = excluded.heard, hostname = excluded.hostname"

#define SQL_MAP(S, SAME) \
    SAME(MIGRATIONS, "", \
        "SELECT version, checksum FROM migrations ORDER BY version") \
    SAME(MIGRATION_ADD, "itii", \
        "INSERT INTO migrations (version, name, checksum, applied_at) " \
        "VALUES ($1, $2, $3, $4)") \
    SAME(META_GET, "t", \
        "SELECT value FROM meta WHERE key = $1") \
    SAME(META_PUT, "tt", \
        "INSERT INTO meta (key, value) VALUES ($1, $2) ON CONFLICT (key) " \
        "DO UPDATE SET value = excluded.value") \
    SAME(META_NEW, "tt", \
        "INSERT INTO meta (key, value) VALUES ($1, $2) ON CONFLICT (key) " \
        "DO NOTHING") \
    SAME(DICT_FIND, "it", \
        "SELECT id FROM dict WHERE kind = $1 AND text = $2") \
    SAME(DICT_NEW, "it", \
        "INSERT INTO dict (kind, text) VALUES ($1, $2) ON CONFLICT (kind, " \
        "text) DO NOTHING") \
    SAME(DICT_TEXT, "i", \
        "SELECT text FROM dict WHERE id = $1") \
    SAME(DICT_OF_KIND, "iti", \
        "SELECT id, text FROM dict WHERE kind = $1 AND text > $2 ORDER BY " \
        "text LIMIT $3") \
    S(TASK_BLOCK, "", \
        "UPDATE task_blocks SET next = next + " SQL_TEXT(SQL_BLOCK_SIZE) \
        " RETURNING next - " SQL_TEXT(SQL_BLOCK_SIZE), \
        "SELECT nextval('task_blocks')") \
    S(TASKS_BY_HASH, "i", \
        SQL_TASKS "WHERE hash = $1", \
        SQL_TASKS "WHERE hash = ANY($1::int8[])") \
    S(TASKS_BY_NO, "i", \
        SQL_TASKS "WHERE no = $1", \
        SQL_TASKS "WHERE no = ANY($1::int8[])") \
    SAME(TASKS_PAGE, "ii", \
        SQL_TASKS "WHERE no > $1 ORDER BY no LIMIT $2") \
    S(TASK_NEW, SQL_TASK_TYPES, SQL_TASK_INSERT, SQL_TASK_COPY) \
    S(TASK_UPDATE, SQL_TASK_SET_TYPES(UPDATE), SQL_TASK_SET(UPDATE), SQL_TASKS_SET(UPDATE)) \
    S(TASK_UPDATE_REST, SQL_TASK_SET_TYPES(REST), SQL_TASK_SET(REST), SQL_TASKS_SET(REST)) \
    S(TASK_ADVANCE, SQL_TASK_SET_TYPES(ADVANCE), SQL_TASK_SET(ADVANCE), SQL_TASKS_SET(ADVANCE)) \
    S(TASK_STATE_PUT, "ii", \
        "INSERT INTO task_states (status, no) VALUES ($1, $2)", \
        "COPY task_states (status, no) FROM STDIN (FORMAT binary)") \
    S(TASK_STATE_DROP, "ii", \
        "DELETE FROM task_states WHERE status = $1 AND no = $2", \
        "DELETE FROM task_states s USING unnest($1::int8[], $2::int8[]) AS " \
        "u(status, no) WHERE s.status = u.status AND s.no = u.no") \
    S(TASK_END_PUT, "iiiii", \
        "INSERT INTO task_ends (at, no, minute, runtime, wait) VALUES ($1, $2, " \
        "$3, $4, $5)", \
        "COPY task_ends (at, no, minute, runtime, wait) FROM STDIN (FORMAT " \
        "binary)") \
    S(TASK_END_DROP, "ii", \
        "DELETE FROM task_ends WHERE at = $1 AND no = $2", \
        "DELETE FROM task_ends e USING unnest($1::int8[], $2::int8[]) AS " \
        "u(at, no) WHERE e.at = u.at AND e.no = u.no") \
    SAME(RUNTIME_HEADS, "iiii", SQL_HEADS("runtime")) \
    SAME(WAIT_HEADS, "iiii", SQL_HEADS("wait")) \
    SQL_SORTED(SAME, ENDED, "iiiii", "e.at", \
        "FROM task_ends e JOIN tasks t ON t.no = e.no WHERE e.at >= $5 AND " \
        "(e.at, e.no) < ($1, $2) ORDER BY e.at DESC, e.no DESC LIMIT $3") \
    SQL_SORTED(SAME, ENDED_OLDEST, "iiiii", "e.at", \
        "FROM task_ends e JOIN tasks t ON t.no = e.no WHERE e.at < $5 AND " \
        "(e.at, e.no) > ($1, $2) ORDER BY e.at, e.no LIMIT $3") \
    SQL_SORTED(SAME, RUNTIME, "iiiii", "e.runtime", \
        "FROM task_ends e JOIN tasks t ON t.no = e.no WHERE e.minute = $5 AND " \
        "e.runtime IS NOT NULL AND (e.runtime, e.no) < ($1, $2) ORDER BY " \
        "e.runtime DESC, e.no DESC LIMIT $3") \
    SQL_SORTED(SAME, WAIT, "iiiii", "e.wait", \
        "FROM task_ends e JOIN tasks t ON t.no = e.no WHERE e.minute = $5 AND " \
        "e.wait IS NOT NULL AND (e.wait, e.no) < ($1, $2) ORDER BY e.wait DESC, " \
        "e.no DESC LIMIT $3") \
    SQL_SORTED(SAME, RETRIES, "iiiii", "t.retries", \
        "FROM tasks t WHERE t.retries > 0 AND $5 = 0 AND (t.retries, t.no) < " \
        "($1, $2) ORDER BY t.retries DESC, t.no DESC LIMIT $3") \
    S(TASK_MINUTE_PUT, "iiii", \
        "INSERT INTO task_minutes (source, minute, first, last) VALUES " \
        "($1, $2, $3, $4) ON CONFLICT (minute, source) DO UPDATE SET " \
        "first = CASE WHEN excluded.first < task_minutes.first THEN " \
        "excluded.first ELSE task_minutes.first END, last = CASE WHEN " \
        "excluded.last > task_minutes.last THEN excluded.last ELSE " \
        "task_minutes.last END", \
        "INSERT INTO task_minutes (source, minute, first, last) SELECT * " \
        "FROM unnest($1::int8[], $2::int8[], $3::int8[], $4::int8[]) ON " \
        "CONFLICT (minute, source) DO UPDATE SET first = CASE WHEN " \
        "excluded.first < task_minutes.first THEN excluded.first ELSE " \
        "task_minutes.first END, last = CASE WHEN excluded.last > " \
        "task_minutes.last THEN excluded.last ELSE task_minutes.last END") \
    S(TASK_SECOND_PUT, "iiii", \
        "INSERT INTO task_seconds (source, second, first, last) VALUES " \
        "($1, $2, $3, $4) ON CONFLICT (second, source) DO UPDATE SET " \
        "first = CASE WHEN excluded.first < task_seconds.first THEN " \
        "excluded.first ELSE task_seconds.first END, last = CASE WHEN " \
        "excluded.last > task_seconds.last THEN excluded.last ELSE " \
        "task_seconds.last END", \
        "INSERT INTO task_seconds (source, second, first, last) SELECT * " \
        "FROM unnest($1::int8[], $2::int8[], $3::int8[], $4::int8[]) ON " \
        "CONFLICT (second, source) DO UPDATE SET first = CASE WHEN " \
        "excluded.first < task_seconds.first THEN excluded.first ELSE " \
        "task_seconds.first END, last = CASE WHEN excluded.last > " \
        "task_seconds.last THEN excluded.last ELSE task_seconds.last END") \
    S(END_SPAN_PUT, "iiiii", \
        "INSERT INTO task_end_spans (unit, at, source, first, last) VALUES " \
        "($1, $2, $3, $4, $5) " SQL_END_SPAN_CONFLICT, \
        "INSERT INTO task_end_spans (unit, at, source, first, last) SELECT * " \
        "FROM unnest($1::int8[], $2::int8[], $3::int8[], $4::int8[], $5::int8[]) " \
        SQL_END_SPAN_CONFLICT) \
    SAME(END_SPAN, "iiiiii", \
        "SELECT min(first), max(last) FROM (SELECT first, last FROM " \
        "task_end_spans WHERE unit = 60 AND at >= $1 AND at < $2 UNION ALL " \
        "SELECT first, last FROM task_end_spans WHERE unit = 1 AND at >= $3 " \
        "AND at < $4 UNION ALL SELECT first, last FROM task_end_spans WHERE " \
        "unit = 1 AND at >= $5 AND at < $6) AS parts") \
    SAME(TASK_SPAN, "iiiiii", \
        "SELECT min(first), max(last) FROM (SELECT first, last FROM " \
        "task_minutes WHERE minute >= $1 AND minute < $2 UNION ALL SELECT " \
        "first, last FROM task_seconds WHERE second >= $3 AND second < $4 " \
        "UNION ALL SELECT first, last FROM task_seconds WHERE second >= $5 " \
        "AND second < $6) AS parts") \
    S(EVENT_NEW, "iiiiiib", \
        "INSERT OR IGNORE INTO events (task, ident, at, clock, type, " \
        "host, body) VALUES ($1, $2, $3, $4, $5, $6, $7)", \
        "COPY events (task, ident, at, clock, type, host, body) FROM STDIN " \
        "(FORMAT binary)") \
    S(EVENT_PUT, "iiiiiib", \
        "INSERT OR IGNORE INTO events (task, ident, at, clock, type, " \
        "host, body) VALUES ($1, $2, $3, $4, $5, $6, $7)", \
        "INSERT INTO events (task, ident, at, clock, type, host, body) " \
        "SELECT * FROM unnest($1::int8[], $2::int8[], $3::int8[], " \
        "$4::int8[], $5::int8[], $6::int8[], $7::bytea[]) ON CONFLICT DO " \
        "NOTHING RETURNING task, ident") \
    S(EVENT_PUT_ONCE, "iiiiiib", \
        "INSERT OR IGNORE INTO events (task, ident, at, clock, type, " \
        "host, body) VALUES ($1, $2, $3, $4, $5, $6, $7)", \
        "INSERT INTO events (task, ident, at, clock, type, host, body) " \
        "SELECT * FROM unnest($1::int8[], $2::int8[], $3::int8[], " \
        "$4::int8[], $5::int8[], $6::int8[], $7::bytea[]) AS u(task, ident, " \
        "at, clock, type, host, body) WHERE NOT EXISTS (SELECT 1 FROM events " \
        "e WHERE e.task = u.task AND e.ident = u.ident) ON CONFLICT DO " \
        "NOTHING RETURNING task, ident") \
    SAME(EVENTS_OF_TASK, "iii", \
        "SELECT ident, at, clock, type, host, body FROM events WHERE task " \
        "= $1 AND at >= $2 AND at <= $3") \
    SAME(EVENTS_PAGE, "iiiiiii", \
        "SELECT ident, at, clock, type, host, body FROM events WHERE task " \
        "= $1 AND at >= $6 AND at <= $7 AND " \
        "(at, clock, ident) > ($2, $3, $4) ORDER BY at, clock, " \
        "ident LIMIT $5") \
    S(TASK_COUNT_ADD, "iii", \
        "INSERT INTO task_counts (source, status, count) VALUES ($1, $2, " \
        "$3) ON CONFLICT (source, status) DO UPDATE SET count = " \
        "task_counts.count + excluded.count", \
        "INSERT INTO task_counts (source, status, count) SELECT * FROM " \
        "unnest($1::int8[], $2::int8[], $3::int8[]) ON CONFLICT (source, " \
        "status) DO UPDATE SET count = task_counts.count + excluded.count") \
    S(EVENTS_HYPER, "", \
        "SELECT 0", \
        "SELECT CASE WHEN kanchi_events_hyper() THEN 1 ELSE 0 END") \
    S(EVENT_DAY, "i", \
        "SELECT 1 WHERE $1 < 0", \
        "SELECT kanchi_events_day($1)") \
    SAME(TASK_COUNTS, "", \
        "SELECT source, status, count FROM task_counts") \
    SAME(COUNTERS_ADD, "iiiiii", \
        "INSERT INTO source_counters (source, received, invalid, lost, " \
        "stored, duplicates) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT " \
        "(source) DO UPDATE SET received = source_counters.received + " \
        "excluded.received, invalid = source_counters.invalid + " \
        "excluded.invalid, lost = source_counters.lost + excluded.lost, " \
        "stored = source_counters.stored + excluded.stored, duplicates = " \
        "source_counters.duplicates + excluded.duplicates, changes = " \
        "source_counters.changes + 1 RETURNING changes") \
    SAME(COUNTERS, "", \
        "SELECT source, received, invalid, lost, stored, duplicates FROM " \
        "source_counters") \
    SAME(COMPLETE_TO_GET, "i", \
        "SELECT complete_to FROM source_counters WHERE source = $1") \
    SAME(COMPLETE_TO_PUT, "ii", \
        "UPDATE source_counters SET complete_to = $2 WHERE source = $1") \
    SAME(MARK_GET, "ii", \
        "SELECT done, ahead FROM batch_marks WHERE source = $1 AND epoch " \
        "= $2") \
    SAME(MARK_PUT, "iiibi", \
        "INSERT INTO batch_marks (source, epoch, done, ahead, at) VALUES " \
        "($1, $2, $3, $4, $5) ON CONFLICT (source, epoch) DO UPDATE SET " \
        "done = excluded.done, ahead = excluded.ahead, at = excluded.at") \
    SAME(MARKS_TRIM, "i", \
        "DELETE FROM batch_marks WHERE at < $1") \
    S(WORKER_GET, "ii", \
        "SELECT source, host, beat_at, beat_clock, status_at, " \
        "status_clock, status_by, body FROM workers WHERE source = $1 AND " \
        "host = $2", \
        "SELECT w.source, w.host, w.beat_at, w.beat_clock, w.status_at, " \
        "w.status_clock, w.status_by, w.body FROM workers w JOIN " \
        "unnest($1::int8[], $2::int8[]) AS u(source, host) USING (source, " \
        "host)") \
    SAME(WORKERS_PAGE, "iiti", \
        SQL_WORKERS "WHERE source = $1 AND online = $2 AND hostname > $3 " \
        "ORDER BY hostname LIMIT $4") \
    SAME(WORKER_OF, "ii", \
        SQL_WORKERS "WHERE source = $1 AND host = $2") \
    SAME(WORKERS_SILENT, "iiii", \
        SQL_WORKERS "WHERE source = $1 AND online = $2 AND heard < $3 " \
        "ORDER BY heard LIMIT $4") \
    SAME(WORKERS_NEWEST, "i", \
        "SELECT max(heard) FROM workers WHERE source = $1 AND online = 1") \
    SAME(WORKER_ONLINE_PUT, "iii", \
        "UPDATE workers SET online = $3 WHERE source = $1 AND host = $2") \
    SAME(WORKER_DELETE, "ii", \
        "DELETE FROM workers WHERE source = $1 AND host = $2") \
    SAME(CONSUMES, "ii", \
        "SELECT queue FROM consumers WHERE source = $1 AND host = $2") \
    SAME(CONSUMERS, "iii", \
        "SELECT host FROM consumers WHERE source = $1 AND queue = $2 ORDER BY " \
        "host LIMIT $3") \
    SAME(CONSUMER_PUT, "iii", \
        "INSERT INTO consumers (source, queue, host) VALUES ($1, $2, $3) ON " \
        "CONFLICT DO NOTHING") \
    SAME(CONSUMER_DELETE, "iii", \
        "DELETE FROM consumers WHERE source = $1 AND queue = $2 AND host = $3") \
    SAME(WORKER_ANSWERS_GET, "ii", \
        "SELECT answers FROM workers WHERE source = $1 AND host = $2") \
    SAME(WORKER_ANSWERS_PUT, "iib", \
        "UPDATE workers SET answers = $3 WHERE source = $1 AND host = $2") \
    S(WORKER_PUT, "iiiiiiibiit", \
        "INSERT INTO workers (source, host, beat_at, beat_clock, " \
        "status_at, status_clock, status_by, body, online, heard, hostname) " \
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT " \
        "(source, host) DO UPDATE SET " SQL_WORKER_SET, \
        "INSERT INTO workers (source, host, beat_at, beat_clock, " \
        "status_at, status_clock, status_by, body, online, heard, hostname) " \
        "SELECT * FROM unnest($1::int8[], $2::int8[], $3::int8[], $4::int8[], " \
        "$5::int8[], $6::int8[], $7::int8[], $8::bytea[], $9::int8[], " \
        "$10::int8[], $11::text[]) ON CONFLICT (source, host) DO UPDATE SET " \
        SQL_WORKER_SET) \
    SAME(LIFE_PUT, "iiii", \
        "INSERT INTO worker_life (source, host, at, change) VALUES ($1, $2, " \
        "$3, $4) ON CONFLICT DO NOTHING") \
    SAME(LIFE_MOMENT_DELETE, "iiii", \
        "DELETE FROM worker_life WHERE source = $1 AND host = $2 AND at = $3 " \
        "AND change = $4") \
    SAME(LIFE, "iii", \
        "SELECT at, change FROM worker_life WHERE source = $1 AND host = $2 " \
        "AND at < $3 ORDER BY at DESC, (change + 3) % 4 DESC LIMIT 1000") \
    SAME(LIFE_OF_DELETE, "ii", \
        "DELETE FROM worker_life WHERE source = $1 AND host = $2") \
    SAME(LIFE_DELETE, "i", \
        "DELETE FROM worker_life WHERE at < $1") \
    SAME(QUEUE_PUT, "iiibt", \
        "INSERT INTO queues (source, queue, at, body, name, gone) VALUES ($1, " \
        "$2, $3, $4, $5, 0) ON CONFLICT (source, queue) DO UPDATE SET at = " \
        "excluded.at, body = excluded.body, gone = 0 WHERE excluded.at >= queues.at") \
    SAME(QUEUE_SEEN, "iibt", \
        "INSERT INTO queues (source, queue, at, body, name, gone) VALUES ($1, " \
        "$2, 0, $3, $4, 0) ON CONFLICT (source, queue) DO UPDATE SET gone = 0 " \
        "WHERE queues.gone <> 0") \
    SAME(QUEUES_PAGE, "iti", \
        "SELECT source, queue, at, body FROM queues WHERE source = $1 AND " \
        "gone = 0 AND name > $2 ORDER BY name LIMIT $3") \
    SAME(QUEUE_OF, "ii", \
        "SELECT source, queue, at, body FROM queues WHERE source = $1 AND " \
        "queue = $2 AND gone = 0") \
    SAME(QUEUES_AFTER, "iii", \
        "SELECT source, queue, at, gone FROM queues WHERE (source, queue) > " \
        "($1, $2) ORDER BY source, queue LIMIT $3") \
    SAME(QUEUES_NEWEST, "i", \
        "SELECT max(at) FROM queues WHERE source = $1") \
    SAME(QUEUE_IS_USED, "ii", \
        "SELECT 1 FROM queues q WHERE q.source = $1 AND q.queue = $2 AND " \
        "(EXISTS (SELECT 1 FROM consumers c WHERE c.source = q.source AND " \
        "c.queue = q.queue) OR EXISTS (SELECT 1 FROM pauses p WHERE p.queue = " \
        "q.name))") \
    SAME(QUEUE_GONE, "ii", \
        "UPDATE queues SET gone = 1 WHERE source = $1 AND queue = $2") \
    SAME(QUEUE_UNSEEN, "ii", \
        "UPDATE queues SET gone = 1 WHERE source = $1 AND queue = $2 AND at = 0 " \
        "AND NOT EXISTS (SELECT 1 FROM consumers c WHERE c.source = $1 AND " \
        "c.queue = $2)") \
    SAME(QUEUE_DELETE, "ii", \
        "DELETE FROM queues WHERE source = $1 AND queue = $2") \
    SAME(POINTS_OLDEST, "ii", \
        "SELECT min(at) FROM queue_points WHERE source = $1 AND queue = $2") \
    S(QUEUE_POINT_PUT, "iiiiii", \
        "INSERT OR IGNORE INTO queue_points (source, queue, at, messages, " \
        "unacked, consumers) VALUES ($1, $2, $3, $4, $5, $6)", \
        "INSERT INTO queue_points (source, queue, at, messages, unacked, " \
        "consumers) SELECT * FROM unnest($1::int8[], $2::int8[], " \
        "$3::int8[], $4::int8[], $5::int8[], $6::int8[]) ON CONFLICT DO " \
        "NOTHING") \
    SAME(QUEUE_POINTS, "iiii", \
        "SELECT at, messages, unacked, consumers FROM queue_points WHERE " \
        "source = $1 AND queue = $2 AND at >= $3 AND at < $4 ORDER BY at") \
    SAME(QUEUE_HISTORIES, "iiitii", \
        "WITH RECURSIVE b(n) AS (SELECT CAST(0 AS BIGINT) UNION ALL SELECT n + 1 " \
        "FROM b WHERE n + 1 < $6) SELECT q.name, b.n, (SELECT p.messages FROM " \
        "queue_points p WHERE p.source = q.source AND p.queue = q.queue AND p.at " \
        ">= $2 + b.n * $3 AND p.at < $2 + (b.n + 1) * $3 ORDER BY p.at DESC LIMIT " \
        "1) FROM (SELECT source, queue, name FROM queues WHERE source = $1 AND " \
        "gone = 0 AND name > $4 ORDER BY name LIMIT $5) q CROSS JOIN b ORDER BY " \
        "q.name, b.n") \
    S(GAP_PUT, "iiit", \
        "INSERT OR IGNORE INTO gaps (source, from_at, to_at, reason) " \
        "VALUES ($1, $2, $3, $4)", \
        "INSERT INTO gaps (source, from_at, to_at, reason) SELECT * FROM " \
        "unnest($1::int8[], $2::int8[], $3::int8[], $4::text[]) ON " \
        "CONFLICT DO NOTHING") \
    SAME(GAPS_LATEST, "ii", \
        "SELECT from_at, to_at, reason FROM gaps WHERE source = $1 ORDER " \
        "BY from_at DESC, to_at DESC LIMIT $2") \
    SAME(FEED_FIND, "t", \
        "SELECT no, id, number FROM feeds WHERE name = $1") \
    SAME(FEED_CREATE, "tt", \
        "INSERT INTO feeds (name, id, number) VALUES ($1, $2, 0) ON " \
        "CONFLICT (name) DO NOTHING") \
    S(FEED_LOCK, "i", \
        "SELECT 1 WHERE $1 > 0", \
        "SELECT CASE WHEN pg_try_advisory_lock('feeds'::regclass::oid::int4, " \
        "$1::int4) THEN 1 ELSE 0 END") \
    S(FEED_HOLD, "it", \
        "SELECT 1 WHERE $1 > 0 AND $2 <> ''", \
        "UPDATE feeds SET holder = $2, held_until = extract(epoch FROM " \
        "clock_timestamp())::int8 + 15 WHERE no = $1 AND (holder IS NULL OR " \
        "holder = $2 OR held_until < extract(epoch FROM clock_timestamp())::int8) " \
        "RETURNING 1") \
    SAME(FEED_RELEASE, "it", \
        "UPDATE feeds SET holder = NULL WHERE no = $1 AND holder = $2") \
    SAME(FEED_NUMBER_PUT, "ii", \
        "UPDATE feeds SET number = $2 WHERE no = $1") \
    SAME(FEED_PUT, "iiib", \
        "INSERT INTO feed (feed, number, at, body) VALUES ($1, $2, $3, " \
        "$4)") \
    SAME(FEED_GET, "iii", \
        "SELECT number, body FROM feed WHERE feed = $1 AND number >= $2 " \
        "ORDER BY number LIMIT $3") \
    SAME(FEED_OLDEST, "i", \
        "SELECT min(number) FROM feed WHERE feed = $1") \
    SAME(FEED_TRIM, "ii", \
        "DELETE FROM feed WHERE feed = $1 AND number <= $2") \
    SAME(READER_GET, "t", \
        "SELECT feed, number FROM readers WHERE reader = $1") \
    SAME(READER_PUT, "tti", \
        "INSERT INTO readers (reader, feed, number) VALUES ($1, $2, $3) " \
        "ON CONFLICT (reader) DO UPDATE SET feed = excluded.feed, number " \
        "= excluded.number") \
    S(ROLLUP_GET, "iiiii", \
        "SELECT minute, source, name, totals, cells FROM rollups WHERE " \
        "step = $1 AND scope = $2 AND minute = $3 AND source = $4 AND " \
        "name = $5", \
        "SELECT r.minute, r.source, r.name, r.totals, r.cells FROM rollups " \
        "r JOIN unnest($1::int8[], $2::int8[], $3::int8[], $4::int8[], " \
        "$5::int8[]) AS u(step, scope, minute, source, name) USING (step, " \
        "scope, minute, source, name)") \
    S(ROLLUP_PUT, "iiiiibb", \
        "INSERT INTO rollups (step, scope, minute, source, name, totals, " \
        "cells) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (step, " \
        "scope, minute, source, name) DO UPDATE SET totals = " \
        "excluded.totals, cells = excluded.cells", \
        "INSERT INTO rollups (step, scope, minute, source, name, totals, " \
        "cells) SELECT * FROM unnest($1::int8[], $2::int8[], $3::int8[], " \
        "$4::int8[], $5::int8[], $6::bytea[], $7::bytea[]) ON CONFLICT " \
        "(step, scope, minute, source, name) DO UPDATE SET totals = " \
        "excluded.totals, cells = excluded.cells") \
    SAME(ROLLUPS_TOTALS, "iiii", \
        "SELECT minute, source, name, totals FROM rollups WHERE step = $1 " \
        "AND scope = $2 AND minute >= $3 AND minute < $4 " \
        "ORDER BY minute, source, name") \
    SAME(ROLLUPS_CELLS, "iiii", \
        "SELECT minute, source, name, cells FROM rollups WHERE step = $1 " \
        "AND scope = $2 AND minute >= $3 AND minute < $4 " \
        "ORDER BY minute, source, name") \
    SAME(ROLLUPS_TOTALS_PAGE, "iiiiiii", \
        "SELECT minute, source, name, totals FROM rollups WHERE step = $1 " \
        "AND scope = $2 AND (minute, source, name) > ($3, $4, $5) AND minute < $6 " \
        "ORDER BY minute, source, name LIMIT $7") \
    SAME(ROLLUPS_CELLS_PAGE, "iiiiiii", \
        "SELECT minute, source, name, cells FROM rollups WHERE step = $1 " \
        "AND scope = $2 AND (minute, source, name) > ($3, $4, $5) AND minute < $6 " \
        "ORDER BY minute, source, name LIMIT $7") \
    S(ROLLUP_TOTALS_AT, "iiiii", \
        "SELECT minute, source, name, totals FROM rollups WHERE step = $1 " \
        "AND scope = $2 AND minute = $3 AND source = $4 AND name = $5", \
        SQL_ROLLUPS_AT("totals")) \
    S(ROLLUP_CELLS_AT, "iiiii", \
        "SELECT minute, source, name, cells FROM rollups WHERE step = $1 " \
        "AND scope = $2 AND minute = $3 AND source = $4 AND name = $5", \
        SQL_ROLLUPS_AT("cells")) \
    SAME(ROLLUPS_CLEAR, "i", \
        "DELETE FROM rollups WHERE minute >= $1") \
    SQL_SCANS(SAME, ALL, "iii", " FROM tasks t WHERE ", "t.no") \
    SQL_SCANS(SAME, STATUS, "iiii", \
        " FROM task_states s JOIN tasks t ON t.no = s.no WHERE s.status = $4 AND ", "s.no") \
    SQL_SCANS(SAME, NAME, "iiii", \
        " FROM tasks t WHERE t.name = $4 AND t.name <> 0 AND ", "t.no") \
    SQL_SCANS(SAME, QUEUE, "iiii", \
        " FROM tasks t WHERE t.queue = $4 AND t.queue <> 0 AND ", "t.no") \
    SQL_SCANS(SAME, WORKER, "iiii", \
        " FROM tasks t WHERE t.worker = $4 AND t.worker <> 0 AND ", "t.no") \
    SQL_SCANS(SAME, RESOLVED, "iii", \
        " FROM resolved r JOIN tasks t ON t.no = r.no WHERE ", "r.no") \
    SAME(TASK_FIRST_AT, "i", \
        "SELECT first_at FROM tasks WHERE no = $1") \
    SAME(TASKS_UNFINISHED, "iii", \
        "SELECT t.no, t.source, t.name, t.latest_at, t.eta, t.worker, t.id, " \
        "t.received_at, t.started_at FROM task_states s JOIN tasks t ON " \
        "t.no = s.no WHERE s.status = $1 AND s.no > $2 ORDER BY s.no LIMIT " \
        "$3") \
    SAME(TASKS_BY_ROOT, "itii", \
        "SELECT no FROM tasks WHERE source = $1 AND substr(root_id, 1, 64) " \
        "= substr($2, 1, 64) AND root_id = $2 AND root_id <> id AND no > $3 " \
        "ORDER BY no LIMIT $4") \
    SAME(FAILURES, "iiii", \
        "SELECT t.no, t.source, t.name, " SQL_ENDED_AT("t.") ", " \
        "t.id, substr(t.error, 1, 640), CASE WHEN t.learned IS NULL THEN 0 ELSE 1 END FROM task_states s JOIN tasks t ON t.no = s.no WHERE " \
        "s.status = $1 AND s.no >= $2 AND s.no <= $3 ORDER BY s.no DESC LIMIT $4") \
    SAME(TASKS_OLD, "ii", \
        "SELECT no, source, status, CASE WHEN " SQL_ENDED_AT("") " < first_at THEN " \
        SQL_ENDED_AT("") " ELSE first_at END, latest_at, " SQL_ENDED_AT("") \
        " FROM tasks WHERE no > $1 " \
        "ORDER BY no LIMIT $2") \
    S(TASK_DELETE, "i", \
        "DELETE FROM tasks WHERE no = $1", \
        "DELETE FROM tasks WHERE no = ANY($1::int8[])") \
    S(EVENTS_DELETE, "ii", \
        "DELETE FROM events WHERE task = $1 AND at < $2", \
        "SELECT 1 FROM unnest($1::int8[], $2::int8[]) LIMIT 0") \
    S(EVENTS_DROP, "i", \
        "SELECT 0 WHERE $1 IS NULL", \
        "SELECT kanchi_events_drop($1)") \
    SAME(MINUTES_OLDEST, "", \
        "SELECT min(minute) FROM task_minutes") \
    SAME(MINUTES_DELETE, "i", \
        "DELETE FROM task_minutes WHERE minute < $1") \
    SAME(SECONDS_DELETE, "i", \
        "DELETE FROM task_seconds WHERE second < $1") \
    SAME(END_SPANS_DELETE, "ii", \
        "DELETE FROM task_end_spans WHERE unit = $1 AND at < $2") \
    SAME(TASKS_LEARNED, "ii", \
        SQL_TASKS "WHERE no > $1 AND learned IS NOT NULL ORDER BY no LIMIT $2") \
    SAME(TASK_LEARNED_END, "ii", \
        "UPDATE tasks SET learned_end = $2 WHERE no = $1") \
    SAME(ROLLUPS_OLDEST, "i", \
        "SELECT (SELECT min(minute) FROM rollups WHERE step = $1 AND scope = 0), " \
        "(SELECT max(minute) FROM rollups WHERE step = $1 AND scope = 0)") \
    SAME(ROLLUPS_DELETE, "ii", \
        "DELETE FROM rollups WHERE step = $1 AND scope IN (0, 1) AND minute " \
        "< $2") \
    SAME(QUEUE_POINTS_DELETE, "iii", \
        "DELETE FROM queue_points WHERE source = $1 AND queue = $2 AND at < $3") \
    SAME(GAPS_DELETE, "i", \
        "DELETE FROM gaps WHERE to_at < $1") \
    SAME(AUDIT_BEGIN, "ttittttttti", \
        "INSERT INTO audit (id, attempt, verb, method, source, target, " \
        "actor, remote, agent, request, begun_at) VALUES ($1, $2, $3, $4, " \
        "$5, $6, $7, $8, $9, $10, $11)") \
    SAME(AUDIT_FIND, "t", \
        "SELECT a.no, a.attempt, e.no FROM audit a LEFT JOIN audit_ends e " \
        "ON e.no = a.no WHERE a.id = $1") \
    SAME(AUDIT_END, "iiitt", \
        "INSERT INTO audit_ends (no, ended_at, outcome, text, result) " \
        "VALUES ($1, $2, $3, $4, $5)") \
    SAME(AUDIT_PAGE, "ii", \
        SQL_AUDIT_ROWS "WHERE a.no < $1 ORDER BY a.no DESC LIMIT $2") \
    SAME(AUDIT_OF_TARGET, "iit", \
        SQL_AUDIT_ROWS "WHERE a.target = $3 AND a.no < $1 ORDER BY a.no DESC LIMIT $2") \
    SAME(AUDIT_OF_ID, "iit", \
        SQL_AUDIT_ROWS "WHERE a.id = $3 AND a.no < $1 ORDER BY a.no DESC LIMIT $2") \
    SAME(PAUSE_PUT, "ttitti", \
        "INSERT INTO pauses (source, queue, since, actor, consumers, " \
        "resuming) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (source, " \
        "queue) DO UPDATE SET since = EXCLUDED.since, actor = " \
        "EXCLUDED.actor, consumers = EXCLUDED.consumers, resuming = " \
        "EXCLUDED.resuming") \
    SAME(PAUSE_DELETE, "tt", \
        "DELETE FROM pauses WHERE source = $1 AND queue = $2") \
    SAME(PAUSES, "", \
        "SELECT source, queue, since, actor, consumers, resuming FROM " \
        "pauses ORDER BY source, queue") \
    S(RESOLVED_GET, "i", \
        "SELECT no, at, actor FROM resolved WHERE no = $1", \
        "SELECT no, at, actor FROM resolved WHERE no = ANY($1::int8[])") \
    SAME(RESOLVED_PUT, "iit", \
        "INSERT INTO resolved (no, at, actor) VALUES ($1, $2, $3) ON CONFLICT " \
        "(no) DO NOTHING") \
    S(RESOLVED_DELETE, "i", \
        "DELETE FROM resolved WHERE no = $1", \
        "DELETE FROM resolved WHERE no = ANY($1::int8[])") \
    SAME(DISMISSAL_PUT, "ttit", \
        "INSERT INTO dismissals (key, state, at, actor) VALUES ($1, $2, $3, $4) " \
        "ON CONFLICT (key) DO UPDATE SET state = excluded.state, at = excluded.at, " \
        "actor = excluded.actor") \
    SAME(DISMISSAL_DELETE, "t", \
        "DELETE FROM dismissals WHERE key = $1") \
    SAME(DISMISSALS, "i", \
        "SELECT key, state, at, actor FROM dismissals ORDER BY at DESC, key LIMIT $1") \
    SAME(DISMISSALS_TRIM, "i", \
        "DELETE FROM dismissals WHERE key NOT IN (SELECT key FROM dismissals " \
        "ORDER BY at DESC, key LIMIT $1)") \
    SAME(DISMISSALS_EXPIRE, "i", \
        "DELETE FROM dismissals WHERE at < $1") \
    SAME(JOB_NEW, "tiifititttt", \
        "INSERT INTO jobs (id, action, state, rate, due_at, actor, created_at, " \
        "remote, agent, options, request, total, waiting, begun, done, refused, " \
        "failed, uncertain, cancelled) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, " \
        "$9, $10, $11, 0, 0, 0, 0, 0, 0, 0, 0) RETURNING no") \
    S(JOB_ITEM_NEW, "iii", \
        "INSERT INTO job_items (job, item, source, task, id, state) SELECT $1, " \
        "$2, source, no, id, " SQL_WAITING " FROM tasks WHERE no = $3", \
        "INSERT INTO job_items (job, item, source, task, id, state) SELECT " \
        "u.job, u.item, t.source, t.no, t.id, " SQL_WAITING " FROM unnest($1::int8[], " \
        "$2::int8[], $3::int8[]) AS u(job, item, task) JOIN tasks t ON t.no = " \
        "u.task") \
    SAME(JOB_ITEM_COUNT, "i", \
        "SELECT count(*) FROM job_items WHERE job = $1") \
    S(JOB_LOCK, "t", \
        SQL_JOB "WHERE id = $1", \
        SQL_JOB "WHERE id = $1 FOR UPDATE") \
    SAME(JOB_GET, "t", \
        SQL_JOB "WHERE id = $1") \
    SAME(JOBS_PAGE, "ii", \
        SQL_JOB "WHERE no < $1 ORDER BY no DESC LIMIT $2") \
    SAME(JOBS_OPEN, "i", \
        SQL_JOB "WHERE " SQL_OPEN " ORDER BY due_at, no LIMIT $1") \
    SAME(JOB_PUT, "iiiiiiiiiiii", \
        "UPDATE jobs SET state = $2, due_at = $3, ended_at = $4, total = $5, " \
        "waiting = $6, begun = $7, done = $8, refused = $9, failed = $10, " \
        "uncertain = $11, cancelled = $12 WHERE no = $1") \
    SAME(JOB_HAS, "iii", \
        "SELECT 1 FROM job_items WHERE job = $1 AND source = $2 AND state = $3 " \
        "AND " SQL_OPEN " LIMIT 1") \
    S(JOB_TAKE, "iiiit", \
        "UPDATE job_items SET state = " SQL_BEGUN ", at = $4, taker = $5 WHERE job = $1 AND " \
        "item IN (SELECT item FROM job_items WHERE job = $1 AND state = " SQL_WAITING " AND " \
        "source = $2 ORDER BY item LIMIT $3) RETURNING item, id, (SELECT status " \
        "FROM tasks WHERE no = task), text", \
        "UPDATE job_items SET state = " SQL_BEGUN ", at = $4, taker = $5 WHERE job = $1 AND " \
        "item IN (SELECT item FROM job_items WHERE job = $1 AND state = " SQL_WAITING " AND " \
        "source = $2 ORDER BY item LIMIT $3 FOR UPDATE SKIP LOCKED) RETURNING " \
        "item, id, (SELECT status FROM tasks WHERE no = task), text") \
    S(JOB_NEXT, "ii", \
        "SELECT i.item, i.task, t.status FROM job_items i LEFT JOIN tasks t ON " \
        "t.no = i.task WHERE i.job = $1 AND i.state = " SQL_WAITING " ORDER BY i.source, " \
        "i.item LIMIT $2", \
        "SELECT i.item, i.task, t.status FROM job_items i LEFT JOIN tasks t ON " \
        "t.no = i.task WHERE i.job = $1 AND i.state = " SQL_WAITING " ORDER BY i.source, " \
        "i.item LIMIT $2 FOR UPDATE OF i SKIP LOCKED") \
    SAME(JOB_AGAIN, "iiti", \
        "UPDATE job_items SET at = $4 WHERE job = $1 AND state = " SQL_BEGUN " AND source = " \
        "$2 AND taker = $3 RETURNING item, id, (SELECT status FROM tasks WHERE " \
        "no = task), text") \
    SAME(JOB_STALE, "iiiit", \
        "UPDATE job_items SET state = $3, at = $4, text = $5 WHERE job = $1 AND " \
        "state = " SQL_BEGUN " AND at < $2 RETURNING item, source") \
    SAME(JOB_CANCEL, "iit", \
        "UPDATE job_items SET state = " SQL_CANCELLED ", at = $2, text = $3 WHERE job = $1 AND " \
        "state = " SQL_WAITING " RETURNING item") \
    SAME(JOB_ITEM_GET, "ii", \
        "SELECT state, taker FROM job_items WHERE job = $1 AND item = $2") \
    SAME(JOB_ITEM_SET, "iiiitt", \
        "UPDATE job_items SET state = $3, at = $4, text = $5, new_id = $6 WHERE " \
        "job = $1 AND item = $2") \
    S(JOB_ITEMS_PAGE, "iiii", \
        "SELECT i.item, i.source, i.id, i.state, i.at, i.text, i.new_id, t.name " \
        "FROM job_items i LEFT JOIN tasks t ON t.no = i.task WHERE i.job = $1 " \
        "AND i.item > $2 AND ($3 >> i.state) & 1 ORDER BY i.item LIMIT $4", \
        "SELECT i.item, i.source, i.id, i.state, i.at, i.text, i.new_id, t.name " \
        "FROM job_items i LEFT JOIN tasks t ON t.no = i.task WHERE i.job = $1 " \
        "AND i.item > $2 AND ($3 >> i.state::int) & 1 = 1 ORDER BY i.item LIMIT $4") \
    SAME(JOB_NEW_TASKS, "iii", \
        "SELECT item, source, new_id, state FROM job_items WHERE job = $1 AND item > $2 " \
        "AND new_id IS NOT NULL AND state <> " SQL_TEXT(SQL_ITEM_FAILED) " ORDER BY item LIMIT $3") \
    SAME(JOBS_TASKS, "i", \
        "SELECT i.task FROM jobs j JOIN job_items i ON i.job = j.no WHERE " \
        "j." SQL_OPEN " AND j.action = $1 AND i." SQL_OPEN) \
    S(TASKS_STATUS, "i", \
        "SELECT hash, source, id, no, status FROM tasks WHERE hash = $1", \
        "SELECT hash, source, id, no, status FROM tasks WHERE hash = ANY($1::int8[])") \
    SAME(JOBS_OLD, "i", \
        "SELECT no FROM jobs WHERE NOT (" SQL_OPEN ") AND ended_at < $1 ORDER " \
        "BY no LIMIT 1") \
    SAME(JOB_ITEMS_DELETE, "ii", \
        "DELETE FROM job_items WHERE job = $1 AND item IN (SELECT item FROM " \
        "job_items WHERE job = $1 ORDER BY item LIMIT $2)") \
    SAME(JOB_DELETE, "i", \
        "DELETE FROM jobs WHERE no = $1 AND NOT EXISTS (SELECT 1 FROM job_items " \
        "WHERE job = $1)") \
    SAME(LINK_PUT, "ttti", \
        "INSERT INTO task_links (source, task_id, new_id, at) VALUES ($1, $2, $3, $4) " \
        "ON CONFLICT DO NOTHING") \
    SAME(LINKS_FROM, "tt", \
        "SELECT new_id FROM task_links WHERE source = $1 AND task_id = $2 " \
        "ORDER BY at, new_id LIMIT 100") \
    SAME(LINK_TO, "tt", \
        "SELECT task_id FROM task_links WHERE source = $1 AND new_id = $2") \
    S(LINKS_OF, "tt", \
        "SELECT source, task_id, new_id FROM task_links WHERE source = $1 AND " \
        "task_id = $2 ORDER BY at DESC, new_id DESC LIMIT 10", \
        "SELECT u.source, u.task_id, l.new_id FROM unnest($1::text[], " \
        "$2::text[]) AS u(source, task_id) CROSS JOIN LATERAL (SELECT new_id, at FROM " \
        "task_links WHERE source = u.source AND task_id = u.task_id ORDER BY at " \
        "DESC, new_id DESC LIMIT 10) l ORDER BY l.at DESC, l.new_id DESC") \
    S(LINKS_BACK, "tt", \
        "SELECT source, new_id, task_id FROM task_links WHERE source = $1 AND " \
        "new_id = $2", \
        "SELECT l.source, l.new_id, l.task_id FROM unnest($1::text[], " \
        "$2::text[]) AS u(source, new_id) JOIN task_links l USING (source, new_id)") \
    SAME(LINKS_DELETE, "i", \
        "DELETE FROM task_links WHERE at < $1")
/* clang-format on */

enum sql_id {
#define S(name, types, sqlite, postgres) SQL_##name,
#define SAME(name, types, text) SQL_##name,
    SQL_MAP(S, SAME)
#undef S
#undef SAME
        SQL_COUNT
};

struct sql {
    const char *name;
    const char *types;
    const char *sqlite;
    const char *postgres;
};
extern const struct sql sql_statements[SQL_COUNT];

#endif
