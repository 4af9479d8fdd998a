/* Remote control of workers. */
#include "services/control/actions.h"

#include "services/common/time.h"

#include <fnmatch.h>
#include <stdio.h>

static const int64_t RECEIVE_US = KN_SECOND / 5; /* so that a stop is seen */
enum { PATTERN_MAX = 256, TICKET_MAX = 64 };

/* ---- whom it is for -------------------------------------------------------------------- */

static bool fits(struct kn_str pattern, struct kn_str hostname)
{
    char glob[PATTERN_MAX], name[1024];
    if (!pattern.ptr)
        return true;
    if (hostname.len >= sizeof name)
        return false;
    snprintf(glob, sizeof glob, "%.*s", KN_STR_ARG(pattern));
    snprintf(name, sizeof name, "%.*s", KN_STR_ARG(hostname));
    return fnmatch(glob, name, 0) == 0;
}

/* Those that are named, else the ones online that fit the pattern. */
static enum kn_status find_asked(struct control_call *call, const struct kn_msg_command *command,
                                 struct kn_strs *ret)
{
    if (command->pattern.len >= PATTERN_MAX)
        return control_call_refuse(call, KN_INVALID, "pattern: at most %d bytes", PATTERN_MAX - 1);
    if (command->destinations.count) {
        *ret = command->destinations;
        return KN_OK;
    }
    struct kn_str source = kn_str_from(call->options->source), online = KN_STR("online");
    const struct kn_msg_workers_get get = {.sources = {&source, 1}, .statuses = {&online, 1}};
    const void *answer;
    enum kn_status status =
        control_call_ask(call, KN_KIND_WORKERS_GET, &get, KN_KIND_WORKER_LIST, &answer);
    if (status != KN_OK)
        return status;
    const struct kn_msg_worker_list *list = answer;
    struct kn_strs found = {kn_arena_array(call->arena, list->items.count + 1, sizeof *found.items),
                            0};
    if (!found.items)
        return KN_NOMEM;
    for (size_t i = 0; i < list->items.count; i++)
        if (fits(command->pattern, list->items.items[i].hostname))
            found.items[found.count++] = list->items.items[i].hostname;
    *ret = found;
    return KN_OK;
}

/* ---- asking ---------------------------------------------------------------------------- */

static enum kn_status ask(struct control_call *call, const struct kn_msg_command *command,
                          const struct kn_strs *asked, struct kn_str ticket, int64_t timeout_us,
                          int64_t *ret_receivers)
{
    struct kn_str method = kn_arena_str(call->arena, command->method);
    struct kn_str arguments =
        kn_arena_str(call->arena, command->arguments.len ? command->arguments : KN_STR("{}"));
    if (!method.ptr || !arguments.ptr)
        return KN_NOMEM;
    bool all = !command->destinations.count && !command->pattern.ptr;
    const struct control_question_text question = {
        .method = method.ptr,
        .arguments = arguments.ptr,
        .ticket = ticket,
        .hostnames = asked->items,
        .count = all ? 0 : asked->count,
        .expires_at = kn_time_now() + timeout_us,
    };
    return control_pidbox_ask(call->hand->pidbox, &question, ret_receivers);
}

static bool has_answered(const struct kn_msg_command_done *done, struct kn_str hostname)
{
    for (size_t i = 0; i < done->replies.count; i++)
        if (kn_str_eq(done->replies.items[i].hostname, hostname))
            return true;
    return false;
}

static size_t count_missing(const struct kn_msg_command_done *done)
{
    size_t n = 0;
    for (size_t i = 0; i < done->asked.count; i++)
        n += !has_answered(done, done->asked.items[i]);
    return n;
}

static enum kn_status add_reply(struct control_call *call, struct kn_msg_command_done *done,
                                size_t *cap, const struct celery_reply *reply)
{
    if (has_answered(done, reply->hostname))
        return KN_OK;
    if (done->replies.count == *cap) {
        size_t bigger = *cap ? *cap * 2 : 16;
        struct kn_msg_worker_reply *items = kn_arena_array(call->arena, bigger, sizeof *items);
        if (!items)
            return KN_NOMEM;
        if (*cap)
            memcpy(items, done->replies.items, *cap * sizeof *items);
        done->replies.items = items;
        *cap = bigger;
    }
    struct kn_msg_worker_reply copy = {
        .hostname = kn_arena_str(call->arena, reply->hostname),
        .failed = reply->failed,
        .value = kn_arena_str(call->arena, reply->value),
    };
    if (!copy.hostname.ptr || !copy.value.ptr)
        return KN_NOMEM;
    done->replies.items[done->replies.count++] = copy;
    return KN_OK;
}

