#include "services/control/origin.h"

#include "proto/codec.h"
#include "services/broker/lists.h"
#include "services/celery/result_parts.h"
#include "services/control/backends.h"

/* ---- what storage knows ----------------------------------------------------------------- */

enum kn_status control_workers(struct control_call *call, bool conf,
                               const struct kn_msg_worker_list **ret)
{
    struct kn_str source = kn_str_from(call->options->source);
    const struct kn_msg_workers_get get = {.sources = {&source, 1}, .conf = conf};
    const void *answer;
    enum kn_status status =
        control_call_ask(call, KN_KIND_WORKERS_GET, &get, KN_KIND_WORKER_LIST, &answer);
    if (status == KN_OK)
        *ret = answer;
    return status;
}

static const struct kn_msg_worker *worker_of(const struct control_origin *o)
{
    for (size_t i = 0; i < o->workers->items.count; i++) {
        if (o->task->worker_id.len &&
            kn_str_eq(o->workers->items.items[i].hostname, o->task->worker_id))
            return &o->workers->items.items[i];
    }
    return NULL;
}

static void learn_worker(struct control_origin *o)
{
    const struct kn_msg_worker *worker = worker_of(o);
    int64_t had_it = o->task->received_at ? o->task->received_at : o->task->started_at;
    o->accepts = CELERY_ACCEPTS_UNKNOWN;
    o->takes_json = true;
    if (!worker)
        return;
    o->accepts = celery_conf_accepts(worker->conf, &o->takes_json);
    o->restarted = had_it && worker->started_at > had_it;
    if (!o->queue.len && worker->queues.count == 1)
        o->queue = worker->queues.items[0];
}

enum kn_status control_origin_begin(struct control_call *call, struct kn_str task_id,
                                    struct control_origin *ret)
{
    const struct kn_msg_task_get get = {.id = task_id,
                                        .source = kn_str_from(call->options->source)};
    const void *answer;
    *ret = (struct control_origin){.takes_json = true};
    kn_buf_init(&ret->why, 16 << 10);
    enum kn_status status = control_call_ask(call, KN_KIND_TASK_GET, &get, KN_KIND_TASK, &answer);
    if (status == KN_OK) {
        ret->task = answer;
        ret->queue = ret->task->queue;
        status = control_workers(call, true, &ret->workers);
    }
    if (status == KN_OK)
        learn_worker(ret);
    return status;
}

void control_origin_fini(struct control_origin *origin)
{
    kn_buf_fini(&origin->why);
}

/* "the message: …; the result backend: …" */
static void pass_over(struct control_origin *o, const char *what, struct kn_str reason)
{
    kn_buf_text(&o->why, o->why.len ? "; " : "");
    kn_buf_printf(&o->why, "%s: %.*s", what, KN_STR_ARG(reason));
}

/* ---- the message -------------------------------------------------------------------------- */

static enum kn_status unwrap(struct kn_str value, struct kn_arena *arena, struct kn_str *ret,
                             struct kn_str *ret_queue)
{
    struct kn_str exchange, key;
    enum kn_status status = celery_unacked_decode(value, arena, ret, &exchange, &key);
    if (status == KN_OK && !exchange.len && key.len)
        *ret_queue = key;
    return status;
}

bool control_is_message_of(struct kn_str value, struct kn_str task_id, struct kn_arena *scratch)
{
    struct celery_task_message message;
    struct kn_str queue = KN_STR_ABSENT;
    const char *error;
    if (!memmem(value.ptr, value.len, task_id.ptr, task_id.len) &&
        memmem(value.ptr, value.len, "\"headers\"", 9) &&
        memmem(value.ptr, value.len, "\"root_id\"", 9))
        return false; /* protocol 2 says the id in clear */
    kn_arena_reset(scratch);
    if (value.len && value.ptr[0] == '[' && unwrap(value, scratch, &value, &queue) != KN_OK)
        return false;
    return celery_task_message_decode_redis(value, scratch, &message, &error) == KN_OK &&
           kn_str_eq(message.id, task_id);
}

struct wanted {
    struct kn_str id;
    struct kn_arena scratch;
};

static bool is_wanted(void *arg, struct kn_str value)
{
    struct wanted *wanted = arg;
    return control_is_message_of(value, wanted->id, &wanted->scratch);
}

enum kn_status control_find_message(struct control_call *call, struct kn_str task_id,
                                    struct kn_str queue, bool unacked, struct broker_found *ret)
{
    struct wanted wanted = {.id = task_id};
    kn_arena_init(&wanted.scratch, 64 << 20);
    enum kn_status status = broker_lists_find(call->hand->session, queue, unacked,
                                              call->options->look_max, is_wanted, &wanted, ret);
    kn_arena_fini(&wanted.scratch);
    return status;
}

static enum kn_status take_message(struct control_call *call, struct control_origin *o,
                                   const struct broker_found *found)
{
    const char *error;
    struct kn_str value = kn_arena_str(call->arena, kn_buf_view(&found->value));
    struct kn_str queue = o->queue;
    enum kn_status status = value.ptr ? KN_OK : KN_NOMEM;
    if (status == KN_OK && !found->list.len)
        status = unwrap(value, call->arena, &value, &queue);
    if (status == KN_OK)
        status = celery_task_message_decode_redis(value, call->arena, &o->message, &error);
    if (status != KN_OK)
        return status;
    o->queue = queue;
    o->has_message = true;
    return KN_OK;
}

