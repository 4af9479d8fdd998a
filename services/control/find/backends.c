#include "services/control/find/backends_impl.h"

#include "proto/codec.h"
#include "services/broker/values.h"
#include "services/celery/message/result_meta.h"
#include "services/common/count.h"
#include "services/common/process/log.h"
#include "services/common/text/time.h"
#include "services/control/ask/conf.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static const int64_t BACKOFF_MIN_US = KN_SECOND;
static const int64_t BACKOFF_MAX_US = 30 * KN_SECOND;
enum { VALUE_MAX = 256 << 10 };

/* ---- which there are ------------------------------------------------------------------- */

static void show(struct trouble *trouble, const struct backend *backend)
{
    struct kn_buf out;
    kn_buf_init(&out, 0);
    if (backend->place.parsed)
        broker_url_write(backend->place.parsed, &out);
    else
        kn_buf_str(&out, control_backend_scheme(kn_str_from(backend->text)));
    snprintf(trouble->shown, sizeof trouble->shown, "%.*s", KN_STR_ARG(kn_buf_view(&out)));
    kn_buf_fini(&out);
    trouble->kind = backend->place.kind;
}

static void backend_free(struct backend *backend)
{
    if (!backend)
        return;
    broker_values_free(backend->values);
    control_backend_place_fini(&backend->place);
    explicit_bzero(backend->text, strlen(backend->text));
    free(backend->text);
    free(backend->completed);
    free(backend);
}

/* Since 5.3 Celery puts a "_" behind a global_keyprefix that does not end in one of these
 * (celery/backends/base.py, _add_global_keyprefix); 5.2 does not. */
static bool list_prefixes(struct backend *backend, const char *prefix)
{
    size_t len = strlen(prefix);
    backend->prefixes[backend->n_prefixes++] = prefix;
    if (len == 0)
        return true;
    if (!strchr(":_-.", prefix[len - 1])) {
        backend->completed = malloc(len + 2);
        if (!backend->completed)
            return false;
        memcpy(backend->completed, prefix, len);
        memcpy(backend->completed + len, "_", 2);
        backend->prefixes[backend->n_prefixes++] = backend->completed;
    }
    backend->prefixes[backend->n_prefixes++] = "";
    return true;
}

static struct backend *backend_new(const struct control_backends *b, struct kn_str text,
                                   bool prefixed)
{
    struct backend *backend = calloc(1, sizeof *backend);
    char *copy = strndup(text.ptr, text.len);
    if (!backend || !copy) {
        free(backend);
        free(copy);
        return NULL;
    }
    *backend = (struct backend){
        .text = copy, .prefixed = prefixed, .named = true, .backoff_us = BACKOFF_MIN_US};
    control_backend_place_read(text, b->broker->url, &backend->place);
    control_backend_place_tls(&backend->place, &b->settings);
    if (backend->place.kind == CONTROL_BACKEND_REDIS && prefixed && !*b->settings.key_prefix)
        backend->place.kind = CONTROL_BACKEND_PREFIXED;
    backend->options = *b->broker;
    backend->options.url = &backend->place.url;
    backend->options.key_prefix = "";
    if (list_prefixes(backend, b->settings.key_prefix) &&
        (backend->place.kind != CONTROL_BACKEND_REDIS ||
         broker_values_new(&backend->options, &backend->values) == KN_OK))
        return backend;
    backend_free(backend);
    return NULL;
}

static void add(struct control_backends *b, struct kn_str text, bool prefixed)
{
    struct backend *backend = backend_new(b, text, prefixed);
    if (!backend)
        return; /* the next look at the workers tries again */
    pthread_mutex_lock(&b->lock);
    b->troubles[b->count] = (struct trouble){0};
    show(&b->troubles[b->count], backend);
    b->items[b->count] = backend;
    b->n_troubles = ++b->count;
    pthread_mutex_unlock(&b->lock);
}

static void forget(struct control_backends *b, size_t i)
{
    backend_free(b->items[i]);
    pthread_mutex_lock(&b->lock);
    b->n_troubles = --b->count;
    b->items[i] = b->items[b->count];
    b->troubles[i] = b->troubles[b->count];
    pthread_mutex_unlock(&b->lock);
}

