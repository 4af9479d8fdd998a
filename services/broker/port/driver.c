/* What drivers use. */
#include "services/broker/port/driver.h"

#include "services/common/text/time.h"

#include <stdio.h>
#include <string.h>

void broker_receiver_state(struct broker_receiver *r, enum broker_state state, struct kn_str error)
{
    pthread_mutex_lock(&r->lock);
    if (r->status.state != state)
        r->status.since = kn_time_now();
    r->status.state = state;
    if (state == BROKER_CONNECTED)
        r->status.connects++;
    if (error.ptr)
        snprintf(r->status.error, sizeof(r->status.error), "%.*s", KN_STR_ARG(error));
    if (state == BROKER_AWAY)
        memcpy(r->status.lost, r->status.error, sizeof(r->status.lost));
    pthread_mutex_unlock(&r->lock);
}

void broker_receiver_connected(struct broker_receiver *r)
{
    r->quiet = false;
    broker_receiver_state(r, BROKER_CONNECTED, KN_STR(""));
}

void broker_receiver_quiet(struct broker_receiver *r, const char *error)
{
    if (r->quiet)
        return;
    r->quiet = true;
    broker_receiver_state(r, BROKER_AWAY, kn_str_from(error));
}

void broker_receiver_heard(struct broker_receiver *r)
{
    if (!r->quiet)
        return;
    r->quiet = false;
    pthread_mutex_lock(&r->lock);
    r->status.state = BROKER_CONNECTED;
    r->status.since = kn_time_now();
    r->status.error[0] = '\0';
    pthread_mutex_unlock(&r->lock);
}

void broker_receiver_note(struct broker_receiver *r, const char *note)
{
    pthread_mutex_lock(&r->lock);
    snprintf(r->status.note, sizeof(r->status.note), "%s", note);
    pthread_mutex_unlock(&r->lock);
}

void broker_receiver_gap(struct broker_receiver *r)
{
    struct broker_gap gap = {r->alive_at, kn_time_now()};
    pthread_mutex_lock(&r->lock);
    if (gap.from == 0) {
        r->status.begins_at = gap.to;
    } else if (r->gap_count == BROKER_GAPS_MAX) {
        r->gaps[(r->gap_first + r->gap_count - 1) % BROKER_GAPS_MAX].to = gap.to;
    } else {
        r->gaps[(r->gap_first + r->gap_count) % BROKER_GAPS_MAX] = gap;
        r->gap_count++;
    }
    pthread_mutex_unlock(&r->lock);
}

void broker_receiver_count(struct broker_receiver *r, uint64_t messages, uint64_t bytes,
                           uint64_t too_big)
{
    pthread_mutex_lock(&r->lock);
    r->status.messages += messages;
    r->status.bytes += bytes;
    r->status.too_big += too_big;
    pthread_mutex_unlock(&r->lock);
}

void broker_receiver_complete(struct broker_receiver *r)
{
    if (r->chunk && r->chunk->count > 0)
        return; /* its flush will say so */
    pthread_mutex_lock(&r->lock);
    r->status.complete_to = r->alive_at;
    pthread_mutex_unlock(&r->lock);
}

void broker_receiver_flush(struct broker_receiver *r)
{
    if (!r->chunk || r->chunk->count == 0)
        return;
    r->chunk->complete_to = r->alive_at;
    size_t lost =
        broker_chunks_push(&r->chunks, r->chunk, !r->options.url->driver->traits.keeps_events);
    r->chunk = NULL;
    broker_receiver_complete(r);
    if (lost == 0)
        return;
    pthread_mutex_lock(&r->lock);
    r->status.dropped += lost;
    pthread_mutex_unlock(&r->lock);
}

void broker_receiver_queue(const struct broker_options *options, char *ret, size_t size)
{
    snprintf(ret, size, "%s.%s", options->queue_prefix, options->instance);
}

void broker_depths_add(struct broker_depths *depths, struct kn_arena *arena, struct kn_str name)
{
    if (name.len == 0 || depths->count == BROKER_QUEUES_MAX)
        return;
    for (size_t i = 0; i < depths->count; i++) {
        if (kn_str_eq(depths->items[i].name, name))
            return;
    }
    struct kn_str copy = kn_arena_str(arena, name);
    if (copy.ptr)
        depths->items[depths->count++] =
            (struct broker_depth){.name = copy, .unacked = -1, .consumers = -1};
}
