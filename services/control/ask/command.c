#include "services/control/ask/command.h"

#include "services/celery/remote/methods.h"
#include "services/common/count.h"
#include "services/common/text/time.h"
#include "services/control/ask/conf.h"
#include "services/control/ask/pidbox.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>

static const int64_t RECEIVE_US = KN_SECOND / 5; /* so that a stop is seen */
/* Extra time for unknown workers: RabbitMQ does not report how many workers got a command. */
static const int64_t GRACE_US = KN_SECOND / 4;
enum { PATTERN_MAX = 256, NAME_MAX_BYTES = 512, TICKET_MAX = 64 };

struct gathering {
    struct control_call *call;
    struct kn_msg_command_done *done;
    struct kn_str method, ticket;
    bool *answered; /* by those who were asked, in their order */
    size_t waiting; /* of those, who have not answered */
    bool everybody;
    int64_t receivers; /* -1: unknown */
    int64_t silent_at; /* all who are known have answered; 0: not yet */
    size_t room;       /* of the list of replies */
    size_t bytes;
    size_t unread, left_out;
    size_t unread_own; /* of these, to this question */
    bool lost;
};

/* ---- whom it is for -------------------------------------------------------------------- */

static bool fits(struct kn_str pattern, struct kn_str hostname)
{
    char glob[PATTERN_MAX], name[NAME_MAX_BYTES + 1];
    if (!pattern.ptr)
        return true;
    if (hostname.len > NAME_MAX_BYTES)
        return false;
    snprintf(glob, sizeof glob, "%.*s", KN_STR_ARG(pattern));
    snprintf(name, sizeof name, "%.*s", KN_STR_ARG(hostname));
    return fnmatch(glob, name, 0) == 0;
}

static int by_name(const void *a, const void *b)
{
    return kn_str_cmp(*(const struct kn_str *)a, *(const struct kn_str *)b);
}

/* Sorted, each once. */
static enum kn_status find_named(struct control_call *call, const struct kn_strs *named,
                                 struct kn_strs *ret)
{
    struct kn_strs found = {kn_arena_array(call->arena, named->count, sizeof *found.items), 0};
    if (!found.items)
        return KN_NOMEM;
    memcpy(found.items, named->items, named->count * sizeof *found.items);
    qsort(found.items, named->count, sizeof *found.items, by_name);
    for (size_t i = 0; i < named->count; i++) {
        struct kn_str name = found.items[i];
        if (name.len == 0 || name.len > NAME_MAX_BYTES || !kn_utf8_valid(name))
            return control_call_refuse(call, KN_INVALID,
                                       "workers: a hostname must have 1 to %d bytes of UTF-8",
                                       NAME_MAX_BYTES);
        if (found.count == 0 || !kn_str_eq(found.items[found.count - 1], name))
            found.items[found.count++] = name;
    }
    *ret = found;
    return KN_OK;
}

static enum kn_status find_online(struct control_call *call, struct kn_str pattern,
                                  struct kn_strs *ret)
{
    struct kn_str source = kn_str_from(call->options->source), online = KN_STR("online");
    const struct kn_msg_workers_get get = {.sources = {&source, 1}, .statuses = {&online, 1}};
    const void *answer;
    enum kn_status status =
        control_call_ask(call, KN_KIND_WORKERS_GET, &get, KN_KIND_WORKER_LIST, &answer);
    if (status != KN_OK) {
        call->outcome = KN_OUTCOME_REFUSED;
        return status;
    }
    const struct kn_msg_worker_list *list = answer;
    struct kn_strs found = {kn_arena_array(call->arena, list->items.count + 1, sizeof *found.items),
                            0};
    if (!found.items)
        return KN_NOMEM;
    for (size_t i = 0; i < list->items.count; i++)
        if (fits(pattern, list->items.items[i].hostname))
            found.items[found.count++] = list->items.items[i].hostname;
    qsort(found.items, found.count, sizeof *found.items, by_name);
    *ret = found;
    return KN_OK;
}

enum kn_status control_command_asked(struct control_call *call,
                                     const struct kn_msg_command *command, struct kn_strs *ret)
{
    if (command->pattern.ptr && command->destinations.count)
        return control_call_refuse(call, KN_INVALID, "workers and pattern can't be combined");
    if (command->destinations.count)
        return find_named(call, &command->destinations, ret);
    if (command->pattern.ptr && (!command->pattern.len || command->pattern.len >= PATTERN_MAX))
        return control_call_refuse(call, KN_INVALID, "pattern: must have 1 to %d bytes",
                                   PATTERN_MAX - 1);
    enum kn_status status = find_online(call, command->pattern, ret);
    if (status == KN_OK && command->pattern.ptr && !ret->count)
        return control_call_refuse(call, KN_NOT_FOUND, "no online worker matches \"%.*s\"",
                                   KN_STR_ARG(kn_utf8_head(command->pattern, 64)));
    return status;
}

