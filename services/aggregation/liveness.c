#include "services/aggregation/liveness.h"

#include "services/common/data/table.h"
#include "services/common/text/time.h"

#include <math.h>
#include <stdlib.h>

/* Every heartbeat says its frequency; a worker that never said one sends none
 * (--without-heartbeat), and is known from its tasks and from being asked. */
static const int64_t SILENCE_WITHOUT_HEARTBEAT_US = 150 * KN_SECOND;
/* A mark comes every second; without one nothing is known. */
static const int64_t MARK_AGE_MAX_US = 3 * KN_SECOND;
static const int64_t AGAIN_US = 5 * KN_SECOND;
/* Celery looks for a lost broker after 2, 4, 6 … seconds, and then every 32 seconds. */
static const int64_t RECONNECT_MAX_US = 34 * KN_SECOND;

struct worker {
    struct kn_table_entry entry;  /* source, hostname */
    enum kn_worker_status status; /* as storage says */
    int64_t last_seen;
    bool heard;
    int64_t heard_at;   /* an event of it was received, or it answered; wall */
    int64_t heard_mono; /* the same, by our clock */
    int64_t silence_us; /* dead after so long */
    int64_t asked_mono; /* when the verdict was handed out; 0: not yet */
};

struct link {
    struct kn_table_entry entry; /* source */
    bool connected;
    int64_t since;     /* as ingestion says, wall */
    int64_t from_mono; /* connected since, by our clock */
    int64_t lost_mono; /* when the connection before was lost; 0: none was */
    int64_t grace_us;  /* workers may need so much longer to find the broker again */
    int64_t lag_us;
    bool now_connected; /* what the mark that is being read says */
    int64_t now_since, now_lag_us;
};

struct aggr_liveness {
    struct aggr_liveness_options options;
    struct kn_table workers, links;
    bool marked;
    uint64_t position, newest; /* of the feed */
    int64_t mark_mono;
    int64_t full_until; /* no room is searched for before */
};

struct aggr_liveness *aggr_liveness_new(const struct aggr_liveness_options *options)
{
    struct aggr_liveness *liveness = calloc(1, sizeof *liveness);
    if (!liveness)
        return NULL;
    liveness->options = *options;
    kn_table_init(&liveness->workers, sizeof(struct worker), options->workers_max);
    kn_table_init(&liveness->links, sizeof(struct link), options->workers_max);
    return liveness;
}

void aggr_liveness_free(struct aggr_liveness *liveness)
{
    if (!liveness)
        return;
    kn_table_fini(&liveness->workers);
    kn_table_fini(&liveness->links);
    free(liveness);
}

/* ---- what is heard --------------------------------------------------------------- */

static int64_t silence_of(const struct aggr_liveness *liveness, const struct kn_opt_f64 *freq)
{
    int64_t us = SILENCE_WITHOUT_HEARTBEAT_US;
    if (freq->set && isfinite(freq->value) && freq->value > 0)
        us = (freq->value < 3600 ? (int64_t)(freq->value * 1e6) : KN_HOUR) *
             liveness->options.missed_max;
    return us > liveness->options.silence_us ? us : liveness->options.silence_us;
}

/* Makes room by forgetting the worker that has been offline for longest. */
static void make_room(struct aggr_liveness *liveness, int64_t mono_us)
{
    if (kn_table_count(&liveness->workers) < liveness->workers.max ||
        mono_us < liveness->full_until)
        return;
    struct worker *oldest = NULL;
    for (struct kn_table_entry *e = kn_table_first(&liveness->workers); e; e = kn_table_next(e)) {
        struct worker *worker = (struct worker *)e;
        if (worker->status == KN_WORKER_OFFLINE &&
            (!oldest || worker->heard_mono < oldest->heard_mono))
            oldest = worker;
    }
    if (oldest)
        kn_table_remove(&liveness->workers, &oldest->entry);
    else /* none is offline: don't search again for each new one */
        liveness->full_until = mono_us + KN_SECOND;
}

void aggr_liveness_worker(struct aggr_liveness *liveness, const struct kn_msg_worker *from,
                          int64_t wall_us, int64_t mono_us)
{
    if (!kn_table_find(&liveness->workers, from->source, from->hostname))
        make_room(liveness, mono_us);
    struct worker *worker =
        (struct worker *)kn_table_need(&liveness->workers, from->source, from->hostname);
    if (!worker)
        return;
    worker->status = from->status;
    worker->last_seen = from->last_seen;
    worker->silence_us = silence_of(liveness, &from->freq);
    int64_t heard_at =
        from->last_received_at > from->inspected_at ? from->last_received_at : from->inspected_at;
    if (worker->heard && heard_at == worker->heard_at)
        return;
    worker->heard = true;
    worker->heard_at = heard_at;
    worker->heard_mono = mono_us - (wall_us > heard_at ? wall_us - heard_at : 0);
    worker->asked_mono = 0;
}

void aggr_liveness_position(struct aggr_liveness *liveness, uint64_t number)
{
    liveness->position = number;
}

