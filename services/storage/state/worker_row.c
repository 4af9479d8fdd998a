#include "services/storage/state/worker_row.h"

#include "proto/codec.h"
#include "services/common/text/time.h"

static bool is_newer(struct merge_key a, struct merge_key b)
{
    return a.at != b.at ? a.at > b.at : a.clock >= b.clock;
}

enum kn_status worker_row_read(const struct db_value *columns, struct kn_arena *arena,
                               struct worker_row *ret)
{
    struct worker_row row = {
        .source = db_as_i64(columns[0]),
        .host = db_as_i64(columns[1]),
        .beat = {db_as_i64(columns[2]), (uint64_t)db_as_i64(columns[3])},
        .status = {db_as_i64(columns[4]), (uint64_t)db_as_i64(columns[5])},
        .word = (enum worker_word)db_as_i64(columns[6]),
    };
    struct kn_str body = kn_arena_str(arena, db_as_str(columns[7]));
    if (!body.ptr)
        return KN_NOMEM;
    enum kn_status status = kn_msg_decode(body, KN_KIND_WORKER, arena, &row.worker);
    if (status == KN_OK)
        *ret = row;
    return status;
}

/* By Kanchi's clock, as far as that is known. */
static int64_t heard_at(const struct kn_msg_worker *worker)
{
    int64_t at = worker->last_received_at > worker->inspected_at ? worker->last_received_at
                                                                 : worker->inspected_at;
    return at ? at : worker->last_seen;
}

void worker_row_values(const struct worker_row *row, struct kn_buf *body,
                       struct db_value ret[WORKER_VALUES])
{
    struct kn_msg_worker rest = row->worker;
    rest.conf = rest.stats = rest.active_queues = KN_STR_ABSENT;
    rest.registered = (struct kn_strs){0};
    size_t start = body->len;
    kn_msg_encode(body, KN_KIND_WORKER, &rest);
    ret[0] = db_i64(row->source);
    ret[1] = db_i64(row->host);
    ret[2] = db_i64(row->beat.at);
    ret[3] = db_i64((int64_t)row->beat.clock);
    ret[4] = db_i64(row->status.at);
    ret[5] = db_i64((int64_t)row->status.clock);
    ret[6] = db_i64(row->word);
    ret[WORKER_BODY] = (struct db_value){.kind = DB_BLOB, .str = {.len = body->len - start}};
    ret[8] = db_i64(rest.status);
    ret[9] = db_i64(heard_at(&rest) / KN_MINUTE);
    ret[10] = db_text(rest.hostname);
}

enum kn_status worker_row_read_answers(struct kn_str answers, struct kn_arena *arena,
                                       struct worker_row *row)
{
    struct kn_msg_worker worker;
    if (!answers.ptr)
        return KN_OK;
    struct kn_str copy = kn_arena_str(arena, answers);
    if (!copy.ptr)
        return KN_NOMEM;
    enum kn_status status = kn_msg_decode(copy, KN_KIND_WORKER, arena, &worker);
    if (status != KN_OK)
        return status;
    row->worker.conf = worker.conf;
    row->worker.stats = worker.stats;
    row->worker.active_queues = worker.active_queues;
    row->worker.registered = worker.registered;
    return KN_OK;
}

void worker_row_answers(const struct worker_row *row, struct kn_buf *out)
{
    const struct kn_msg_worker answers = {.conf = row->worker.conf,
                                          .stats = row->worker.stats,
                                          .active_queues = row->worker.active_queues,
                                          .registered = row->worker.registered};
    kn_msg_encode(out, KN_KIND_WORKER, &answers);
}

/* ---- events -------------------------------------------------------------------------- */

static bool set_status(struct worker_row *row, enum kn_worker_status status, struct merge_key key,
                       enum worker_word word)
{
    bool changed = row->word == WORKER_NOBODY || row->worker.status != status;
    row->worker.status = (uint8_t)status;
    row->status = key;
    row->word = word;
    return changed;
}

/* Its own word goes over what was concluded from task events and answers, whatever
 * the times; over other words when it is newer. */
static void own_word(struct worker_row *row, const struct kn_msg_event *event, struct merge_key key)
{
    bool weak = row->word < WORKER_ITSELF;
    if (weak || is_newer(key, row->status))
        set_status(row,
                   event->type == KN_EVENT_WORKER_OFFLINE ? KN_WORKER_OFFLINE : KN_WORKER_ONLINE,
                   key, WORKER_ITSELF);
}

static void take_str(struct kn_str *to, struct kn_str from)
{
    if (from.ptr)
        *to = from;
}

static void take_i64(struct kn_opt_i64 *to, struct kn_opt_i64 from)
{
    if (from.set)
        *to = from;
}

