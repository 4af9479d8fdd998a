#include "services/ingestion/ingestion_internal.h"

#include "services/common/text/time.h"

#include <stdio.h>
#include <stdlib.h>

#define BUFFER_MIN ((size_t)4 << 20) /* less could not take one burst of a worker */
#define LOOK_EVERY (KN_SECOND / 10)  /* at the receiver's counters, gaps and depths */
#define CLOCKS_EVERY (2 * KN_SECOND) /* at those that are wrong */
#define CLOCK_SET_US (KN_SECOND / 2)

/* ---- the decoding thread ------------------------------------------------------- */

static void count_lost(struct ingestion *in, uint64_t events)
{
    uint64_t skipped = 0;
    if (events == 0)
        return;
    pthread_mutex_lock(&in->lock);
    in->totals.lost += events;
    pthread_mutex_unlock(&in->lock);
    if (kn_log_allow(&in->log_limit, &skipped))
        KN_ERROR("events.lost", KN_F_TEXT("source", in->options.source),
                 KN_F_TEXT("reason", in->spool ? "storage does not accept them, and the spool "
                                                 "is full, too old or damaged"
                                               : "storage does not accept them, and "
                                                 "ingestion.memory_max is reached"),
                 KN_F_I64("events", events), KN_F_I64("skipped", skipped));
}

/* What the outbox did with the batches: the broker may forget what is on disk. */
static void heed(struct ingestion *in, struct ingest_kept kept)
{
    if (kept.safe)
        broker_receiver_ack(in->receiver, kept.safe);
    ingest_batcher_lost(in->batcher, kept.untold);
    count_lost(in, kept.lost + kept.untold);
}

/* If the broker keeps what we don't take: wait for room. Not when we are to stop. */
static void await_room(struct ingestion *in)
{
    if (!in->keeps_events)
        return;
    while (!in->stopping && !ingest_outbox_await_room(&in->outbox, KN_SECOND / 4))
        heed(in, ingest_outbox_tend(&in->outbox));
}

static void count(struct ingestion *in, const struct ingest_batch *batch)
{
    pthread_mutex_lock(&in->lock);
    in->totals.received += batch->received;
    in->totals.invalid += batch->invalid;
    in->totals.lost += batch->lost;
    in->totals.gaps += batch->gaps;
    pthread_mutex_unlock(&in->lock);
}

/* Memory that the outbox does not use is the receiver's. */
static void share_memory(struct ingestion *in)
{
    struct ingest_backlog backlog;
    size_t max = in->options.memory_max;
    ingest_outbox_backlog(&in->outbox, &backlog);
    size_t left = backlog.bytes < max ? max - backlog.bytes : 0;
    broker_receiver_limit(in->receiver, left > BUFFER_MIN ? left : BUFFER_MIN);
}

static void put(struct ingestion *in, struct ingest_batch *batch)
{
    count(in, batch);
    await_room(in);
    heed(in, ingest_outbox_put(&in->outbox, batch));
    share_memory(in);
}

static void close_batch(struct ingestion *in)
{
    struct ingest_depths *depths = ingest_survey_take(in->survey);
    struct ingest_batch *batch = NULL;
    if (depths || ingest_batcher_any(in->batcher)) {
        enum kn_status status = ingest_batcher_close(in->batcher, depths ? depths->items : NULL,
                                                     depths ? depths->count : 0, &batch);
        if (status == KN_OK)
            put(in, batch);
    }
    ingest_depths_free(depths);
}

static void tell_away(struct ingestion *in, const char *error)
{
    KN_WARN("broker.away", KN_F_TEXT("source", in->options.source), KN_F_TEXT("error", error));
}