/* Until all who were asked have answered (with nobody known: as many as got it), or the
 * time is over. Replies that can't be read, or are to other questions, are passed over. */
static enum kn_status gather(struct control_call *call, struct kn_str ticket, int64_t timeout_us,
                             int64_t receivers, struct kn_msg_command_done *done)
{
    struct kn_arena arena;
    kn_arena_init(&arena, call->options->memory_max);
    size_t cap = 0;
    int64_t deadline = kn_time_mono() + timeout_us;
    enum kn_status status = KN_OK;
    for (int64_t now; status == KN_OK && (now = kn_time_mono()) < deadline;) {
        bool complete = done->asked.count
                            ? !count_missing(done)
                            : receivers >= 0 && (int64_t)done->replies.count >= receivers;
        if (complete || atomic_load(call->stopping))
            break;
        struct celery_reply reply;
        int64_t left = deadline - now;
        kn_arena_reset(&arena);
        status = control_pidbox_reply(call->hand->pidbox, left < RECEIVE_US ? left : RECEIVE_US,
                                      &arena, &reply);
        if (status == KN_OK && kn_str_eq(reply.ticket, ticket))
            status = add_reply(call, done, &cap, &reply);
        else if (!control_pidbox_lost(status))
            status = KN_OK;
    }
    kn_arena_fini(&arena);
    return status;
}

static enum kn_status name_missing(struct control_call *call, struct kn_msg_command_done *done)
{
    done->missing.items =
        kn_arena_array(call->arena, count_missing(done) + 1, sizeof(struct kn_str));
    if (!done->missing.items)
        return KN_NOMEM;
    for (size_t i = 0; i < done->asked.count; i++)
        if (!has_answered(done, done->asked.items[i]))
            done->missing.items[done->missing.count++] = done->asked.items[i];
    return KN_OK;
}

enum kn_status control_command(struct control_call *call, const struct kn_msg_command *command,
                               struct kn_msg_command_done *ret)
{
    struct kn_msg_command_done done = {0};
    int64_t timeout = command->timeout > 0 ? command->timeout : call->options->reply_timeout_us;
    int64_t receivers = -1;
    char text[TICKET_MAX];
    snprintf(text, sizeof text, "action.%llu", (unsigned long long)++call->hand->tickets);
    struct kn_str ticket = kn_str_from(text);
    enum kn_status status = find_asked(call, command, &done.asked);
    if (status != KN_OK || command->dry_run || (command->pattern.ptr && !done.asked.count)) {
        *ret = done;
        return status;
    }
    status = control_pidbox_open(call->hand->pidbox);
    if (status == KN_OK)
        status = ask(call, command, &done.asked, ticket, timeout, &receivers);
    if (status == KN_OK)
        status = gather(call, ticket, timeout, receivers, &done);
    const char *error = control_pidbox_error(call->hand->pidbox);
    if (status != KN_OK)
        control_call_fail(call, status, "broker: %s", *error ? error : kn_status_text(status));
    control_pidbox_close(call->hand->pidbox);
    if (status == KN_OK)
        status = name_missing(call, &done);
    if (status == KN_OK)
        *ret = done;
    return status;
}

/* ---- the request ----------------------------------------------------------------------- */

static enum kn_outcome outcome_of(const struct kn_msg_command_done *done)
{
    size_t failed = 0;
    for (size_t i = 0; i < done->replies.count; i++)
        failed += done->replies.items[i].failed;
    if (done->replies.count && !failed && !done->missing.count)
        return KN_OUTCOME_DONE;
    return done->replies.count > failed ? KN_OUTCOME_PARTLY : KN_OUTCOME_FAILED;
}

enum kn_status control_do_command(struct control_call *call)
{
    struct kn_msg_command_done *done = kn_arena_alloc(call->arena, sizeof *done);
    if (!done)
        return KN_NOMEM;
    enum kn_status status = control_command(call, call->msg, done);
    if (status != KN_OK)
        return status;
    if (call->action) {
        call->outcome = outcome_of(done);
        done->action_id = call->action->id;
    }
    call->answer_kind = KN_KIND_COMMAND_DONE;
    call->answer = done;
    return KN_OK;
}