static void take_f64(struct kn_opt_f64 *to, struct kn_opt_f64 from)
{
    if (from.set)
        *to = from;
}

/* A process that was followed by another one does not come back; if it does, there are two. It may
 * still report that it goes offline. */
static void take_pid(struct kn_msg_worker *worker, uint64_t pid, int64_t at, bool goes)
{
    if (!pid || pid == worker->pid)
        return;
    if (pid == worker->pid_before && !goes)
        worker->twins_at = at;
    worker->pid_before = worker->pid;
    worker->pid = pid;
}

static void take_beat(struct kn_msg_worker *worker, const struct kn_msg_event *event)
{
    take_f64(&worker->freq, event->freq);
    take_str(&worker->sw_ident, event->sw_ident);
    take_str(&worker->sw_ver, event->sw_ver);
    take_str(&worker->sw_sys, event->sw_sys);
    take_i64(&worker->active, event->active);
    take_i64(&worker->processed, event->processed);
    if (event->loadavg.count)
        worker->load = event->loadavg;
    take_pid(worker, event->pid, event->received_at, event->type == KN_EVENT_WORKER_OFFLINE);
}

static bool is_worker_event(const struct kn_msg_event *event)
{
    return event->type >= KN_EVENT_WORKER_ONLINE && event->type <= KN_EVENT_WORKER_OFFLINE;
}

/* The minimum interval at which readers of the feed learn of a worker's task events. */
static const int64_t TOLD_US = KN_SECOND;

/* Whether worker-online is from another process than the known one: a worker that lost its broker
 * sends it again. In containers the next process may have the same pid; then the first was seen to
 * go, or the next has processed less. */
static bool is_another_process(const struct worker_row *row, const struct kn_msg_event *online)
{
    const struct kn_msg_worker *worker = &row->worker;
    bool gone = row->word == WORKER_ITSELF && worker->status == KN_WORKER_OFFLINE;
    bool less = online->processed.set && worker->processed.set &&
                online->processed.value < worker->processed.value;
    return !worker->started_at || !online->pid || online->pid != worker->pid || gone || less;
}

static void take_skew(struct kn_msg_worker *worker, int64_t skew)
{
    worker->clock_skew =
        skew ? KN_SOME_F64((double)skew / (double)KN_SECOND) : (struct kn_opt_f64){0};
}

static const int64_t FUTURE_US = KN_MINUTE;

/* What it said from the future, before its clock was known to be wrong, is not to count
 * until then. A batch may be late: the newest arrival says what the future is. */
static void forget_future(struct worker_row *row, int64_t received_at)
{
    int64_t now =
        row->worker.last_received_at > received_at ? row->worker.last_received_at : received_at;
    if (!now || row->worker.last_seen <= now + FUTURE_US)
        return;
    row->worker.last_seen = 0;
    if (row->beat.at > now)
        row->beat = (struct merge_key){0};
    if (row->status.at > now)
        row->status = (struct merge_key){0};
    if (row->worker.started_at > now)
        row->worker.started_at = 0;
}

static const int64_t LATE_US = KN_SECOND;

/* Celery says worker-offline when it loses its broker, and can send it only when it is connected
 * again. A worker that really went stays silent. */
static bool is_of_a_lost_connection(const struct kn_msg_worker *worker,
                                    const struct kn_msg_event *event)
{
    return event->type == KN_EVENT_WORKER_OFFLINE && worker->status == KN_WORKER_UNKNOWN &&
           event->received_at - event->timestamp > LATE_US;
}

static const int64_t LAPSE_MIN_US = KN_MINUTE, LAPSE_WITHOUT_HEARTBEAT_US = 150 * KN_SECOND;
enum { LAPSE_HEARTBEATS = 4 };

static void note_lapse(struct worker_row *row, int64_t at)
{
    const struct kn_msg_worker *worker = &row->worker;
    double freq = worker->freq.set && worker->freq.value > 0 ? worker->freq.value : 0;
    int64_t most = freq > 0 ? (int64_t)((freq < 3600 ? freq : 3600) * 1e6) * LAPSE_HEARTBEATS
                            : LAPSE_WITHOUT_HEARTBEAT_US;
    int64_t heard =
        worker->last_seen > worker->inspected_at ? worker->last_seen : worker->inspected_at;
    if (!worker->last_seen || worker->status != KN_WORKER_ONLINE ||
        at - heard <= (most > LAPSE_MIN_US ? most : LAPSE_MIN_US))
        return;
    row->lapse_from = worker->last_seen;
    row->lapse_to = at;
}

