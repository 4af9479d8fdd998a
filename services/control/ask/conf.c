#include "services/control/ask/conf.h"

#include "services/common/count.h"
#include "services/common/text/buf.h"
#include "services/common/text/json.h"

#include <jansson.h>
#include <strings.h>

enum { DEPTH_MAX = 32 };

static const char MASK[] = "********";

/* ---- reading ------------------------------------------------------------------- */

static const json_t *setting(const json_t *conf, const char *name, const char *old_name)
{
    const json_t *value = json_object_get(conf, name);
    return value ? value : json_object_get(conf, old_name);
}

static bool is_set(const json_t *value)
{
    return json_is_string(value) ? json_string_length(value) > 0 : json_is_true(value);
}

/* kombu's names of the serializer that can run arbitrary code. */
static bool is_pickle(const json_t *value)
{
    const char *name = json_string_value(value);
    return name &&
           (strcmp(name, "pickle") == 0 || strcmp(name, "application/x-python-serialize") == 0);
}

static bool takes_pickle(const json_t *conf)
{
    const json_t *accepted = setting(conf, "accept_content", "CELERY_ACCEPT_CONTENT");
    for (size_t i = 0; i < json_array_size(accepted); i++)
        if (is_pickle(json_array_get(accepted, i)))
            return true;
    return is_pickle(setting(conf, "task_serializer", "CELERY_TASK_SERIALIZER"));
}

static void read_steps(const json_t *conf, struct control_conf *ret)
{
    const json_t *options = setting(conf, "broker_transport_options", "BROKER_TRANSPORT_OPTIONS");
    const json_t *steps = json_object_get(options, "priority_steps");
    size_t count = json_array_size(steps);
    for (size_t i = 0; i < count && count <= BROKER_STEPS_MAX; i++) {
        json_int_t step = json_integer_value(json_array_get(steps, i));
        if (step < 0 || step > UINT8_MAX)
            return;
        ret->priority_steps[i] = (unsigned char)step;
    }
    ret->priority_count = count <= BROKER_STEPS_MAX ? count : 0;
}

enum kn_status control_conf_read(struct kn_str text, struct control_conf *ret)
{
    json_t *conf = kn_json_load(text, JSON_ALLOW_NUL);
    if (!json_is_object(conf)) {
        json_decref(conf);
        return KN_INVALID;
    }
    *ret = (struct control_conf){
        .known = true,
        .send_task_events = is_set(setting(conf, "worker_send_task_events", "CELERY_SEND_EVENTS")),
        .send_sent_event =
            is_set(setting(conf, "task_send_sent_event", "CELERY_SEND_TASK_SENT_EVENT")),
        .result_extended = is_set(setting(conf, "result_extended", "CELERY_RESULT_EXTENDED")),
        .track_started = is_set(setting(conf, "task_track_started", "CELERY_TRACK_STARTED")),
        .takes_pickle = takes_pickle(conf),
        .has_backend = is_set(setting(conf, "result_backend", "CELERY_RESULT_BACKEND")),
    };
    read_steps(conf, ret);
    json_decref(conf);
    return KN_OK;
}

enum kn_status control_conf_backend(struct kn_str text, struct kn_arena *arena,
                                    struct kn_str *ret_url, bool *ret_prefixed)
{
    json_t *conf = kn_json_load(text, JSON_ALLOW_NUL);
    if (!json_is_object(conf)) {
        json_decref(conf);
        return KN_INVALID;
    }
    const json_t *url = setting(conf, "result_backend", "CELERY_RESULT_BACKEND");
    const json_t *options = setting(conf, "result_backend_transport_options",
                                    "CELERY_RESULT_BACKEND_TRANSPORT_OPTIONS");
    struct kn_str found = KN_STR("");
    if (json_is_string(url))
        found =
            kn_arena_str(arena, (struct kn_str){json_string_value(url), json_string_length(url)});
    bool prefixed = is_set(json_object_get(options, "global_keyprefix"));
    json_decref(conf);
    if (!found.ptr)
        return KN_NOMEM;
    *ret_url = found;
    *ret_prefixed = prefixed;
    return KN_OK;
}