/* There may be several for one broker: what the best of them hears is heard. */
static void note_ingestion(struct aggr_liveness *liveness,
                           const struct kn_msg_service_status *service)
{
    const struct kn_msg_ingestion_status *status = service->ingestion;
    struct link *link = (struct link *)kn_table_need(&liveness->links, status->source, KN_STR(""));
    if (!link || status->state != KN_LINK_CONNECTED || service->state == KN_SERVICE_AWAY)
        return;
    double lag = status->lag_seconds;
    int64_t lag_us = lag > 0 && lag < 1e9 ? (int64_t)(lag * 1e6) : 0;
    if (!link->now_connected || status->since < link->now_since)
        link->now_since = status->since;
    if (!link->now_connected || lag_us < link->now_lag_us)
        link->now_lag_us = lag_us;
    link->now_connected = true;
}

static void settle_link(struct link *link, int64_t wall_us, int64_t mono_us)
{
    if (link->now_connected && (!link->connected || link->since != link->now_since)) {
        int64_t age = link->now_since > 0 ? wall_us - link->now_since : 0;
        link->from_mono = mono_us - (age > 0 ? age : 0);
        int64_t outage = link->lost_mono ? link->from_mono - link->lost_mono : 0;
        outage = outage > 0 ? outage : 0;
        link->grace_us = outage < RECONNECT_MAX_US ? outage : RECONNECT_MAX_US;
    }
    if (link->connected && !link->now_connected)
        link->lost_mono = mono_us;
    link->connected = link->now_connected;
    link->since = link->now_since;
    link->lag_us = link->now_lag_us;
    link->now_connected = false;
}

/* Also those that storage has forgotten. */
static void forget_old(struct aggr_liveness *liveness, int64_t mono_us)
{
    int64_t before = mono_us - liveness->options.forget_us;
    struct kn_table_entry *next;
    for (struct kn_table_entry *e = kn_table_first(&liveness->workers); e; e = next) {
        const struct worker *worker = (const struct worker *)e;
        next = kn_table_next(e);
        if (worker->status != KN_WORKER_ONLINE && worker->heard_mono < before)
            kn_table_remove(&liveness->workers, e);
    }
}

void aggr_liveness_mark(struct aggr_liveness *liveness, const struct kn_msg_feed_mark *mark,
                        int64_t wall_us, int64_t mono_us)
{
    liveness->newest = mark->number;
    liveness->mark_mono = mono_us;
    liveness->marked = true;
    for (size_t i = 0; i < mark->services.count; i++)
        if (mark->services.items[i].ingestion)
            note_ingestion(liveness, mark->services.items + i);
    for (struct kn_table_entry *e = kn_table_first(&liveness->links); e; e = kn_table_next(e))
        settle_link((struct link *)e, wall_us, mono_us);
    if (liveness->options.forget_us)
        forget_old(liveness, mono_us);
}

/* ---- verdicts --------------------------------------------------------------------- */

static bool could_be_heard(const struct aggr_liveness *liveness, int64_t mono_us)
{
    return liveness->marked && mono_us - liveness->mark_mono <= MARK_AGE_MAX_US &&
           liveness->position >= liveness->newest;
}

static bool is_dead(const struct aggr_liveness *liveness, const struct worker *worker,
                    int64_t mono_us)
{
    const struct link *link =
        (const struct link *)kn_table_find(&liveness->links, worker->entry.source, KN_STR(""));
    if (worker->status == KN_WORKER_OFFLINE || !link || !link->connected)
        return false;
    int64_t silence_us = worker->silence_us + link->lag_us;
    return mono_us - worker->heard_mono > silence_us &&
           mono_us - link->from_mono > silence_us + link->grace_us;
}

bool aggr_liveness_next(struct aggr_liveness *liveness, int64_t mono_us,
                        struct kn_msg_worker_liveness *ret)
{
    if (!could_be_heard(liveness, mono_us))
        return false;
    for (struct kn_table_entry *e = kn_table_first(&liveness->workers); e; e = kn_table_next(e)) {
        struct worker *worker = (struct worker *)e;
        bool asked = worker->asked_mono != 0 && mono_us - worker->asked_mono < AGAIN_US;
        if (asked || !is_dead(liveness, worker, mono_us))
            continue;
        worker->asked_mono = mono_us;
        *ret = (struct kn_msg_worker_liveness){
            .source = worker->entry.source,
            .hostname = worker->entry.name,
            .status = KN_WORKER_OFFLINE,
            .last_seen = worker->last_seen,
        };
        return true;
    }
    return false;
}

void aggr_liveness_read(const struct aggr_liveness *liveness, struct kn_msg_metrics *metrics)
{
    metrics->workers_online = 0;
    metrics->workers_offline = 0;
    metrics->workers_unknown = 0;
    for (struct kn_table_entry *e = kn_table_first(&liveness->workers); e; e = kn_table_next(e)) {
        enum kn_worker_status status = ((const struct worker *)e)->status;
        metrics->workers_online += status == KN_WORKER_ONLINE;
        metrics->workers_offline += status == KN_WORKER_OFFLINE;
        metrics->workers_unknown += status == KN_WORKER_UNKNOWN;
    }
}

uint64_t aggr_liveness_left_out(const struct aggr_liveness *liveness)
{
    return liveness->workers.left_out + liveness->links.left_out;
}
