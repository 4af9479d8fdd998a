/* What the retries of a bulk job would come to: each is tried without sending anything. */
#include "services/control/act/handlers.h"

#include "services/common/text/json.h"
#include "services/common/text/time.h"

#include <jansson.h>

static const int64_t CHECK_US = 5 * KN_SECOND; /* a dry run is waited for */
enum { REASONS_MAX = 20, ROUND = 50 };

struct checking {
    struct control_call *call;
    struct kn_msg_job_checked *checked;
    struct kn_str queue; /* of the options; absent: each its own */
};

/* The same for all tasks that are refused alike: what follows is of one task. */
static struct kn_str reason_of(struct kn_str text)
{
    static const char *const ends[] = {": ", "; ", ". "};
    size_t len = text.len;
    for (size_t i = 0; i < 3; i++) {
        const char *at = memmem(text.ptr, len, ends[i], 2);
        len = at ? (size_t)(at - text.ptr) : len;
    }
    return (struct kn_str){text.ptr, len};
}

static enum kn_status count_reason(struct checking *checking, struct kn_str text)
{
    struct kn_msg_job_checked *checked = checking->checked;
    struct kn_str reason = reason_of(text);
    size_t i = 0;
    while (i < checked->reasons.count && !kn_str_eq(checked->reasons.items[i].name, reason))
        i++;
    if (i == REASONS_MAX)
        checked->reasons.items[--i].name = KN_STR("other reasons");
    if (i == checked->reasons.count)
        checked->reasons.items[checked->reasons.count++].name =
            kn_arena_str(checking->call->arena, reason);
    checked->reasons.items[i].count++;
    return checking->call->arena->overflow ? KN_NOMEM : KN_OK;
}

/* True in *ret_judged if it is known whether the task would be sent. */
static enum kn_status check(struct checking *checking, struct kn_str id,
                            struct control_portion *portion, struct kn_arena *arena,
                            bool *ret_judged)
{
    const struct kn_msg_task_send send = {.source = kn_str_from(checking->call->options->source),
                                          .new_id = KN_STR("dry-run"),
                                          .task_id = id,
                                          .queue = checking->queue,
                                          .dry_run = true};
    struct control_call call = *checking->call;
    call.msg = &send;
    call.arena = arena;
    call.portion = portion;
    enum kn_status status = control_do_send(&call);
    *ret_judged = status == KN_OK || call.outcome == KN_OUTCOME_REFUSED;
    if (status == KN_OK || !*ret_judged)
        return KN_OK;
    return count_reason(checking, call.text.ptr ? call.text : kn_str_from(kn_status_text(status)));
}

/* As many of the rest as fit into one arena. */
static enum kn_status check_round(struct checking *checking, int64_t until, bool *ret_go_on)
{
    const struct kn_msg_job_check *msg = checking->call->msg;
    struct kn_msg_job_checked *checked = checking->checked;
    struct control_portion portion = {0};
    struct kn_arena arena;
    enum kn_status status = KN_OK;
    bool judged = true;
    kn_arena_init(&arena, 64 << 20);
    for (size_t n = 0; status == KN_OK && judged && n < ROUND; n++) {
        if (checked->checked == msg->ids.count || kn_time_mono() > until ||
            atomic_load(checking->call->stopping)) {
            judged = false;
            break;
        }
        status = check(checking, msg->ids.items[checked->checked], &portion, &arena, &judged);
        if (status == KN_OK && judged)
            checked->checked++;
    }
    kn_arena_fini(&arena);
    *ret_go_on = judged;
    return status;
}

enum kn_status control_do_check(struct control_call *call)
{
    const struct kn_msg_job_check *msg = call->msg;
    struct kn_msg_job_checked *checked = kn_arena_alloc(call->arena, sizeof *checked);
    struct checking checking = {.call = call, .checked = checked};
    int64_t until = kn_time_mono() + CHECK_US;
    if (!checked)
        return KN_NOMEM;
    checked->reasons.items =
        kn_arena_array(call->arena, REASONS_MAX, sizeof(struct kn_msg_job_count));
    if (!checked->reasons.items)
        return KN_NOMEM;
    json_t *options = msg->options.len ? kn_json_load(msg->options, 0) : NULL;
    const json_t *queue = json_object_get(options, "queue");
    if (json_is_string(queue))
        checking.queue = (struct kn_str){json_string_value(queue), json_string_length(queue)};
    enum kn_status status = KN_OK;
    for (bool go_on = true; status == KN_OK && go_on;)
        status = check_round(&checking, until, &go_on);
    json_decref(options);
    call->answer_kind = KN_KIND_JOB_CHECKED;
    call->answer = checked;
    return status;
}
