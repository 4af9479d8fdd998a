/* Fills the fields of struct kn_msg_event from an event's JSON or msgpack object. Internal to
 * event*.c. */
#ifndef KN_CELERY_EVENT_EVENT_FIELDS_H
#define KN_CELERY_EVENT_EVENT_FIELDS_H

#include "services/celery/event/event.h"
#include "services/celery/read/reader.h"

struct celery_decoder {
    struct celery_reader reader;
    struct kn_arena *arena;
    const struct celery_event_limits *limits;
    int64_t now_us;
    bool utf8;             /* the whole body is UTF-8 */
    bool list;             /* the body is a list of events */
    struct kn_buf scratch; /* extra of the current event, or a text being built */
    bool has_extra;
    bool has_timestamp;
    bool has_type;
    size_t room; /* in events.items */
    struct celery_events events;
};

/* Copies scratch from an index on into the arena; absent when the arena is full. */
static inline struct kn_str celery_scratch_str(struct celery_decoder *d, size_t from)
{
    return kn_arena_str(d->arena, (struct kn_str){d->scratch.data + from, d->scratch.len - from});
}

/* Reads the object that was just opened to its end. has_type, has_timestamp and has_extra must be
 * false, and scratch empty. Fields without a place in e are written to scratch as JSON, without the
 * closing brace. */
enum kn_status celery_event_fields(struct celery_decoder *d, struct kn_msg_event *e) KN_MUST_CHECK;

/* For task-failed and task-retried: sets name and exception if Celery put them elsewhere. */
enum kn_status celery_event_failure(struct celery_decoder *d, struct kn_msg_event *e) KN_MUST_CHECK;

#endif