static void tell_state(struct ingestion *in, const struct broker_receiver_status *status)
{
    bool anew = status->state == BROKER_CONNECTED && status->connects != in->connects;
    if (anew && in->connects && in->state == BROKER_CONNECTED)
        tell_away(in, status->lost); /* it came back before we looked */
    if (anew)
        KN_INFO("broker.connected", KN_F_TEXT("source", in->options.source),
                KN_F_I64("connects", status->connects));
    else if (status->state == BROKER_AWAY && in->state != BROKER_AWAY && !in->stopping)
        tell_away(in, status->error);
    in->connects = status->connects;
    if (status->state != BROKER_CONNECTING)
        in->state = status->state;
}

/* Gaps that what was decoded by now comes after are in this batch or before. If they wait on
 * the broker, the events' own times count: they may have waited in the queue for long. */
static void tell_complete(struct ingestion *in, const struct broker_receiver_status *status)
{
    int64_t to = in->keeps_events ? ingest_batcher_newest(in->batcher) : in->complete_to;
    if (!in->gap_waits)
        ingest_batcher_complete(in->batcher, status->begins_at, to);
    in->received_to = status->complete_to;
}

/* The next gap, in the connection or in what the spool had kept. What a broker lost that keeps
 * events may have waited there since before we got our last message. */
static bool next_gap(struct ingestion *in)
{
    int64_t newest = ingest_batcher_newest(in->batcher);
    in->gap_of_spool = in->spool && ingest_outbox_gap(&in->outbox, &in->gap.from, &in->gap.to);
    if (in->gap_of_spool)
        return true;
    if (!broker_receiver_next_gap(in->receiver, &in->gap))
        return false;
    if (in->keeps_events && newest && newest < in->gap.from)
        in->gap.from = newest;
    return true;
}

static struct kn_str gap_reason(const struct ingestion *in)
{
    if (in->gap_of_spool)
        return KN_STR("the spool on disk was damaged");
    return kn_str_from(broker_traits(in->options.broker.url)->gap_reason);
}

/* Gaps and losses become part of the batch. */
static void look(struct ingestion *in)
{
    struct broker_receiver_status status;
    broker_receiver_status(in->receiver, &status);
    tell_state(in, &status);
    ingest_batcher_lost(in->batcher, status.dropped - in->dropped);
    ingest_batcher_too_big(in->batcher, status.too_big - in->too_big);
    in->dropped = status.dropped;
    in->too_big = status.too_big;
    while (in->gap_waits || next_gap(in)) {
        in->gap_waits = !ingest_batcher_gap(in->batcher, &in->gap, gap_reason(in));
        if (in->gap_waits)
            break;
        KN_WARN("broker.gap", KN_F_TEXT("source", in->options.source),
                KN_F_I64("seconds", (in->gap.to - in->gap.from) / KN_SECOND));
    }
    tell_complete(in, &status);
    size_t events;
    int64_t oldest_at;
    events = ingest_batcher_events(in->batcher, &oldest_at);
    pthread_mutex_lock(&in->lock);
    in->totals.open_events = events;
    in->totals.open_since = oldest_at;
    in->totals.unread = *ingest_batcher_unread(in->batcher);
    pthread_mutex_unlock(&in->lock);
}

static void look_at_clocks(struct ingestion *in, int64_t now)
{
    if (now - in->clocks_at < CLOCKS_EVERY)
        return;
    struct ingest_wrong_clocks wrong;
    in->clocks_at = now;
    ingest_batcher_wrong_clocks(in->batcher, &wrong);
    pthread_mutex_lock(&in->lock);
    in->totals.clocks = wrong;
    pthread_mutex_unlock(&in->lock);
}

/* Until when all that was published is here. What waits on the broker comes as long as we take
 * it: when storage has all, and nothing comes, there is no more. */
static void tell_live(struct ingestion *in, bool idle)
{
    struct ingest_backlog backlog;
    if (!in->keeps_events) {
        ingest_batcher_live(in->batcher, in->complete_to);
        return;
    }
    if (!idle || ingest_batcher_any(in->batcher))
        return;
    struct broker_receiver_status status;
    int64_t since = kn_time_now() - LOOK_EVERY;
    ingest_outbox_backlog(&in->outbox, &backlog);
    broker_receiver_status(in->receiver, &status);
    if (backlog.events == 0 && status.state == BROKER_CONNECTED && status.since < since)
        ingest_batcher_live(in->batcher, since);
}

