#include "services/aggregation/gauges.h"

#include "services/common/data/table.h"
#include "services/common/text/time.h"

#include <stdlib.h>

static const int64_t GONE_US = 2 * KN_MINUTE;

struct queue {
    struct kn_table_entry entry; /* source, name */
    int64_t at;
    uint64_t messages;
};

struct source {
    struct kn_table_entry entry;
    int64_t counts[KN_TASK_STATUS_COUNT];
    int64_t measured_at; /* the newest measurement of any of its queues */
};

struct aggr_gauges {
    struct kn_table queues, sources;
};

struct aggr_gauges *aggr_gauges_new(size_t entries_max)
{
    struct aggr_gauges *gauges = calloc(1, sizeof *gauges);
    if (!gauges)
        return NULL;
    kn_table_init(&gauges->queues, sizeof(struct queue), entries_max);
    kn_table_init(&gauges->sources, sizeof(struct source), entries_max);
    return gauges;
}

void aggr_gauges_free(struct aggr_gauges *gauges)
{
    if (!gauges)
        return;
    kn_table_fini(&gauges->queues);
    kn_table_fini(&gauges->sources);
    free(gauges);
}

static struct source *source_of(struct aggr_gauges *gauges, struct kn_str name)
{
    return (struct source *)kn_table_need(&gauges->sources, name, KN_STR(""));
}

void aggr_gauges_count(struct aggr_gauges *gauges, const struct kn_msg_status_count *count)
{
    struct source *source = source_of(gauges, count->source);
    if (source && count->status < KN_TASK_STATUS_COUNT)
        source->counts[count->status] = count->count;
}

void aggr_gauges_depth(struct aggr_gauges *gauges, const struct kn_msg_queue_depth *depth,
                       struct kn_str source_name)
{
    if (depth->source.len > 0)
        source_name = depth->source;
    struct source *source = source_of(gauges, source_name);
    struct queue *queue = (struct queue *)kn_table_need(&gauges->queues, source_name, depth->name);
    if (!source || !queue || depth->at < queue->at)
        return;
    queue->at = depth->at;
    queue->messages = depth->messages;
    if (depth->at > source->measured_at)
        source->measured_at = depth->at;
}

void aggr_gauges_read(const struct aggr_gauges *gauges, struct kn_msg_metrics *metrics)
{
    int64_t running = 0, waiting = 0;
    for (const struct kn_table_entry *e = kn_table_first(&gauges->sources); e;
         e = kn_table_next(e)) {
        const struct source *source = (const struct source *)e;
        running += source->counts[KN_TASK_STARTED];
        waiting += source->counts[KN_TASK_PENDING] + source->counts[KN_TASK_RECEIVED] +
                   source->counts[KN_TASK_RETRY];
    }
    metrics->running = running > 0 ? running : 0;
    metrics->waiting = waiting > 0 ? waiting : 0;
    metrics->queued_messages = 0;
    for (const struct kn_table_entry *e = kn_table_first(&gauges->queues); e;
         e = kn_table_next(e)) {
        const struct queue *queue = (const struct queue *)e;
        const struct source *source =
            (const struct source *)kn_table_find(&gauges->sources, queue->entry.source, KN_STR(""));
        if (source && queue->at >= source->measured_at - GONE_US)
            metrics->queued_messages += queue->messages;
    }
}

uint64_t aggr_gauges_left_out(const struct aggr_gauges *gauges)
{
    return gauges->queues.left_out + gauges->sources.left_out;
}