struct control_backends *control_backends_new(const struct control_result_settings *settings,
                                              const struct broker_options *broker)
{
    struct control_backends *b = calloc(1, sizeof *b);
    if (!b)
        return NULL;
    b->settings = *settings;
    b->broker = broker;
    b->configured = *settings->url;
    kn_buf_init(&b->key, 0);
    pthread_mutex_init(&b->lock, NULL);
    if (b->configured)
        add(b, kn_str_from(settings->url), false);
    return b;
}

void control_backends_free(struct control_backends *b)
{
    if (!b)
        return;
    for (size_t i = 0; i < b->count; i++)
        backend_free(b->items[i]);
    kn_buf_fini(&b->key);
    pthread_mutex_destroy(&b->lock);
    free(b);
}

/* Its place in the list; b->count when it is not there. */
static size_t find(const struct control_backends *b, struct kn_str text, bool prefixed)
{
    size_t i = 0;
    while (i < b->count &&
           !(kn_str_eq(kn_str_from(b->items[i]->text), text) && b->items[i]->prefixed == prefixed))
        i++;
    return i;
}

static void name(struct control_backends *b, struct kn_str text, bool prefixed)
{
    if (text.len == 0 || text.len > BROKER_URL_MAX || memchr(text.ptr, '\0', text.len))
        return;
    size_t i = find(b, text, prefixed);
    if (i < b->count)
        b->items[i]->named = true;
    else if (b->count < CONTROL_BACKENDS_MAX)
        add(b, text, prefixed);
}

void control_backends_learn(struct control_backends *b, const struct kn_msg_worker_list *workers)
{
    struct kn_arena arena;
    struct kn_str url;
    bool prefixed;
    if (b->configured)
        return;
    kn_arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < b->count; i++)
        b->items[i]->named = false;
    for (size_t i = 0; i < workers->items.count; i++) {
        kn_arena_reset(&arena);
        if (control_conf_backend(workers->items.items[i].conf, &arena, &url, &prefixed) == KN_OK)
            name(b, url, prefixed);
    }
    for (size_t i = b->count; i-- > 0;) {
        if (!b->items[i]->named)
            forget(b, i);
    }
    kn_arena_fini(&arena);
}

/* ---- asking ---------------------------------------------------------------------------- */

static enum kn_status write_keys(struct control_backends *b, const char *prefix,
                                 const struct kn_str *ids, size_t count, struct kn_arena *arena,
                                 struct kn_str *ret)
{
    for (size_t i = 0; i < count; i++) {
        kn_buf_clear(&b->key);
        kn_buf_text(&b->key, prefix);
        kn_buf_text(&b->key, "celery-task-meta-");
        kn_buf_str(&b->key, ids[i]);
        ret[i] = kn_arena_str(arena, kn_buf_view(&b->key));
    }
    return arena->overflow ? KN_NOMEM : kn_buf_status(&b->key);
}

/* The event's texts may be in the connection's memory, which the next query reuses. */
static void keep(const struct kn_msg_event *event, struct kn_arena *arena, struct kn_msg_event *ret)
{
    const struct kn_msg_event *copy = kn_msg_copy(arena, KN_KIND_EVENT, event);
    if (copy)
        *ret = *copy;
}

/* Whether there was something that can't be read. */
static bool read_values(const struct kn_str *values, size_t count, struct kn_arena *arena,
                        struct kn_msg_event *ret)
{
    bool unreadable = false;
    for (size_t i = 0; i < count; i++) {
        struct kn_msg_event event;
        struct kn_arena scratch;
        if (!values[i].ptr || ret[i].type != KN_EVENT_CUSTOM)
            continue;
        kn_arena_init(&scratch, (size_t)4 * VALUE_MAX);
        enum kn_status status =
            celery_result_meta(values[i], values[i].len < VALUE_MAX, &scratch, &event);
        if (status == KN_OK) /* a final state, or another one */
            keep(&event, arena, &ret[i]);
        unreadable |= status == KN_UNSUPPORTED;
        kn_arena_fini(&scratch);
    }
    return unreadable;
}

