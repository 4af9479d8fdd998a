#include "gateway/fake_storage.h"

#include <stdlib.h>
#include <string.h>

/* To workers "huge12" the reply has 12 MB. */
static struct kn_str reply_of(struct kn_arena *arena, struct kn_str pattern)
{
    const struct kn_str huge = KN_STR("huge");
    uint64_t mb;
    if (!pattern.ptr || !kn_str_starts(pattern, huge) ||
        !kn_str_to_u64((struct kn_str){pattern.ptr + huge.len, pattern.len - huge.len}, &mb))
        return KN_STR("{\"ok\":\"pong\"}");
    size_t len = (size_t)mb << 20;
    char *text = kn_arena_alloc(arena, len);
    memset(text, '1', len);
    return (struct kn_str){text, len};
}

/* To workers "status13" the answer is this status, without a text; to "odd" another kind. */
static enum kn_status answer_command(struct kn_arena *arena, const struct kn_msg_command *command,
                                     struct kn_bus_reply *reply)
{
    const struct kn_str failing = KN_STR("status"), pattern = command->pattern;
    const struct kn_msg_done other = {0};
    uint64_t status;
    if (pattern.ptr && kn_str_starts(pattern, failing) &&
        kn_str_to_u64((struct kn_str){pattern.ptr + failing.len, pattern.len - failing.len},
                      &status))
        return (enum kn_status)status;
    if (kn_str_eq(pattern, KN_STR("odd"))) {
        kn_bus_reply_set(reply, KN_KIND_DONE, &other);
        return KN_OK;
    }
    struct kn_str workers[] = {KN_STR("celery@one"), KN_STR("celery@two")};
    struct kn_msg_worker_reply replies[] = {
        {.hostname = workers[0], .value = reply_of(arena, command->pattern)}};
    const struct kn_msg_command_done done = {.replies = {replies, command->dry_run ? 0 : 1},
                                             .missing = {&workers[1], command->dry_run ? 0 : 1},
                                             .asked = {workers, 2},
                                             .action_id = command->action ? command->action->id
                                                                          : KN_STR_ABSENT};
    kn_bus_reply_set(reply, KN_KIND_COMMAND_DONE, &done);
    return KN_OK;
}

static void answer_doctor(struct kn_bus_reply *reply)
{
    struct kn_str worker = KN_STR("celery@one");
    struct kn_msg_finding finding = {.code = KN_STR("no_result_extended"),
                                     .subject = worker,
                                     .text = KN_STR("result_extended is off: celery@one"),
                                     .remedy = KN_STR("Set result_extended = True.")};
    const struct kn_msg_doctor_report report = {.source = KN_STR("default"),
                                                .reachable = true,
                                                .workers = {&worker, 1},
                                                .findings = {&finding, 1}};
    kn_bus_reply_set(reply, KN_KIND_DOCTOR_REPORT, &report);
}

static void answer_waiting(const struct kn_msg_waiting_get *get, struct kn_bus_reply *reply)
{
    struct kn_msg_waiting items[] = {{.id = KN_STR("task-1"),
                                      .name = KN_STR("shop.mail.send"),
                                      .args = KN_STR("[42]"),
                                      .priority = KN_SOME_I64(3),
                                      .eta = AT,
                                      .size = 800},
                                     {.size = 5, .unreadable = KN_STR("no JSON")}};
    const struct kn_msg_waiting_list list = {.items = {items, get->limit < 2 ? get->limit : 2},
                                             .total = 17,
                                             .next = KN_STR("2.0123456789abcdef")};
    kn_bus_reply_set(reply, KN_KIND_WAITING_LIST, &list);
}

static void answer_queue_action(struct kn_bus_reply *reply)
{
    struct kn_str worker = KN_STR("celery@one");
    const struct kn_msg_queue_changed changed = {.action_id = KN_STR("a-1"),
                                                 .waiting = 17,
                                                 .affected = 17,
                                                 .complete = true,
                                                 .confirmed = {&worker, 1}};
    kn_bus_reply_set(reply, KN_KIND_QUEUE_CHANGED, &changed);
}

static void answer_send(const struct kn_msg_task_send *send, struct kn_bus_reply *reply)
{
    static struct kn_str warnings[] = {{"no online worker consumes this queue", 36}};
    const struct kn_msg_task_sent sent = {
        .id = send->new_id,
        .arguments_from = send->task_id.ptr ? KN_STR("message") : KN_STR("request"),
        .queue = send->queue.ptr ? send->queue : KN_STR("payments"),
        .warnings = {warnings, 1},
        .message = send->dry_run ? KN_STR("{\"headers\":{}}") : KN_STR_ABSENT,
        .action_id = send->action ? send->action->id : KN_STR_ABSENT};
    kn_bus_reply_set(reply, KN_KIND_TASK_SENT, &sent);
}

static void answer_revoke(const struct kn_msg_task_revoke *revoke, struct kn_bus_reply *reply)
{
    static struct kn_str missing[] = {{"celery@two", 10}};
    struct kn_msg_command_done done = {.missing = {missing, 1}, .asked = {missing, 1}};
    const struct kn_msg_task_revoked revoked = {
        .done = &done,
        .removed = KN_SOME_I64(1),
        .removal = KN_STR("its message was removed from the queue"),
        .action_id = revoke->action ? revoke->action->id : KN_STR_ABSENT};
    kn_bus_reply_set(reply, KN_KIND_TASK_REVOKED, &revoked);
}

static void answer_result(const struct kn_msg_task_result_get *get, struct kn_bus_reply *reply)
{
    const struct kn_msg_task_result result = {.id = get->task_id,
                                              .state = KN_STR("SUCCESS"),
                                              .result = KN_STR("{\"total\":19.9}"),
                                              .completed_at = AT,
                                              .bytes = 120};
    kn_bus_reply_set(reply, KN_KIND_TASK_RESULT, &result);
}

enum kn_status fake_control(struct kn_arena *arena, const struct kn_bus_message *request,
                            struct kn_bus_reply *reply)
{
    switch (request->kind) {
    case KN_KIND_COMMAND:
        return answer_command(arena, request->msg, reply);
    case KN_KIND_DOCTOR_GET:
        answer_doctor(reply);
        return KN_OK;
    case KN_KIND_WAITING_GET:
        answer_waiting(request->msg, reply);
        return KN_OK;
    case KN_KIND_QUEUE_PURGE:
    case KN_KIND_QUEUE_MOVE:
    case KN_KIND_QUEUE_PAUSE:
        answer_queue_action(reply);
        return KN_OK;
    case KN_KIND_TASK_SEND:
        answer_send(request->msg, reply);
        return KN_OK;
    case KN_KIND_TASK_REVOKE:
        answer_revoke(request->msg, reply);
        return KN_OK;
    case KN_KIND_TASK_RESULT_GET:
        answer_result(request->msg, reply);
        return KN_OK;
    default:
        return KN_UNSUPPORTED;
    }
}