/* Whether our own clock was set, which makes everybody else's seem wrong. */
static void watch_own_clock(struct ingestion *in)
{
    int64_t before = kn_time_mono(), wall = kn_time_now(), after = kn_time_mono();
    int64_t offset = wall - before, by = offset - in->clock_offset;
    if (after - before > CLOCK_SET_US / 10)
        return; /* interrupted between the two */
    if (in->clock_offset && (by > CLOCK_SET_US || by < -CLOCK_SET_US)) {
        KN_WARN("clock.set", KN_F_TEXT("source", in->options.source),
                KN_F_I64("milliseconds", by / (KN_SECOND / 1000)));
        ingest_batcher_clock_set(in->batcher, by);
    } else if (in->clock_offset) {
        return;
    }
    in->clock_offset = offset;
}

static void decode_chunk(struct ingestion *in, const struct broker_chunk *chunk)
{
    watch_own_clock(in);
    for (size_t i = 0; i < chunk->count; i++) {
        ingest_batcher_add(in->batcher, &chunk->messages[i]);
        if (ingest_batcher_full(in->batcher))
            close_batch(in);
    }
    in->complete_to = chunk->complete_to;
}

/* While storage is behind nobody waits for a batch: larger ones are stored faster. They are
 * still on disk as soon as what storage does not answer. */
static void choose_age(struct ingestion *in)
{
    int64_t age = in->options.batch_age_us;
    if (ingest_outbox_lags(&in->outbox) && age < in->options.spool_after_us)
        age = in->options.spool_after_us;
    ingest_batcher_age(in->batcher, age);
}

static void tend(struct ingestion *in)
{
    int64_t now = kn_time_mono();
    if (now - in->looked_at >= LOOK_EVERY) {
        in->looked_at = now;
        look(in);
        look_at_clocks(in, now);
        heed(in, ingest_outbox_tend(&in->outbox));
        choose_age(in);
        if (!ingest_batcher_any(in->batcher))
            close_batch(in); /* with depths of queues alone, if there are any */
    }
    if (ingest_batcher_any(in->batcher) && ingest_batcher_time_left(in->batcher) == 0)
        close_batch(in);
}

static void *ingestion_run(void *arg)
{
    struct ingestion *in = arg;
    enum kn_status status = KN_OK;
    while (status != KN_CLOSED) {
        struct broker_chunk *chunk = NULL;
        int64_t wait = LOOK_EVERY;
        if (ingest_batcher_any(in->batcher) && ingest_batcher_time_left(in->batcher) < wait)
            wait = ingest_batcher_time_left(in->batcher);
        status = broker_receiver_take(in->receiver, wait, &chunk);
        if (status == KN_OK) {
            decode_chunk(in, chunk);
            broker_receiver_release(in->receiver, chunk);
            tell_live(in, false);
        } else if (status == KN_TIMEOUT) {
            in->complete_to = in->received_to;
            tell_live(in, wait == LOOK_EVERY);
        }
        tend(in);
    }
    look(in);
    close_batch(in);
    ingest_outbox_close(&in->outbox);
    return NULL;
}

/* ---- start and end --------------------------------------------------------------- */

void ingestion_options_init(struct ingestion_options *options)
{
    *options = (struct ingestion_options){.grace_us = 5 * KN_SECOND};
    broker_options_init(&options->broker);
}