bool worker_row_event(struct worker_row *row, const struct kn_msg_event *event)
{
    struct kn_msg_worker *worker = &row->worker;
    forget_future(row, event->received_at);
    struct merge_key key = {event->timestamp, event->clock};
    bool tell = event->timestamp >= worker->last_seen + TOLD_US;
    if (event->timestamp > worker->last_seen) {
        note_lapse(row, event->timestamp);
        worker->last_seen = event->timestamp;
        take_skew(worker, event->skew);
    }
    if (event->received_at > worker->last_received_at)
        worker->last_received_at = event->received_at;
    if (!is_worker_event(event)) {
        if (row->word == WORKER_NOBODY ||
            (row->word == WORKER_VERDICT && is_newer(key, row->status)))
            tell |= set_status(row, KN_WORKER_ONLINE, key, WORKER_TASKS);
        return tell;
    }
    bool connected = event->type == KN_EVENT_WORKER_ONLINE && event->timestamp > row->beat.at;
    bool started = event->type == KN_EVENT_WORKER_ONLINE && event->timestamp > worker->started_at &&
                   is_another_process(row, event);
    if (is_newer(key, row->beat)) {
        row->beat = key;
        take_beat(worker, event);
    }
    if (started)
        worker->started_at = event->timestamp;
    if (connected)
        worker->events_enabled = (struct kn_opt_i64){0}; /* as it was started, until it says */
    if (!is_of_a_lost_connection(worker, event))
        own_word(row, event, key);
    return true;
}

/* ---- control's and aggregation's part ------------------------------------------------ */

static void take_answers(struct kn_msg_worker *worker, const struct kn_msg_worker_inspect *inspect)
{
    take_str(&worker->pool, inspect->pool);
    take_i64(&worker->concurrency, inspect->concurrency);
    take_i64(&worker->prefetch, inspect->prefetch);
    take_f64(&worker->cpu_percent, inspect->cpu_percent);
    take_f64(&worker->memory_mb, inspect->memory_mb);
    take_str(&worker->sw_ident, inspect->sw_ident);
    take_str(&worker->sw_ver, inspect->sw_ver);
    take_str(&worker->sw_sys, inspect->sw_sys);
    take_i64(&worker->events_enabled, inspect->events_enabled);
    take_str(&worker->conf, inspect->conf);
    take_str(&worker->stats, inspect->stats);
    take_str(&worker->active_queues, inspect->active_queues);
    if (inspect->has_queues || inspect->queues.count)
        worker->queues = inspect->queues;
    if (inspect->has_registered || inspect->registered.count)
        worker->registered = inspect->registered;
    take_pid(worker, inspect->pid, inspect->at, false);
}

/* Tolerance of a start calculated from the uptime, which is in whole seconds, plus the delay of the
 * answer. */
static const int64_t START_SLACK_US = 10 * KN_SECOND;
static const double UPTIME_MAX = 1e9; /* seconds */

/* By the worker's clock, as in its events: a start without an event is found by the uptime. It
 * never becomes earlier: two workers may have one name. */
static void take_uptime(struct kn_msg_worker *worker, const struct kn_msg_worker_inspect *inspect)
{
    if (!inspect->uptime.set || !(inspect->uptime.value >= 0 && inspect->uptime.value < UPTIME_MAX))
        return;
    int64_t ahead = worker->last_received_at ? worker->last_seen - worker->last_received_at : 0;
    int64_t started_at = inspect->at - (int64_t)(inspect->uptime.value * KN_SECOND) + ahead;
    if (!worker->started_at || started_at > worker->started_at + START_SLACK_US)
        worker->started_at = started_at;
}

bool worker_row_inspect(struct worker_row *row, const struct kn_msg_worker_inspect *inspect)
{
    struct kn_msg_worker *worker = &row->worker;
    if (inspect->at < worker->inspected_at)
        return false;
    worker->inspected_at = inspect->at;
    take_answers(worker, inspect);
    take_uptime(worker, inspect);
    struct merge_key key = {inspect->at, 0};
    if (row->word == WORKER_NOBODY ||
        (worker->status != KN_WORKER_ONLINE && is_newer(key, row->status)))
        set_status(row, KN_WORKER_ONLINE, key, WORKER_ANSWER);
    return true;
}

bool worker_row_liveness(struct worker_row *row, const struct kn_msg_worker_liveness *liveness)
{
    int64_t seen = row->worker.last_seen > row->status.at ? row->worker.last_seen : row->status.at;
    struct merge_key key = {seen, INT64_MAX}; /* it may have answered after its last event */
    if (row->word == WORKER_NOBODY || row->worker.last_seen >= liveness->last_seen + TOLD_US ||
        row->worker.status == liveness->status)
        return false;
    if (liveness->status == KN_WORKER_UNKNOWN && row->worker.status != KN_WORKER_ONLINE)
        return false;
    return set_status(row, (enum kn_worker_status)liveness->status, key, WORKER_VERDICT);
}