/* ---- replies --------------------------------------------------------------------------- */

/* The answers that speak of the worker's configuration may have secrets in them. */
static struct kn_str shown(const struct gathering *g, struct kn_str value)
{
    static const char *const masked[] = {"conf", "stats", "report"};
    for (size_t i = 0; i < KN_COUNT_OF(masked); i++)
        if (kn_str_eq(g->method, kn_str_from(masked[i])))
            return control_masked(value, g->call->arena);
    return kn_arena_str(g->call->arena, value);
}

static bool make_room(struct gathering *g)
{
    if (g->done->replies.count < g->room)
        return true;
    size_t bigger = g->room ? g->room * 2 : 16;
    struct kn_msg_worker_reply *items = kn_arena_array(g->call->arena, bigger, sizeof *items);
    if (!items)
        return false;
    if (g->room)
        memcpy(items, g->done->replies.items, g->room * sizeof *items);
    g->done->replies.items = items;
    g->room = bigger;
    return true;
}

static void take_reply(struct gathering *g, const struct celery_reply *reply)
{
    g->bytes += reply->hostname.len + reply->value.len;
    if (reply->hostname.len == 0 || reply->hostname.len > NAME_MAX_BYTES ||
        !kn_utf8_valid(reply->hostname)) {
        g->unread++;
        g->unread_own++;
        return;
    }
    struct kn_msg_worker_reply copy = {.hostname = reply->hostname, .failed = reply->failed};
    if (g->bytes <= g->call->options->memory_max && make_room(g)) {
        copy.hostname = kn_arena_str(g->call->arena, reply->hostname);
        copy.value = shown(g, reply->value);
    }
    if (!copy.value.ptr || !copy.hostname.ptr) {
        g->left_out++;
        return;
    }
    g->done->replies.items[g->done->replies.count++] = copy;
    for (size_t i = 0; i < g->done->asked.count; i++) {
        if (g->answered[i] || !kn_str_eq(g->done->asked.items[i], reply->hostname))
            continue;
        g->answered[i] = true;
        g->waiting--;
        return;
    }
}

/* Until when to wait for more, at most. */
static int64_t next_deadline(struct gathering *g, int64_t deadline)
{
    size_t all = g->done->replies.count + g->unread_own + g->left_out;
    if (g->receivers >= 0 && all >= (size_t)g->receivers)
        return 0; /* nobody else has got it */
    if (g->waiting > 0 || (g->everybody && g->receivers >= 0))
        return deadline;
    if (!g->everybody)
        return 0;
    if (g->done->asked.count == 0)
        return deadline;
    if (!g->silent_at)
        g->silent_at = kn_time_mono();
    return g->silent_at + GRACE_US < deadline ? g->silent_at + GRACE_US : deadline;
}

static void gather(struct gathering *g, int64_t deadline)
{
    struct kn_arena arena;
    kn_arena_init(&arena, g->call->options->memory_max);
    while (!atomic_load(g->call->stopping)) {
        struct celery_reply reply = {0};
        int64_t left = next_deadline(g, deadline) - kn_time_mono();
        if (left <= 0)
            break;
        kn_arena_reset(&arena);
        enum kn_status status = control_pidbox_reply(
            g->call->hand->pidbox, left < RECEIVE_US ? left : RECEIVE_US, &arena, &reply);
        g->lost = control_pidbox_lost(status);
        if (g->lost)
            break;
        bool is_own = kn_str_eq(reply.ticket, g->ticket);
        if (status == KN_OK && is_own) {
            take_reply(g, &reply);
        } else if (status != KN_TIMEOUT) {
            g->unread++;
            g->unread_own += is_own;
        }
    }
    kn_arena_fini(&arena);
}

/* ---- the end --------------------------------------------------------------------------- */

static int by_hostname(const void *a, const void *b)
{
    const struct kn_msg_worker_reply *x = a, *y = b;
    return kn_str_cmp(x->hostname, y->hostname);
}