static enum kn_status start_parts(struct ingestion *in, struct kn_bus_client *storage)
{
    const struct ingestion_options *o = &in->options;
    const struct ingest_batcher_options batcher = {
        .source = kn_str_from(o->source),
        .epoch = kn_new_epoch(),
        .enveloped = broker_traits(o->broker.url)->enveloped,
        .batch_events = o->batch_events,
        .batch_age_us = o->batch_age_us,
        .event_max = o->event_max,
    };
    if (in->keeps_events)
        broker_receiver_queue(&o->broker, in->own_queue, sizeof(in->own_queue));
    const struct ingest_survey_options survey = {
        .source = kn_str_from(o->source),
        .queues = o->queues,
        .queue_count = o->queue_count,
        .own = kn_str_from(*in->own_queue ? in->own_queue : NULL),
        .interval_us = o->queue_interval_us,
        .request_timeout_us = 2 * KN_SECOND,
    };
    enum kn_status status = ingest_batcher_new(&batcher, &in->batcher);
    if (status == KN_OK)
        status = ingest_survey_start(&survey, &o->broker, storage, &in->survey);
    if (status == KN_OK)
        status = broker_receiver_start(&o->broker, &in->receiver);
    if (status == KN_OK)
        status = ingest_sender_start(&in->outbox, storage, in->receiver, o->inflight,
                                     o->request_timeout_us, &in->sender);
    if (status != KN_OK)
        return status;
    in->running = pthread_create(&in->thread, NULL, ingestion_run, in) == 0;
    return in->running ? KN_OK : KN_IO;
}

/* Without a spool the outbox has most of the memory; with one, what waits in memory is
 * soon on disk. */
static enum kn_status open_outbox(struct ingestion *in, struct kn_buf *error)
{
    const struct ingestion_options *o = &in->options;
    in->options.spool.source = kn_str_from(o->source);
    enum kn_status status = KN_OK;
    if (o->spool.dir)
        status = ingest_spool_open(&o->spool, &in->spool, error);
    ingest_outbox_init(
        &in->outbox, &(struct ingest_outbox_options){
                         .spool = in->spool,
                         .spool_after_us = o->spool_after_us,
                         .max = in->spool ? o->memory_max / 32 : o->memory_max - o->memory_max / 4,
                         .drop_oldest = !in->keeps_events});
    return status;
}

enum kn_status ingestion_start(const struct ingestion_options *options,
                               struct kn_bus_client *storage, struct kn_buf *error,
                               struct ingestion **ret)
{
    struct ingestion *in = calloc(1, sizeof(*in));
    if (!in)
        return KN_NOMEM;
    in->options = *options;
    in->keeps_events = broker_traits(options->broker.url)->keeps_events;
    in->options.broker.message_max = options->event_max;
    in->options.broker.buffer_max =
        options->memory_max > BUFFER_MIN ? options->memory_max : BUFFER_MIN;
    pthread_mutex_init(&in->lock, NULL);
    enum kn_status status = open_outbox(in, error);
    if (status == KN_OK)
        status = start_parts(in, storage);
    if (status == KN_OK)
        *ret = in;
    else
        ingestion_free(in);
    return status;
}

/* Hands over what there is, or leaves it in the spool. */
static void hand_over(struct ingestion *in)
{
    struct ingest_sender_status sender;
    struct ingest_backlog left;
    ingest_sender_status(in->sender, &sender);
    bool in_vain = in->spool && sender.away;
    if (ingest_sender_await(in->sender, in_vain ? 0 : in->options.grace_us))
        return;
    heed(in, ingest_outbox_keep(&in->outbox));
    ingest_outbox_backlog(&in->outbox, &left);
    if (left.events)
        KN_WARN("ingestion.not_handed_over", KN_F_TEXT("source", in->options.source),
                KN_F_I64("events", left.events),
                KN_F_TEXT("kept", in->spool ? "in the spool" : "nowhere"));
}

void ingestion_free(struct ingestion *in)
{
    if (!in)
        return;
    in->stopping = true;
    if (in->receiver)
        broker_receiver_stop(in->receiver);
    if (in->running) {
        pthread_join(in->thread, NULL);
        hand_over(in);
    }
    ingest_sender_free(in->sender);
    ingest_survey_free(in->survey);
    broker_receiver_free(in->receiver);
    ingest_outbox_fini(&in->outbox);
    ingest_spool_close(in->spool);
    ingest_batcher_free(in->batcher);
    pthread_mutex_destroy(&in->lock);
    free(in);
}