static enum kn_status find_message(struct control_call *call, struct control_origin *o)
{
    struct broker_found found = {.complete = true};
    if (!broker_lists_has(call->hand->session)) {
        pass_over(o, "message",
                  KN_STR("on RabbitMQ it can't be looked at without taking it from its queue"));
        return KN_OK;
    }
    kn_buf_init(&found.value, 0);
    kn_buf_init(&found.list, 0);
    enum kn_status status = control_find_message(call, o->task->id, o->queue, true, &found);
    if (status == KN_OK)
        status = take_message(call, o, &found);
    else if (status == KN_NOT_FOUND) {
        pass_over(o, "message",
                  found.complete ? KN_STR("it does not wait any more")
                                 : KN_STR("not among the first of those that wait (look_max)"));
        status = KN_OK;
    } else
        status = control_call_fail(call, status, "nothing was sent, broker: %s",
                                   broker_session_error(call->hand->session));
    kn_buf_fini(&found.value);
    kn_buf_fini(&found.list);
    return status;
}

/* Protocol 2: the body as it is. Protocol 1 has the id in its body, so only what can be
 * read exactly. */
static void use_message(struct control_origin *o)
{
    const struct celery_task_message *m = &o->message;
    if (m->protocol == 2) {
        o->from = "message";
        o->args = m->args;
        o->kwargs = m->kwargs;
        return;
    }
    if (!m->args.ptr ||
        (m->content_type.len && !kn_str_starts(m->content_type, KN_STR("application/json")))) {
        pass_over(o, "message",
                  KN_STR("it is of protocol 1, and can be sent again only when it is JSON"));
        return;
    }
    o->from = "message";
    o->args = m->args;
    o->kwargs = m->kwargs;
}

/* ---- the result backend --------------------------------------------------------------------- */

enum kn_status control_result_value(struct control_call *call,
                                    const struct kn_msg_worker_list *workers, struct kn_str id,
                                    struct kn_str *ret, struct kn_str *ret_why)
{
    struct control_backends *backends =
        control_backends_new(&call->options->results, call->options->broker);
    if (!backends)
        return KN_NOMEM;
    control_backends_learn(backends, workers);
    enum kn_status status =
        control_backends_value(backends, id, CONTROL_RESULT_MAX, call->arena, ret, ret_why);
    control_backends_free(backends);
    return status;
}

static bool is_kind(struct kn_str json, char open)
{
    return json.len >= 2 && json.ptr[0] == open;
}

static bool judge_stored(struct control_origin *o, const struct celery_result_parts *parts)
{
    struct kn_str why = KN_STR_ABSENT;
    if (parts->arguments_unsayable)
        why = KN_STR("there is a value that JSON cannot say");
    else if (!is_kind(parts->args, '[') || !is_kind(parts->kwargs, '{'))
        why = KN_STR("it has no arguments (result_extended)");
    else if (celery_vouch_stored(parts->args, o->accepts, &why) == KN_OK &&
             celery_vouch_stored(parts->kwargs, o->accepts, &why) == KN_OK)
        return true;
    pass_over(o, "result backend", why);
    return false;
}

static enum kn_status look_at_backend(struct control_call *call, struct control_origin *o)
{
    struct celery_result_parts parts;
    struct kn_str value, why = KN_STR("out of memory");
    enum kn_status status = control_result_value(call, o->workers, o->task->id, &value, &why);
    if (status == KN_OK) {
        status = celery_result_parts(value, call->arena, &parts);
        why = status == KN_UNSUPPORTED ? KN_STR("its results are neither JSON nor msgpack")
                                       : KN_STR("what it has can't be read");
    }
    if (status != KN_OK) {
        pass_over(o, "result backend", why);
        return status == KN_NOMEM ? status : KN_OK;
    }
    if (!o->queue.len)
        o->queue = parts.queue;
    if (!judge_stored(o, &parts))
        return KN_OK;
    o->from = "backend";
    o->args = parts.args;
    o->kwargs = parts.kwargs;
    return KN_OK;
}

/* ---- events -----------------------------------------------------------------------------------
 */

static enum kn_status look_at_repr(struct control_call *call, struct control_origin *o)
{
    struct kn_str why = KN_STR("control.retry_from_repr forbids it");
    struct kn_buf args, kwargs;
    enum kn_status status = KN_UNSUPPORTED;
    kn_buf_init(&args, 0);
    kn_buf_init(&kwargs, 0);
    if (call->options->retry_from_repr)
        status = celery_vouch_repr(o->task->args_repr, false, o->accepts, call->arena, &args, &why);
    if (status == KN_OK)
        status =
            celery_vouch_repr(o->task->kwargs_repr, true, o->accepts, call->arena, &kwargs, &why);
    if (status == KN_OK) {
        o->args = kn_arena_str(call->arena, kn_buf_view(&args));
        o->kwargs = kn_arena_str(call->arena, kn_buf_view(&kwargs));
        o->from = "repr";
        status = o->args.ptr && o->kwargs.ptr ? KN_OK : KN_NOMEM;
    } else if (status == KN_UNSUPPORTED) {
        pass_over(o, "events", why);
        status = KN_OK;
    }
    kn_buf_fini(&args);
    kn_buf_fini(&kwargs);
    return status;
}

enum kn_status control_origin_find(struct control_call *call, struct control_origin *o,
                                   bool arguments)
{
    enum kn_status status = find_message(call, o);
    if (status == KN_OK && o->has_message)
        use_message(o);
    if (status == KN_OK && !o->from && (arguments || !o->queue.len))
        status = look_at_backend(call, o);
    if (status == KN_OK && !o->from && arguments)
        status = look_at_repr(call, o);
    return status;
}
