/* Asking storage and control, for the handlers in api_*.c. */
#include "gateway/api/handler.h"

#include "services/common/process/log.h"
#include "services/common/process/service.h"
#include "services/common/text/time.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- asking storage --------------------------------------------------------------------- */

/* An explanation of its own says more than that it failed. */
static void fail_of(struct gw_exchange *x, int code, const char *who, const char *failed,
                    enum kn_status status, const char *text)
{
    if (text)
        gw_fail(x, code, "%s: %s", who, text);
    else
        gw_fail(x, code, "%s %s: %s", who, failed, kn_status_text(status));
}

/* text: of a service that did answer, and was not answered itself. */
static void fail_late(struct gw_exchange *x, const char *who, const char *text)
{
    char why[160];
    snprintf(why, sizeof why, "%s timed out", who);
    if (text) {
        gw_fail(x, 503, "%s: %s", who, text);
    } else if (x->acted) {
        gw_fail_unknown(x, why);
    } else {
        gw_fail(x, 503, "%s", why);
        x->problem.code = GW_NO_ANSWER;
    }
}

/* An action that has left may have been taken, and only its answer was too big, unreadable or
 * lost: a service that says why it did nothing has a text. */
static bool is_unknown(const struct gw_exchange *x, enum kn_status status, const char *text)
{
    if (!x->acted || text)
        return false;
    switch (status) {
    case KN_NOT_FOUND: /* of a service that did nothing */
    case KN_CONFLICT:
    case KN_EXISTS:
    case KN_DENIED:
    case KN_AGAIN:
    case KN_FULL:
    case KN_TIMEOUT: /* see below */
    case KN_UNCERTAIN:
    case KN_NOMEM:
        return false;
    default:
        return true;
    }
}

static void fail_unknown(struct gw_exchange *x, const char *who, enum kn_status status)
{
    char why[256];
    snprintf(why, sizeof why, "the answer of %s: %s", who, kn_status_text(status));
    gw_fail_unknown(x, why);
}

static void tell(struct gw_exchange *x, const char *who, enum kn_status status, const char *text)
{
    static struct kn_log_limit limit;
    uint64_t skipped;
    gw_exchange_fail(x);
    if (kn_log_allow(&limit, &skipped))
        KN_WARN("gateway.request_failed", KN_F_TEXT("of", who),
                KN_F_TEXT("status", kn_status_name(status)), KN_F_TEXT("text", text ? text : ""),
                KN_F_I64("skipped", skipped));
}

static void fail_from(struct gw_exchange *x, const char *who, enum kn_status status,
                      const char *text)
{
    if (is_unknown(x, status, text)) {
        fail_unknown(x, who, status);
        tell(x, who, status, text);
        return;
    }
    switch (status) {
    case KN_NOT_FOUND:
        gw_fail(x, 404, "%s", text ? text : "not found");
        return;
    case KN_INVALID:
        gw_fail(x, 400, "%s", text ? text : "the request is invalid");
        return;
    case KN_CONFLICT:
    case KN_EXISTS:
    case KN_DENIED:
    case KN_TOO_BIG:
        gw_fail(x, 409, "%s", text ? text : kn_status_text(status));
        return;
    case KN_TIMEOUT:
        fail_late(x, who, text);
        break;
    case KN_UNCERTAIN:
        gw_fail(x, 504, "%s", text ? text : kn_status_text(status));
        gw_tell_unknown(x);
        break;
    case KN_NOMEM:
        if (!text) {
            gw_fail_memory(x);
            return;
        }
        fail_of(x, 503, who, "could not answer", status, text);
        break;
    case KN_CLOSED:
    case KN_AGAIN:
    case KN_FULL:
        fail_of(x, 503, who, "does not respond", status, text);
        break;
    default:
        fail_of(x, 502, who, "could not answer", status, text);
    }
    tell(x, who, status, text);
}

int64_t gw_patience(struct gw_app *app)
{
    const int64_t away = 2 * KN_SECOND;
    return gw_live_connected(app->live) || app->query_timeout < away ? app->query_timeout : away;
}

static bool is_action(enum kn_kind kind)
{
    switch (kind) {
    case KN_KIND_COMMAND:
    case KN_KIND_TASK_SEND:
    case KN_KIND_TASK_REVOKE:
    case KN_KIND_QUEUE_PURGE:
    case KN_KIND_QUEUE_MOVE:
    case KN_KIND_QUEUE_PAUSE:
    case KN_KIND_JOB_CREATE:
    case KN_KIND_JOB_CANCEL:
    case KN_KIND_RESOLVE:
        return true;
    default:
        return false;
    }
}

