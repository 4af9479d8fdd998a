#include "services/celery/message/task_send.h"

#include "services/celery/read/base64.h"
#include "services/celery/read/json_slice.h"

#include <inttypes.h>

enum { CHANGES_MAX = 32, REPR_MAX = 1024 };

static void put_text(struct kn_buf *out, const char *name, struct kn_str text)
{
    kn_buf_printf(out, ",\"%s\":", name);
    kn_buf_json_str(out, text);
}

void celery_task_headers(struct kn_buf *out, const struct celery_task_call *call)
{
    kn_buf_text(out, "{\"lang\":\"py\"");
    put_text(out, "task", call->name);
    put_text(out, "id", call->id);
    put_text(out, "shadow", call->shadow);
    put_text(out, "eta", call->eta);
    put_text(out, "expires", call->expires);
    kn_buf_text(out, ",\"group\":null,\"group_index\":null");
    kn_buf_printf(out, ",\"retries\":%" PRId64 ",\"timelimit\":[", call->retries);
    kn_buf_str(out, call->time_limit.ptr ? call->time_limit : KN_STR("null"));
    kn_buf_char(out, ',');
    kn_buf_str(out, call->soft_time_limit.ptr ? call->soft_time_limit : KN_STR("null"));
    kn_buf_char(out, ']');
    put_text(out, "root_id", call->root_id.ptr ? call->root_id : call->id);
    put_text(out, "parent_id", call->parent_id);
    put_text(out, "argsrepr", call->argsrepr);
    put_text(out, "kwargsrepr", call->kwargsrepr);
    put_text(out, "origin", call->origin);
    kn_buf_text(out, ",\"ignore_result\":false,\"replaced_task_nesting\":0,"
                     "\"stamped_headers\":null,\"stamps\":{}}");
}

void celery_task_body(struct kn_buf *out, const struct celery_task_call *call)
{
    kn_buf_char(out, '[');
    kn_buf_str(out, call->args);
    kn_buf_char(out, ',');
    kn_buf_str(out, call->kwargs);
    kn_buf_char(out, ',');
    kn_buf_str(out, call->embed.ptr ? call->embed
                                    : KN_STR("{\"callbacks\":null,\"errbacks\":null,"
                                             "\"chain\":null,\"chord\":null}"));
    kn_buf_char(out, ']');
}

/* ---- changes ----------------------------------------------------------------- */

struct change_set {
    const struct celery_json_change *changes;
    size_t count;
    uint32_t done; /* bit n: change n */
};

static void put_member(struct kn_buf *out, size_t at, struct kn_str name, struct kn_str value)
{
    kn_buf_char(out, at ? ',' : '{');
    kn_buf_json_str(out, name);
    kn_buf_char(out, ':');
    kn_buf_str(out, value);
}

/* The value that a member shall have; its own when it is not changed. A name that stands
 * twice is changed twice. */
static struct kn_str changed(struct change_set *set, struct kn_str name, struct kn_str value)
{
    for (size_t i = 0; i < set->count; i++) {
        if (!kn_str_eq(name, kn_str_from(set->changes[i].name)))
            continue;
        set->done |= UINT32_C(1) << i;
        return set->changes[i].value;
    }
    return value;
}

static enum kn_status copy_members(struct kn_buf *out, struct celery_reader *r,
                                   struct change_set *set, struct kn_arena *arena, size_t *ret_at)
{
    for (;; ++*ret_at) {
        struct celery_token key, token;
        struct kn_str value;
        bool sayable = true;
        enum kn_status status = celery_reader_next(r, &key);
        if (status != KN_OK || key.kind == CELERY_CLOSE)
            return status;
        const char *start = celery_slice_start(r);
        status = celery_reader_next(r, &token);
        if (status == KN_OK)
            status = celery_slice(r, &token, start, arena, &value, &sayable);
        if (status != KN_OK)
            return status;
        put_member(out, *ret_at, key.text, changed(set, key.text, value));
    }
}

