/* Pausing a queue: its consumers are cancelled, and what they consumed is remembered as
 * add_consumer wants it (celery/worker/consumer/consumer.py, add_task_queue). */
#include "services/control/queues/queues.h"

#include "services/common/count.h"
#include "services/common/text/json.h"
#include "services/common/text/time.h"
#include "services/control/ask/command.h"

#include <jansson.h>
#include <stdlib.h>

/* ---- what workers say -------------------------------------------------------------------- */

/* The queue in an answer to active_queues; NULL when the worker does not consume it.
 * *ret_list is to be given back. */
static const json_t *find_queue(struct kn_str value, struct kn_str queue, json_t **ret_list)
{
    size_t i;
    const json_t *one, *found = NULL;
    *ret_list = kn_json_load(value, 0);
    json_array_foreach(*ret_list, i, one)
    {
        const json_t *name = json_object_get(one, "name");
        if (json_is_string(name) &&
            kn_str_eq((struct kn_str){json_string_value(name), json_string_length(name)}, queue))
            found = one;
    }
    return found;
}

static void copy_member(json_t *to, const char *as, const json_t *from, const char *key)
{
    json_t *value = json_object_get(from, key);
    bool empty = !value || json_is_null(value) ||
                 (json_is_object(value) && json_object_size(value) == 0) ||
                 (json_is_array(value) && json_array_size(value) == 0);
    if (!empty)
        json_object_set(to, as, value);
}

/* The arguments of add_consumer that make the same queue again. */
static json_t *consumer_of(const json_t *queue)
{
    static const char *const options[] = {
        "durable",         "exclusive",         "auto_delete",        "no_ack",
        "queue_arguments", "binding_arguments", "consumer_arguments", "expires",
        "message_ttl",     "max_length",        "max_length_bytes",   "max_priority",
    };
    json_t *arguments = json_object();
    const json_t *exchange = json_object_get(queue, "exchange");
    copy_member(arguments, "queue", queue, "name");
    copy_member(arguments, "exchange", exchange, "name");
    copy_member(arguments, "exchange_type", exchange, "type");
    copy_member(arguments, "routing_key", queue, "routing_key");
    for (size_t i = 0; i < KN_COUNT_OF(options); i++)
        copy_member(arguments, options[i], queue, options[i]);
    return arguments;
}

static struct kn_str text_of(const json_t *json, struct kn_arena *arena)
{
    char *text = json_dumps(json, JSON_COMPACT);
    struct kn_str copy = text ? kn_arena_str(arena, kn_str_from(text)) : KN_STR_ABSENT;
    free(text);
    return copy;
}

/* ---- a pass ------------------------------------------------------------------------------ */

struct pass {
    struct control_call *call;
    struct kn_msg_pause *pause;
    struct kn_msg_queue_changed *result;
    struct kn_msg_command_done seen; /* answers to active_queues */
    json_t *consumers;               /* of the pause */
    struct kn_strs todo;             /* hostnames */
};

static bool is_in(const struct kn_strs *list, struct kn_str name)
{
    for (size_t i = 0; i < list->count; i++)
        if (kn_str_eq(list->items[i], name))
            return true;
    return false;
}

static enum kn_status add(struct control_call *call, struct kn_strs *list, struct kn_str name)
{
    if (is_in(list, name))
        return KN_OK;
    struct kn_str *items = kn_arena_array(call->arena, list->count + 1, sizeof *items);
    if (!items)
        return KN_NOMEM;
    if (list->count)
        memcpy(items, list->items, list->count * sizeof *items);
    items[list->count] = kn_arena_str(call->arena, name);
    *list = (struct kn_strs){items, list->count + 1};
    return KN_OK;
}

static enum kn_status store(struct pass *p, bool over)
{
    const void *done;
    p->pause->over = over;
    p->pause->consumers = text_of(p->consumers, p->call->arena);
    if (!p->pause->consumers.ptr)
        return KN_NOMEM;
    p->call->began = true;
    return control_call_ask(p->call, KN_KIND_PAUSE, p->pause, KN_KIND_DONE, &done);
}

static enum kn_status look_at_workers(struct pass *p)
{
    const struct kn_msg_command ask = {.method = KN_STR("active_queues")};
    return control_command(p->call, &ask, &p->seen);
}

