#include "services/control/act/outgoing.h"

#include "services/common/text/json.h"

#include <jansson.h>

enum { DEPTH_MAX = 12 };

static enum kn_status convert(const json_t *value, unsigned depth, struct kn_arena *arena,
                              struct broker_header *ret);

static enum kn_status convert_list(const json_t *list, unsigned depth, struct kn_arena *arena,
                                   struct broker_header *ret)
{
    size_t count = json_array_size(list);
    struct broker_header *items = kn_arena_array(arena, count + 1, sizeof *items);
    enum kn_status status = items ? KN_OK : KN_NOMEM;
    for (size_t i = 0; i < count && status == KN_OK; i++)
        status = convert(json_array_get(list, i), depth + 1, arena, &items[i]);
    *ret = (struct broker_header){.type = BROKER_HEADER_LIST, .items = items, .item_count = count};
    return status;
}

static enum kn_status convert_object(json_t *object, unsigned depth, struct kn_arena *arena,
                                     struct broker_header *ret)
{
    const char *key;
    json_t *value;
    struct broker_header *items =
        kn_arena_array(arena, json_object_size(object) + 1, sizeof *items);
    enum kn_status status = items ? KN_OK : KN_NOMEM;
    size_t count = 0;
    json_object_foreach(object, key, value)
    {
        if (status != KN_OK)
            break;
        struct broker_header *item = &items[count++];
        status = convert(value, depth + 1, arena, item);
        item->name = kn_arena_str(arena, kn_str_from(key)).ptr;
        if (!item->name)
            status = KN_NOMEM;
    }
    *ret = (struct broker_header){.type = BROKER_HEADER_TABLE, .items = items, .item_count = count};
    return status;
}

static enum kn_status convert(const json_t *value, unsigned depth, struct kn_arena *arena,
                              struct broker_header *ret)
{
    *ret = (struct broker_header){.type = BROKER_HEADER_NULL};
    if (depth > DEPTH_MAX)
        return KN_TOO_DEEP;
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return convert_object((json_t *)value, depth, arena, ret);
    case JSON_ARRAY:
        return convert_list(value, depth, arena, ret);
    case JSON_STRING:
        ret->type = BROKER_HEADER_STR;
        ret->str = kn_arena_str(
            arena, (struct kn_str){json_string_value(value), json_string_length(value)});
        return ret->str.ptr ? KN_OK : KN_NOMEM;
    case JSON_INTEGER:
        ret->type = BROKER_HEADER_I64;
        ret->i64 = json_integer_value(value);
        return KN_OK;
    case JSON_REAL:
        ret->type = BROKER_HEADER_F64;
        ret->f64 = json_real_value(value);
        return KN_OK;
    case JSON_TRUE:
    case JSON_FALSE:
        ret->type = BROKER_HEADER_BOOL;
        ret->i64 = json_is_true(value);
        return KN_OK;
    default:
        return KN_OK;
    }
}

static enum kn_status read_headers(struct kn_str json, struct kn_arena *arena,
                                   struct broker_header *ret)
{
    json_t *object = kn_json_load(json, JSON_ALLOW_NUL);
    enum kn_status status = json_is_object(object) ? convert(object, 0, arena, ret) : KN_INVALID;
    json_decref(object);
    return status;
}

/* In an envelope headers are copied unchanged: they may contain JSON that only Python's reader
 * accepts. */
enum kn_status control_send_task(struct broker_session *session,
                                 const struct celery_task_wrap *wrap, struct kn_arena *arena)
{
    struct broker_header headers = {0};
    struct kn_buf envelope;
    struct kn_str queue = kn_arena_str(arena, wrap->queue); /* ends with a NUL */
    enum kn_status status = queue.ptr ? KN_OK : KN_NOMEM;
    if (status == KN_OK && !broker_session_traits(session)->enveloped)
        status = read_headers(wrap->headers, arena, &headers);
    kn_buf_init(&envelope, 0);
    celery_task_envelope(&envelope, wrap);
    if (status == KN_OK)
        status = kn_buf_status(&envelope);
    if (status == KN_OK)
        status = broker_session_send(session, queue.ptr,
                                     &(struct broker_outgoing){
                                         .envelope = kn_buf_view(&envelope),
                                         .body = wrap->body,
                                         .content_type = wrap->content_type,
                                         .content_encoding = wrap->content_encoding,
                                         .correlation_id = wrap->correlation_id,
                                         .reply_to = wrap->reply_to,
                                         .exchange = wrap->exchange,
                                         .routing_key = wrap->routing_key,
                                         .headers = headers.items,
                                         .header_count = headers.item_count,
                                         .delivery_mode = 2,
                                         .priority = wrap->priority,
                                     });
    kn_buf_fini(&envelope);
    return status;
}