static struct kn_bus_message *ask(struct gw_exchange *x, const char *who,
                                  struct kn_bus_client *client, enum kn_kind kind, const void *msg,
                                  enum kn_kind want, int64_t patience)
{
    struct kn_bus_message *answer = NULL;
    struct kn_buf error;
    kn_buf_init(&error, 0);
    struct kn_bus_call *call = NULL;
    enum kn_status status = kn_bus_call_start(client, kind, msg, patience, &call);
    if (status == KN_OK) {
        bool sent = kn_bus_call_wait(call);
        x->acted = x->acted || (sent && x->changes && is_action(kind));
        status = kn_bus_call_finish_kind(call, want, &answer, &error);
    }
    if (status != KN_OK) {
        answer = NULL;
        x->acted = x->acted && !error.len; /* a sentence says what came of it */
        fail_from(x, who, status, kn_buf_cstr(&error));
    }
    kn_buf_fini(&error);
    return answer;
}

struct kn_bus_message *gw_ask(struct gw_exchange *x, enum kn_kind kind, const void *msg,
                              enum kn_kind want)
{
    struct kn_bus_message *answer =
        ask(x, "storage", x->app->storage, kind, msg, want, gw_patience(x->app));
    if (!answer && x->status >= 500)
        atomic_fetch_add(&x->app->counters.storage_failures, 1);
    return answer;
}

/* ---- asking control --------------------------------------------------------------------- */

/* Whether these names are enough. A name that is not among them may be new. */
static bool is_settled(const struct gw_sources *known, struct kn_str source)
{
    return source.ptr ? gw_sources_have(known, source) : known->count == 1;
}

static void choose(struct gw_exchange *x, const struct gw_sources *known, struct kn_str *source)
{
    if (source->ptr && gw_sources_have(known, *source))
        return;
    if (source->ptr)
        gw_fail(x, 404, "source not found");
    else if (known->count == 0)
        gw_fail(x, 503, "no source is known yet");
    else if (known->count > 1)
        gw_fail(x, 400, "source: required, because there are several");
    else
        *source = kn_arena_str(&x->arena, kn_str_from(known->names[0]));
}

bool gw_find_source(struct gw_exchange *x, struct kn_str *source)
{
    struct gw_sources known;
    if (!gw_live_sources(x->app->live, &known) || !is_settled(&known, *source)) {
        const struct kn_msg_system_get get = {0};
        struct kn_bus_message *answer = gw_ask(x, KN_KIND_SYSTEM_GET, &get, KN_KIND_SYSTEM);
        if (!answer)
            return false;
        gw_sources_of(answer->msg, &known);
        kn_bus_message_free(answer);
    }
    choose(x, &known, source);
    return !x->problem.status;
}

struct kn_bus_message *gw_ask_control(struct gw_exchange *x, struct kn_str source,
                                      enum kn_kind kind, const void *msg, enum kn_kind want,
                                      int64_t patience)
{
    char who[128];
    struct kn_bus_client *control;
    snprintf(who, sizeof who, "control of %.*s", KN_STR_ARG(source));
    enum kn_status status = gw_controls_get(x->app->controls, source, &control);
    if (status != KN_OK) {
        fail_from(x, who, status, NULL);
        return NULL;
    }
    return ask(x, who, control, kind, msg, want, x->app->query_timeout + patience);
}

struct kn_bus_message *gw_try_control(struct gw_exchange *x, struct kn_str source,
                                      enum kn_kind kind, const void *msg, enum kn_kind want,
                                      int64_t patience)
{
    struct kn_bus_client *control;
    if (gw_controls_get(x->app->controls, source, &control) != KN_OK)
        return NULL;
    return kn_bus_request_kind(control, kind, msg, patience, want);
}

struct kn_str gw_new_uuid(struct gw_exchange *x)
{
    char hex[33], text[37];
    kn_random_hex(hex, sizeof hex);
    hex[12] = '4'; /* RFC 9562: version 4, variant 10 */
    hex[16] = "89ab"[(hex[16] <= '9' ? hex[16] - '0' : hex[16] - 'a' + 10) & 3];
    snprintf(text, sizeof text, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16,
             hex + 20);
    struct kn_str copy = kn_arena_str(&x->arena, kn_str_from(text));
    if (!copy.ptr)
        gw_fail(x, 503, "out of memory");
    return copy;
}

struct kn_msg_action *gw_new_action(struct gw_exchange *x, bool dry_run)
{
    struct kn_str id = gw_new_uuid(x);
    struct kn_msg_action *action = id.ptr ? kn_arena_alloc(&x->arena, sizeof *action) : NULL;
    if (!action) {
        gw_fail(x, 503, "out of memory");
        return NULL;
    }
    *action = (struct kn_msg_action){.id = id,
                                     .actor = kn_utf8_head(x->user, 256),
                                     .remote = kn_str_from(x->remote),
                                     .agent = kn_utf8_head(x->agent, 256),
                                     .at = kn_time_now()};
    x->changes = !dry_run;
    return action;
}