static struct kn_str note(const struct gathering *g)
{
    struct kn_buf out;
    kn_buf_init(&out, 0);
    if (g->lost)
        kn_buf_text(&out,
                    "The connection to the broker was lost while Kanchi waited for replies. ");
    if (g->unread)
        kn_buf_printf(&out,
                      "%zu %s could not be read: workers reply in their task_serializer, and "
                      "Kanchi reads json and msgpack. ",
                      g->unread, g->unread == 1 ? "reply" : "replies");
    if (g->left_out)
        kn_buf_printf(&out, "%zu %s omitted: together they exceeded control.memory_max. ",
                      g->left_out, g->left_out == 1 ? "reply was" : "replies were");
    if (out.len)
        out.len--;
    struct kn_str ret = out.len ? kn_arena_str(g->call->arena, kn_buf_view(&out)) : KN_STR_ABSENT;
    kn_buf_fini(&out);
    return ret;
}

static enum kn_status finish(struct gathering *g)
{
    struct kn_msg_command_done *done = g->done;
    done->missing.items = kn_arena_array(g->call->arena, g->waiting + 1, sizeof(struct kn_str));
    if (!done->missing.items)
        return KN_NOMEM;
    for (size_t i = 0; i < done->asked.count; i++)
        if (!g->answered[i])
            done->missing.items[done->missing.count++] = done->asked.items[i];
    if (done->replies.count)
        qsort(done->replies.items, done->replies.count, sizeof *done->replies.items, by_hostname);
    done->note = note(g);
    return KN_OK;
}

static enum kn_status send(struct gathering *g, const struct kn_msg_command *command, bool mute,
                           int64_t timeout_us)
{
    struct control_call *call = g->call;
    struct kn_str method = kn_arena_str(call->arena, command->method);
    struct kn_str arguments =
        kn_arena_str(call->arena, command->arguments.len ? command->arguments : KN_STR("{}"));
    if (!method.ptr || !arguments.ptr)
        return KN_NOMEM;
    const struct control_question_text question = {
        .method = method.ptr,
        .arguments = arguments.ptr,
        .ticket = mute ? KN_STR_ABSENT : g->ticket,
        .hostnames = g->done->asked.items,
        .count = g->everybody ? 0 : g->done->asked.count,
        .expires_at = kn_time_now() + timeout_us,
        .once = true,
    };
    return control_pidbox_ask(call->hand->pidbox, &question, &g->receivers);
}

/* A question that may have arrived is only one without an answer. */
static enum kn_status broker_failed(struct control_call *call, enum kn_status status,
                                    bool is_question)
{
    const char *error = control_pidbox_error(call->hand->pidbox);
    if (!*error)
        error = kn_status_text(status);
    if (status != KN_UNCERTAIN && call->began) /* a pause is stored, and has several commands */
        return control_call_fail(call, status, "the command was not sent, broker: %s", error);
    if (status != KN_UNCERTAIN)
        return control_call_refuse(call, status, "nothing was sent, broker: %s", error);
    return control_call_fail(call, is_question ? KN_IO : status,
                             "it is unknown whether the command arrived, broker: %s", error);
}

enum kn_status control_command(struct control_call *call, const struct kn_msg_command *command,
                               struct kn_msg_command_done *ret)
{
    struct kn_msg_command_done done = {0};
    int64_t timeout = command->timeout > 0 ? command->timeout : call->options->reply_timeout_us;
    char text[TICKET_MAX];
    snprintf(text, sizeof text, "action.%llu", (unsigned long long)++call->hand->tickets);
    struct gathering g = {.call = call,
                          .done = &done,
                          .method = command->method,
                          .ticket = kn_str_from(text),
                          .receivers = -1,
                          .everybody = !command->destinations.count && !command->pattern.ptr};
    const struct celery_method *method = celery_method_find(command->method);
    bool mute = method && method->mute, is_question = method && !method->action;
    enum kn_status status = control_command_asked(call, command, &done.asked);
    done.everybody = g.everybody;
    done.arguments = command->arguments;
    if (status != KN_OK || command->dry_run) {
        *ret = done;
        return status;
    }
    g.waiting = done.asked.count;
    g.answered = kn_arena_array(call->arena, g.waiting + 1, sizeof *g.answered);
    if (!g.answered)
        return KN_NOMEM;
    int64_t deadline = kn_time_mono() + timeout;
    status = control_pidbox_open(call->hand->pidbox, timeout);
    if (status != KN_OK)
        return broker_failed(call, status, is_question);
    status = send(&g, command, mute, timeout);
    call->began = call->began || (!is_question && (status == KN_OK || status == KN_UNCERTAIN));
    if (status == KN_OK && !mute)
        gather(&g, deadline);
    if (status != KN_OK)
        status = broker_failed(call, status, is_question);
    control_pidbox_close(call->hand->pidbox);
    if (status == KN_OK)
        status = finish(&g);
    if (status == KN_OK)
        *ret = done;
    return status;
}
