/* What a service tells of itself: totals, the spool, findings. */
#include "services/common/text/time.h"
#include "services/ingestion/ingestion_internal.h"

#include <stdio.h>

static struct kn_str copy(struct kn_arena *arena, const char *text)
{
    return *text ? kn_arena_str(arena, kn_str_from(text)) : KN_STR_ABSENT;
}

static struct kn_str shown_url(struct kn_arena *arena, const struct broker_url *url)
{
    struct kn_buf buf;
    kn_buf_init(&buf, 0);
    broker_url_write(url, &buf);
    struct kn_str text = kn_arena_str(arena, kn_buf_view(&buf));
    kn_buf_fini(&buf);
    return text;
}

static void fill_backlog(struct ingestion *in, struct kn_msg_ingestion_status *to)
{
    struct ingest_backlog backlog;
    ingest_outbox_backlog(&in->outbox, &backlog);
    pthread_mutex_lock(&in->lock);
    to->events_received = in->totals.received;
    to->events_invalid = in->totals.invalid;
    to->events_lost += in->totals.lost;
    to->gaps = in->totals.gaps;
    to->backlog_events = backlog.events + in->totals.open_events;
    int64_t oldest = backlog.oldest_at ? backlog.oldest_at : in->totals.open_since;
    pthread_mutex_unlock(&in->lock);
    to->backlog_bytes += backlog.bytes;
    int64_t lag = oldest ? kn_time_now() - oldest : 0;
    to->lag_seconds = lag > 0 ? (double)lag / KN_SECOND : 0;
}

static void fill_spool(struct ingestion *in, struct kn_arena *arena, const char *note,
                       const char *alarm, const char *away, struct kn_msg_ingestion_status *to,
                       struct kn_msg_service_status *status)
{
    char unmeasured[256];
    ingest_survey_error(in->survey, unmeasured, sizeof(unmeasured));
    struct ingest_facts facts = {.source = to->source,
                                 .error = away,
                                 .unmeasured = unmeasured,
                                 .url = in->options.broker.url,
                                 .note = note,
                                 .alarm = alarm,
                                 .dir = in->options.spool.dir,
                                 .now = kn_time_mono()};
    pthread_mutex_lock(&in->lock);
    facts.unread = in->totals.unread;
    facts.clocks = in->totals.clocks;
    pthread_mutex_unlock(&in->lock);
    if (ingest_outbox_spool(&in->outbox, &facts.spool)) {
        to->spool_bytes = facts.spool.bytes;
        to->spool_max = facts.spool.max;
        to->spool_events = facts.spool.events;
        to->spool_dropped = facts.spool.dropped;
    }
    ingest_findings(&facts, arena, &status->findings.items, &status->findings.count);
}

static struct kn_str blocked(const struct ingestion *in, struct kn_arena *arena, const char *alarm)
{
    char text[128];
    snprintf(text, sizeof(text), "%s blocks publishers: %s",
             broker_traits(in->options.broker.url)->product, alarm);
    return copy(arena, text);
}

void ingestion_fill_status(void *arg, struct kn_arena *arena, struct kn_msg_service_status *status)
{
    struct ingestion *in = arg;
    struct broker_receiver_status receiver;
    struct ingest_sender_status sender;
    struct kn_msg_ingestion_status *to = kn_arena_alloc(arena, sizeof(*to));
    if (!to)
        return;
    char alarm[64];
    broker_receiver_status(in->receiver, &receiver);
    ingest_survey_alarm(in->survey, alarm, sizeof(alarm));
    ingest_sender_status(in->sender, &sender);
    to->source = kn_str_from(in->options.source);
    to->state = (uint8_t)receiver.state; /* the same three, in the same order */
    to->broker = shown_url(arena, in->options.broker.url);
    to->error = copy(arena, receiver.error);
    to->since = receiver.since;
    to->events_lost = sender.lost;
    to->backlog_bytes = receiver.buffered;
    fill_backlog(in, to);
    const char *away = receiver.state == BROKER_CONNECTED ? NULL : receiver.error;
    fill_spool(in, arena, receiver.note, alarm, away, to, status);
    if (*in->own_queue) {
        to->queue_messages = ingest_survey_own(in->survey);
        to->queue_bytes_max = in->options.broker.queue_bytes_max;
    }
    status->source = to->source;
    status->ingestion = to;
    if (receiver.state != BROKER_CONNECTED || sender.away || alarm[0])
        status->state = KN_SERVICE_DEGRADED;
    if (receiver.state != BROKER_CONNECTED)
        status->detail = copy(arena, receiver.error[0] ? receiver.error : "connecting");
    else if (sender.away)
        status->detail = copy(arena, sender.error);
    else if (alarm[0])
        status->detail = blocked(in, arena, alarm);
}
