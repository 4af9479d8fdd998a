#include "services/control/queues/message.h"

#include "services/broker/waiting.h"
#include "services/celery/message/task_message.h"

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
    return celery_task_message_decode_envelope(value, scratch, &message, &error) == KN_OK &&
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

enum kn_status control_message_find(struct control_call *call, struct kn_str task_id,
                                    struct kn_str queue, bool unacked, struct broker_found *ret)
{
    struct wanted wanted = {.id = task_id};
    kn_arena_init(&wanted.scratch, 64 << 20);
    enum kn_status status = broker_session_find(call->hand->session, queue, unacked,
                                                call->options->look_max, is_wanted, &wanted, ret);
    kn_arena_fini(&wanted.scratch);
    return status;
}