static void note(struct control_backends *b, size_t i, const char *error, bool unreadable)
{
    uint64_t skipped;
    pthread_mutex_lock(&b->lock);
    snprintf(b->troubles[i].error, sizeof b->troubles[i].error, "%s", error);
    b->troubles[i].unreadable |= unreadable;
    pthread_mutex_unlock(&b->lock);
    if (*error && kn_log_allow(&b->log_limit, &skipped))
        KN_WARN("result_backend.away", KN_F_TEXT("error", error), KN_F_I64("skipped", skipped));
}

/* Asks with one of its prefixes; what was found proves that it is the right one. */
static enum kn_status read_with(struct control_backends *b, size_t i, size_t prefix,
                                const struct kn_str *ids, size_t count, size_t max,
                                struct kn_arena *arena, struct kn_str *ret_values)
{
    struct backend *backend = b->items[i];
    struct kn_str keys[CONTROL_BACKENDS_ASK_MAX];
    enum kn_status status = write_keys(b, backend->prefixes[prefix], ids, count, arena, keys);
    if (status == KN_OK)
        status = broker_values_get(backend->values, keys, count, max, ret_values);
    for (size_t k = 0; k < count && status == KN_OK && !backend->proved; k++) {
        if (!ret_values[k].ptr)
            continue;
        backend->proved = true;
        backend->prefix = prefix;
        pthread_mutex_lock(&b->lock);
        b->troubles[i].empty = b->troubles[i].withheld = false;
        pthread_mutex_unlock(&b->lock);
    }
    return status;
}

/* Tries each of its prefixes, unless the right one is known. */
static enum kn_status read_backend(struct control_backends *b, size_t i, const struct kn_str *ids,
                                   size_t count, size_t max, struct kn_arena *arena,
                                   struct kn_str *ret_values)
{
    struct backend *backend = b->items[i];
    enum kn_status status = KN_OK;
    if (backend->proved)
        return read_with(b, i, backend->prefix, ids, count, max, arena, ret_values);
    for (size_t k = 0; k < backend->n_prefixes && status == KN_OK && !backend->proved; k++)
        status = read_with(b, i, k, ids, count, max, arena, ret_values);
    return status;
}

static void fail(struct control_backends *b, size_t i)
{
    struct backend *backend = b->items[i];
    note(b, i, broker_values_error(backend->values), false);
    backend->retry_at = kn_time_mono() + backend->backoff_us;
    backend->backoff_us =
        2 * backend->backoff_us < BACKOFF_MAX_US ? 2 * backend->backoff_us : BACKOFF_MAX_US;
}

static bool is_read(const struct backend *backend)
{
    return backend->place.kind == CONTROL_BACKEND_REDIS;
}

static bool ask_one(struct control_backends *b, size_t i, const struct kn_str *ids, size_t count,
                    struct kn_arena *arena, struct kn_msg_event *ret)
{
    struct backend *backend = b->items[i];
    struct kn_str values[CONTROL_BACKENDS_ASK_MAX];
    if (!is_read(backend))
        return true; /* nobody to wait for */
    if (kn_time_mono() < backend->retry_at)
        return false;
    if (read_backend(b, i, ids, count, VALUE_MAX, arena, values) != KN_OK) {
        fail(b, i);
        return false;
    }
    backend->backoff_us = BACKOFF_MIN_US;
    note(b, i, "", read_values(values, count, arena, ret));
    return true;
}

bool control_backends_ask(struct control_backends *b, const struct kn_str *ids, size_t count,
                          struct kn_arena *arena, struct kn_msg_event *ret)
{
    bool sure = true;
    memset(ret, 0, count * sizeof *ret);
    for (size_t i = 0; i < b->count; i++)
        sure = ask_one(b, i, ids, count, arena, ret) && sure;
    return sure && !arena->overflow;
}

/* ---- whether the prefix is right --------------------------------------------------------- */

bool control_backends_in_doubt(const struct control_backends *b)
{
    for (size_t i = 0; i < b->count; i++)
        if (is_read(b->items[i]) && !b->items[i]->proved)
            return true;
    return false;
}

