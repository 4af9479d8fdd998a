/* The first byte says what the rest is: 'j' a JSON body, 'm' a msgpack body,
 * 'e' an envelope of Redis, 'r' a reply to remote control. */
#include "services/celery/event/event.h"
#include "services/celery/remote/remote.h"

#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const int64_t now_us = INT64_C(1795473465000000);

static void must(bool held)
{
    if (!held)
        abort();
}

static void check_json(struct kn_str text)
{
    json_error_t error;
    json_t *value = json_loadb(text.ptr, text.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    /* what jansson cannot hold, though it is JSON */
    must(value || json_error_code(&error) == json_error_numeric_overflow ||
         json_error_code(&error) == json_error_null_byte_in_key);
    json_decref(value);
}

static void check_event(const struct kn_msg_event *e)
{
    must(e->type < KN_EVENT_TYPE_COUNT);
    must(e->type != KN_EVENT_CUSTOM || e->type_name.len > 0);
    must(e->timestamp > 0 && e->received_at == now_us);
    must(kn_utf8_valid(e->uuid) && kn_utf8_valid(e->args_repr) && kn_utf8_valid(e->extra));
    if (e->extra.ptr)
        check_json(e->extra);
}

static void decode_event(char kind, struct kn_str input, struct kn_arena *arena)
{
    struct celery_events events;
    enum kn_status status;
    if (kind == 'e') {
        status = celery_event_decode_envelope(input, NULL, now_us, arena, &events);
    } else {
        struct celery_message message = {.body = input};
        if (kind == 'm')
            message.content_type = KN_STR("application/x-msgpack");
        status = celery_event_decode_message(&message, NULL, now_us, arena, &events);
    }
    if (status != KN_OK)
        return;
    size_t causes = 0;
    for (size_t i = 0; i < CELERY_CAUSE_COUNT; i++)
        causes += events.causes[i];
    must(causes == events.invalid);
    for (size_t i = 0; i < events.count; i++)
        check_event(&events.items[i]);
}

static void decode_reply(struct kn_str input, struct kn_arena *arena)
{
    struct celery_reply reply;
    struct kn_msg_worker_inspect inspect = {0};
    const struct celery_message message = {.body = input};
    if (celery_reply_decode(&message, arena, &reply) != KN_OK)
        return;
    check_json(reply.value);
    enum kn_status ignored = celery_inspect_stats(reply.value, arena, &inspect);
    ignored = celery_inspect_active_queues(reply.value, arena, &inspect);
    ignored = celery_inspect_registered(reply.value, arena, &inspect);
    ignored = celery_inspect_conf(reply.value, arena, &inspect);
    struct celery_held_tasks held;
    struct kn_strs names;
    ignored = celery_inspect_query_task(reply.value, arena, &held);
    ignored = celery_inspect_tasks(reply.value, arena, &held);
    ignored = celery_inspect_rate_limited(reply.value, arena, &names);
    (void)ignored;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kn_arena arena;
    if (size == 0)
        return 0;
    /* a copy without the first byte, so that reading too far shows */
    char *copy = malloc(size);
    if (!copy)
        return 0;
    memcpy(copy, data + 1, size - 1);
    char *exact = realloc(copy, size > 1 ? size - 1 : 1);
    struct kn_str input = {exact, size - 1};
    kn_arena_init(&arena, 256 << 20);
    if (data[0] == 'r')
        decode_reply(input, &arena);
    else
        decode_event((char)data[0], input, &arena);
    kn_arena_fini(&arena);
    free(exact);
    return 0;
}