enum kn_status celery_json_change(struct kn_buf *out, struct kn_str object,
                                  const struct celery_json_change *changes, size_t count,
                                  struct kn_arena *arena)
{
    struct change_set set = {.changes = changes,
                             .count = count < CHANGES_MAX ? count : CHANGES_MAX};
    struct celery_reader r;
    struct celery_token token;
    size_t at = 0;
    if (!kn_utf8_valid(object))
        return KN_INVALID;
    celery_reader_init(&r, CELERY_JSON, object, arena);
    enum kn_status status = celery_reader_next(&r, &token);
    if (status == KN_OK && token.kind != CELERY_MAP)
        status = KN_INVALID;
    if (status == KN_OK)
        status = copy_members(out, &r, &set, arena, &at);
    if (status == KN_OK && !celery_reader_at_end(&r))
        status = KN_INVALID;
    for (size_t i = 0; i < set.count && status == KN_OK; i++) {
        if (!(set.done & UINT32_C(1) << i))
            put_member(out, at++, kn_str_from(changes[i].name), changes[i].value);
    }
    kn_buf_text(out, at ? "}" : "{}");
    return status == KN_OK ? kn_buf_status(out) : status;
}

/* ---- the envelope -------------------------------------------------------------- */

void celery_task_properties(struct kn_buf *out, const struct celery_task_wrap *w)
{
    kn_buf_text(out, "{\"correlation_id\":");
    kn_buf_json_str(out, w->correlation_id);
    kn_buf_text(out, ",\"reply_to\":");
    kn_buf_json_str(out, w->reply_to.ptr ? w->reply_to : KN_STR(""));
    kn_buf_text(out, ",\"delivery_mode\":2,\"delivery_info\":{\"exchange\":");
    kn_buf_json_str(out, w->exchange.len ? w->exchange : KN_STR(""));
    kn_buf_text(out, ",\"routing_key\":");
    kn_buf_json_str(out, w->exchange.len ? w->routing_key : w->queue);
    kn_buf_printf(out, "},\"priority\":%u,\"body_encoding\":\"base64\",\"delivery_tag\":",
                  (unsigned)w->priority);
    kn_buf_json_str(out, w->delivery_tag);
    kn_buf_char(out, '}');
}

void celery_task_envelope(struct kn_buf *out, const struct celery_task_wrap *w)
{
    kn_buf_text(out, "{\"body\":\"");
    celery_base64_encode(out, w->body);
    kn_buf_text(out, "\",\"content-encoding\":");
    kn_buf_json_str(out, w->content_encoding);
    kn_buf_text(out, ",\"content-type\":");
    kn_buf_json_str(out, w->content_type);
    kn_buf_text(out, ",\"headers\":");
    kn_buf_str(out, w->headers);
    kn_buf_text(out, ",\"properties\":");
    celery_task_properties(out, w);
    kn_buf_char(out, '}');
}

enum kn_status celery_json_repr(struct kn_str json, struct kn_arena *arena, struct kn_str *ret)
{
    struct celery_reader r;
    struct celery_token token;
    struct kn_buf text;
    if (!kn_utf8_valid(json))
        return KN_INVALID;
    kn_buf_init(&text, 0);
    celery_reader_init(&r, CELERY_JSON, json, arena);
    enum kn_status status = celery_reader_next(&r, &token);
    if (status == KN_OK)
        status = celery_reader_python(&r, &token, &text);
    if (status == KN_OK && text.len > REPR_MAX) {
        text.len = kn_utf8_head(kn_buf_view(&text), REPR_MAX).len;
        kn_buf_text(&text, "...");
        status = kn_buf_status(&text);
    }
    if (status == KN_OK) {
        *ret = kn_arena_str(arena, kn_buf_view(&text));
        status = ret->ptr ? KN_OK : KN_NOMEM;
    }
    kn_buf_fini(&text);
    return status;
}