/* Whoever storage knows to consume the queue, and who did not say whether it does. */
static enum kn_status note_silent(struct pass *p)
{
    struct kn_str source = kn_str_from(p->call->options->source), online = KN_STR("online");
    const struct kn_msg_workers_get get = {.sources = {&source, 1}, .statuses = {&online, 1}};
    const void *answer;
    enum kn_status status =
        control_call_ask(p->call, KN_KIND_WORKERS_GET, &get, KN_KIND_WORKER_LIST, &answer);
    const struct kn_msg_worker_list *list = status == KN_OK ? answer : NULL;
    for (size_t i = 0; status == KN_OK && i < list->items.count; i++) {
        const struct kn_msg_worker *worker = &list->items.items[i];
        bool concerned = is_in(&worker->queues, p->pause->queue) ||
                         json_object_getn(p->consumers, worker->hostname.ptr, worker->hostname.len);
        if (concerned && is_in(&p->seen.missing, worker->hostname))
            status = add(p->call, &p->result->missing, worker->hostname);
    }
    return status;
}

/* Cancels, or takes up, with one command to those that need the same. */
static enum kn_status command(struct pass *p, const char *method, struct kn_str arguments,
                              const struct kn_strs *to)
{
    struct kn_msg_command_done done;
    const struct kn_msg_command ask = {
        .method = kn_str_from(method), .arguments = arguments, .destinations = *to};
    enum kn_status status = control_command(p->call, &ask, &done);
    for (size_t i = 0; status == KN_OK && i < done.replies.count; i++) {
        const struct kn_msg_worker_reply *reply = &done.replies.items[i];
        if (!is_in(to, reply->hostname))
            continue;
        status = add(p->call, reply->failed ? &p->result->refused : &p->result->confirmed,
                     reply->hostname);
    }
    for (size_t i = 0; status == KN_OK && i < done.missing.count; i++)
        status = add(p->call, &p->result->missing, done.missing.items[i]);
    return status;
}

static enum kn_status cancel(struct pass *p)
{
    enum kn_status status = KN_OK;
    for (size_t i = 0; status == KN_OK && i < p->seen.replies.count; i++) {
        const struct kn_msg_worker_reply *reply = &p->seen.replies.items[i];
        json_t *list;
        const json_t *queue = find_queue(reply->value, p->pause->queue, &list);
        if (queue) {
            json_object_setn_new(p->consumers, reply->hostname.ptr, reply->hostname.len,
                                 consumer_of(queue));
            status = add(p->call, &p->todo, reply->hostname);
        }
        json_decref(list);
    }
    if (status == KN_OK)
        status = store(p, false); /* before: what is cancelled must be known */
    if (status != KN_OK || p->todo.count == 0)
        return status;
    json_t *arguments = json_pack("{s:s%}", "queue", p->pause->queue.ptr, p->pause->queue.len);
    status = command(p, "cancel_consumer", text_of(arguments, p->call->arena), &p->todo);
    json_decref(arguments);
    return status;
}

/* One after the other, for each may have consumed it in its own way. */
static enum kn_status take_up(struct pass *p)
{
    enum kn_status status = store(p, false);
    for (size_t i = 0; status == KN_OK && i < p->seen.replies.count; i++) {
        struct kn_str hostname = p->seen.replies.items[i].hostname;
        const json_t *arguments = json_object_getn(p->consumers, hostname.ptr, hostname.len);
        json_t *list;
        const json_t *consumes = find_queue(p->seen.replies.items[i].value, p->pause->queue, &list);
        if (arguments && !consumes) {
            const struct kn_strs to = {&hostname, 1};
            status = command(p, "add_consumer", text_of(arguments, p->call->arena), &to);
        } else if (arguments) {
            status = add(p->call, &p->result->confirmed, hostname);
        }
        json_decref(list);
    }
    /* those that are gone consume it again when they are started */
    json_t *left = json_object();
    for (size_t i = 0; status == KN_OK && i < p->result->missing.count; i++) {
        struct kn_str hostname = p->result->missing.items[i];
        json_t *arguments = json_object_getn(p->consumers, hostname.ptr, hostname.len);
        if (arguments)
            json_object_setn(left, hostname.ptr, hostname.len, arguments);
    }
    json_decref(p->consumers);
    p->consumers = left;
    return status == KN_OK ? store(p, json_object_size(left) == 0) : status;
}

enum kn_status control_pause_apply(struct control_call *call, struct kn_msg_pause *pause,
                                   struct kn_msg_queue_changed *ret)
{
    struct pass p = {.call = call, .pause = pause, .result = ret};
    p.consumers = kn_json_load(pause->consumers, 0);
    if (!json_is_object(p.consumers)) {
        json_decref(p.consumers);
        p.consumers = json_object();
    }
    enum kn_status status = look_at_workers(&p);
    if (status == KN_OK)
        status = note_silent(&p);
    if (status == KN_OK)
        status = pause->resuming ? take_up(&p) : cancel(&p);
    ret->complete = status == KN_OK && ret->missing.count == 0 && ret->refused.count == 0;
    json_decref(p.consumers);
    return status;
}