static void probe(struct control_backends *b, size_t i, const struct kn_str *ids, size_t count,
                  struct kn_arena *arena)
{
    struct backend *backend = b->items[i];
    struct kn_str values[CONTROL_BACKENDS_ASK_MAX];
    if (read_backend(b, i, ids, count, 1, arena, values) != KN_OK) {
        fail(b, i);
        return;
    }
    pthread_mutex_lock(&b->lock);
    b->troubles[i].empty = !backend->proved;
    pthread_mutex_unlock(&b->lock);
}

void control_backends_probe(struct control_backends *b, const struct kn_str *ids, size_t count,
                            struct kn_arena *arena)
{
    for (size_t i = 0; i < b->count && count > 0; i++) {
        const struct backend *backend = b->items[i];
        if (is_read(backend) && !backend->proved && kn_time_mono() >= backend->retry_at)
            probe(b, i, ids, count, arena);
    }
}

/* The backend of a worker: b->count when it has none. False: it is not among ours. */
static bool backend_of(const struct control_backends *b, struct kn_str conf, size_t *ret)
{
    struct kn_arena arena;
    struct kn_str url;
    bool prefixed;
    *ret = 0;
    if (b->configured)
        return b->count > 0;
    kn_arena_init(&arena, 1 << 20);
    bool told = control_conf_backend(conf, &arena, &url, &prefixed) == KN_OK;
    *ret = told && url.len ? find(b, url, prefixed) : b->count;
    bool none = told && url.len == 0;
    kn_arena_fini(&arena);
    return told && (none || *ret < b->count);
}

bool control_backends_vouch(struct control_backends *b, struct kn_str conf)
{
    size_t i;
    if (!backend_of(b, conf, &i))
        return false;
    if (i == b->count || b->items[i]->place.kind == CONTROL_BACKEND_NONE || b->items[i]->proved)
        return true;
    pthread_mutex_lock(&b->lock);
    b->troubles[i].withheld = true;
    pthread_mutex_unlock(&b->lock);
    return false;
}

/* ---- one value -------------------------------------------------------------------------- */

static struct kn_str why_nothing(const struct backend *backend, enum kn_status status,
                                 struct kn_arena *arena)
{
    if (status == KN_NOT_FOUND)
        return KN_STR("the result backend has no data for this task");
    return status == KN_TOO_BIG
               ? KN_STR("the result backend's data for this task is too large")
               : kn_arena_str(arena, kn_str_from(broker_values_error(backend->values)));
}

static enum kn_status read_one(struct control_backends *b, size_t i, struct kn_str id, size_t max,
                               struct kn_arena *arena, struct kn_str *ret)
{
    struct kn_str value = KN_STR_ABSENT;
    enum kn_status status = read_backend(b, i, &id, 1, max + 1, arena, &value);
    if (status != KN_OK)
        return status;
    if (!value.ptr)
        return KN_NOT_FOUND;
    if (value.len > max)
        return KN_TOO_BIG;
    *ret = kn_arena_str(arena, value);
    return ret->ptr ? KN_OK : KN_NOMEM;
}

enum kn_status control_backends_value(struct control_backends *b, struct kn_str id, size_t max,
                                      struct kn_arena *arena, struct kn_str *ret,
                                      struct kn_str *ret_why)
{
    enum kn_status status = KN_UNSUPPORTED;
    *ret_why = control_backends_why_not(b);
    for (size_t i = 0; i < b->count; i++) {
        if (!is_read(b->items[i]))
            continue;
        status = read_one(b, i, id, max, arena, ret);
        if (status == KN_OK)
            return status;
        *ret_why = why_nothing(b->items[i], status, arena);
    }
    return status;
}

enum kn_status control_result_value(struct control_call *call,
                                    const struct kn_msg_worker_list *workers, struct kn_str id,
                                    struct kn_str *ret, struct kn_str *ret_why)
{
    struct control_backends *backends =
        control_backends_new(call->options->results, call->options->broker);
    if (!backends)
        return KN_NOMEM;
    control_backends_learn(backends, workers);
    enum kn_status status =
        control_backends_value(backends, id, CONTROL_RESULT_MAX, call->arena, ret, ret_why);
    control_backends_free(backends);
    return status;
}