/* ---- masking ------------------------------------------------------------------- */

static bool is_secret_key(const char *key)
{
    static const char *const words[] = {"password", "passwd", "secret",     "token",
                                        "api_key",  "apikey", "private_key"};
    for (size_t i = 0; i < KN_COUNT_OF(words); i++)
        if (strcasestr(key, words[i]))
            return true;
    return false;
}

/* The end of the part that has user and password: where "/", "?", "#", ";", a
 * quote or white space is. */
static size_t authority_end(const char *s, size_t from, size_t len)
{
    while (from < len && !strchr("/?#;\"' \t\r\n", s[from]))
        from++;
    return from;
}

/* scheme://user:password@host, as often as it occurs. */
static void write_masked(struct kn_buf *out, const char *s, size_t len)
{
    size_t at = 0;
    while (at < len) {
        const char *found = memmem(s + at, len - at, "://", 3);
        if (!found)
            break;
        size_t start = (size_t)(found - s) + 3, end = authority_end(s, start, len);
        const char *sign = memrchr(s + start, '@', end - start);
        const char *colon = sign ? memchr(s + start, ':', (size_t)(sign - s) - start) : NULL;
        size_t keep = colon ? (size_t)(colon - s) + 1 : end;
        kn_buf_append(out, s + at, keep - at);
        if (colon) {
            kn_buf_text(out, MASK);
            kn_buf_append(out, sign, end - (size_t)(sign - s));
        }
        at = end;
    }
    kn_buf_append(out, s + at, len - at);
}

static json_t *masked_string(const json_t *value, struct kn_buf *scratch)
{
    kn_buf_clear(scratch);
    write_masked(scratch, json_string_value(value), json_string_length(value));
    if (kn_buf_status(scratch) != KN_OK)
        return json_string(MASK);
    return json_stringn(scratch->len ? scratch->data : "", scratch->len);
}

static json_t *masked(const json_t *value, struct kn_buf *scratch, unsigned depth);

static json_t *masked_object(const json_t *value, struct kn_buf *scratch, unsigned depth)
{
    json_t *ret = json_object();
    for (void *i = json_object_iter((json_t *)value); i;
         i = json_object_iter_next((json_t *)value, i)) {
        const char *key = json_object_iter_key(i);
        const json_t *member = json_object_iter_value(i);
        bool hide = is_secret_key(key) && !json_is_null(member) && !json_is_boolean(member);
        (void)!json_object_set_new(ret, key,
                                   hide ? json_string(MASK) : masked(member, scratch, depth + 1));
    }
    return ret;
}

static json_t *masked(const json_t *value, struct kn_buf *scratch, unsigned depth)
{
    if (depth > DEPTH_MAX)
        return json_string(MASK);
    if (json_is_string(value))
        return masked_string(value, scratch);
    if (json_is_object(value))
        return masked_object(value, scratch, depth);
    if (!json_is_array(value))
        return json_incref((json_t *)value);
    json_t *ret = json_array();
    for (size_t i = 0; i < json_array_size(value); i++)
        (void)!json_array_append_new(ret, masked(json_array_get(value, i), scratch, depth + 1));
    return ret;
}

struct kn_str control_masked(struct kn_str value, struct kn_arena *arena)
{
    json_t *in = kn_json_load(value, JSON_ALLOW_NUL | JSON_DECODE_ANY);
    if (!in)
        return KN_STR_ABSENT;
    struct kn_buf scratch;
    kn_buf_init(&scratch, 0);
    json_t *out = masked(in, &scratch, 0);
    char *text = json_dumps(out, JSON_COMPACT | JSON_ENCODE_ANY);
    struct kn_str ret = kn_arena_str(arena, kn_str_from(text));
    free(text);
    json_decref(out);
    json_decref(in);
    kn_buf_fini(&scratch);
    return ret;
}
