#include "services/control/find/backends_impl.h"

#include "services/common/count.h"

#include <stdio.h>

/* ---- what keeps one from being asked --------------------------------------------------------- */

static const struct {
    enum control_backend_kind kind;
    struct kn_str code;
    const char *text; /* before the address */
    struct kn_str remedy;
    struct kn_str why; /* a result cannot be shown */
} lacks[] = {
    {CONTROL_BACKEND_MASKED,
     {"result_backend_password", 23},
     "Workers don't report the password of their result backend, so tasks whose final event was "
     "lost stay unfinished",
     KN_STR("Set result_backend (or result_backend_file) for this broker to the URL with its "
            "password."),
     KN_STR("workers don't report the password of their result backend: set result_backend for "
            "this broker")},
    {CONTROL_BACKEND_PREFIXED,
     {"result_backend_prefix", 21},
     "The keys of the result backend have a prefix that workers don't report, so tasks whose final "
     "event was lost stay unfinished",
     KN_STR(
         "Set result_key_prefix for this broker to the text before celery-task-meta- in the keys."),
     KN_STR("the keys of the result backend have a prefix (global_keyprefix) that workers don't "
            "report: set result_key_prefix for this broker")},
    {CONTROL_BACKEND_UNSUPPORTED,
     {"result_backend_unsupported", 26},
     "Kanchi reads results from Redis only, so tasks whose final event was lost stay unfinished",
     KN_STR("No action is needed. With results in Redis, Kanchi could show the outcome of these "
            "tasks."),
     KN_STR("Kanchi reads results from Redis only")},
    {CONTROL_BACKEND_WRONG,
     {"result_backend_url", 18},
     "The result backend that workers report can't be used",
     KN_STR("Set result_backend for this broker to its full URL, redis://HOST:PORT/DATABASE."),
     KN_STR("the result backend that workers report can't be used: set result_backend for this "
            "broker")},
};

/* The first reason; none: workers name no result backend. */
struct kn_str control_backends_why_not(const struct control_backends *b)
{
    for (size_t i = 0; i < b->count; i++)
        for (size_t k = 0; k < KN_COUNT_OF(lacks); k++)
            if (lacks[k].kind == b->items[i]->place.kind)
                return lacks[k].why;
    return KN_STR("no result backend that Kanchi can read");
}

/* ---- findings -------------------------------------------------------------------------- */

static void describe(const struct trouble *trouble, struct kn_msg_finding *ret,
                     const char **ret_text)
{
    for (size_t i = 0; i < KN_COUNT_OF(lacks); i++) {
        if (lacks[i].kind != trouble->kind)
            continue;
        ret->code = lacks[i].code;
        ret->remedy = lacks[i].remedy;
        ret->severity =
            trouble->kind == CONTROL_BACKEND_UNSUPPORTED ? KN_SEVERITY_INFO : KN_SEVERITY_WARNING;
        *ret_text = lacks[i].text;
    }
    if (*trouble->error) {
        ret->code = KN_STR("result_backend_unreachable");
        ret->severity = KN_SEVERITY_WARNING;
        ret->remedy = KN_STR("Check that Kanchi can reach this address, or set result_backend "
                             "for this broker.");
        *ret_text = "The result backend can't be read";
    } else if (trouble->unreadable) {
        ret->code = KN_STR("result_serializer");
        ret->severity = KN_SEVERITY_INFO;
        ret->remedy = KN_STR("Set result_serializer = \"json\", Celery's default.");
        *ret_text = "The result backend has results that are neither JSON nor msgpack; Kanchi "
                    "reads only these";
    } else if (trouble->kind == CONTROL_BACKEND_REDIS && (trouble->empty || trouble->withheld)) {
        ret->code = KN_STR("result_backend_empty");
        ret->severity = trouble->withheld ? KN_SEVERITY_WARNING : KN_SEVERITY_INFO;
        ret->remedy = KN_STR("Set result_backend for this broker to the full URL with its "
                             "database: workers don't report the part after the question mark. Set "
                             "result_key_prefix to the text before celery-task-meta- in its keys. "
                             "If all tasks ignore their results, no action is needed.");
        *ret_text = "Nothing was ever found in the result backend, so tasks whose final event was "
                    "lost stay unfinished";
    }
}

static void write_finding(const struct trouble *trouble, struct kn_arena *arena,
                          struct kn_msg_finding *ret)
{
    struct kn_buf out;
    const char *text = "";
    describe(trouble, ret, &text);
    kn_buf_init(&out, 0);
    kn_buf_printf(&out, "%s: %s", text, trouble->shown);
    if (*trouble->error)
        kn_buf_printf(&out, " (%s)", trouble->error);
    kn_buf_char(&out, '.');
    ret->text = kn_arena_str(arena, kn_buf_view(&out));
    ret->subject = kn_arena_str(arena, kn_str_from(trouble->shown));
    kn_buf_fini(&out);
}

void control_backends_findings(struct control_backends *b, struct kn_str source,
                               struct kn_arena *arena, struct kn_msg_service_status *status)
{
    size_t before = status->findings.count;
    struct kn_msg_finding *list =
        kn_arena_array(arena, before + CONTROL_BACKENDS_MAX, sizeof *list);
    if (!list)
        return;
    if (before)
        memcpy(list, status->findings.items, before * sizeof *list);
    status->findings.items = list;
    pthread_mutex_lock(&b->lock);
    for (size_t i = 0; i < b->n_troubles; i++) {
        const struct trouble *trouble = &b->troubles[i];
        bool fine = trouble->kind == CONTROL_BACKEND_NONE ||
                    (trouble->kind == CONTROL_BACKEND_REDIS && !*trouble->error &&
                     !trouble->unreadable && !trouble->empty && !trouble->withheld);
        if (fine)
            continue;
        struct kn_msg_finding *finding = &list[status->findings.count++];
        finding->source = kn_arena_str(arena, source);
        write_finding(trouble, arena, finding);
    }
    pthread_mutex_unlock(&b->lock);
}
