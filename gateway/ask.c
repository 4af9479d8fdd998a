/* Asking storage and control, for the handlers in api_*.c. */
#include "gateway/app.h"

#include "services/common/log.h"
#include "services/common/service.h"
#include "services/common/time.h"

#include <stdio.h>
#include <stdlib.h>

enum { SOURCES_MAX = 256 };

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

static void fail_from(struct gw_exchange *x, const char *who, enum kn_status status,
                      const char *text)
{
    static struct kn_log_limit limit;
    uint64_t skipped;
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
        if (text)
            gw_fail(x, 503, "%s: %s", who, text);
        else
            gw_fail(x, 503, "%s timed out", who);
        x->problem.code = text ? NULL : GW_NO_ANSWER;
        break;
    case KN_UNCERTAIN:
        gw_fail(x, 504, "%s", text ? text : kn_status_text(status));
        x->problem.code = GW_OUTCOME_UNKNOWN;
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
    gw_exchange_fail(x);
    if (kn_log_allow(&limit, &skipped))
        KN_WARN("gateway.request_failed", KN_F_TEXT("of", who),
                KN_F_TEXT("status", kn_status_name(status)), KN_F_TEXT("text", text ? text : ""),
                KN_F_I64("skipped", skipped));
}

int64_t gw_patience(struct gw_app *app)
{
    const int64_t away = 2 * KN_SECOND;
    return gw_live_connected(app->live) || app->query_timeout < away ? app->query_timeout : away;
}

static struct kn_bus_message *ask(struct gw_exchange *x, const char *who,
                                  struct kn_bus_client *client, enum kn_kind kind, const void *msg,
                                  enum kn_kind want, int64_t patience)
{
    struct kn_bus_message *answer = NULL;
    char *error = NULL;
    enum kn_status status = kn_bus_request(client, kind, msg, patience, &answer, &error);
    if (status == KN_OK && answer->kind != want) {
        kn_bus_message_free(answer);
        answer = NULL;
        status = KN_UNSUPPORTED;
    }
    if (status != KN_OK) {
        answer = NULL;
        fail_from(x, who, status, error);
    }
    free(error);
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

struct sources {
    struct kn_str names[SOURCES_MAX];
    size_t count;
};

static void add_source(struct sources *sources, struct kn_str name)
{
    if (!name.len || sources->count == SOURCES_MAX)
        return;
    for (size_t i = 0; i < sources->count; i++)
        if (kn_str_eq(sources->names[i], name))
            return;
    sources->names[sources->count++] = name;
}

static void find_sources(const struct kn_msg_system *system, struct sources *ret)
{
    for (size_t i = 0; i < system->ingestion.count; i++)
        add_source(ret, system->ingestion.items[i].source);
    for (size_t i = 0; i < system->services.count; i++)
        add_source(ret, system->services.items[i].source);
}

static void choose(struct gw_exchange *x, const struct sources *known, struct kn_str *source)
{
    for (size_t i = 0; source->ptr && i < known->count; i++)
        if (kn_str_eq(known->names[i], *source))
            return;
    if (source->ptr)
        gw_fail(x, 404, "source not found");
    else if (known->count == 0)
        gw_fail(x, 503, "no source is known yet");
    else if (known->count > 1)
        gw_fail(x, 400, "source: required, because there are several");
    else
        *source = kn_arena_str(&x->arena, known->names[0]);
}

bool gw_find_source(struct gw_exchange *x, struct kn_str *source)
{
    const struct kn_msg_system_get get = {0};
    struct kn_bus_message *answer = gw_ask(x, KN_KIND_SYSTEM_GET, &get, KN_KIND_SYSTEM);
    if (!answer)
        return false;
    struct sources known = {0};
    find_sources(answer->msg, &known);
    choose(x, &known, source);
    kn_bus_message_free(answer);
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

struct kn_msg_action *gw_new_action(struct gw_exchange *x)
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
    return action;
}
