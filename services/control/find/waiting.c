#include "services/control/find/waiting.h"

#include "services/celery/message/task_message.h"

/* Of what comes from a client. Celery cuts its own at 1,024 characters, of up to 4 bytes, and
 * closes the brackets behind. */
enum { REPR_MAX = 8192 };

/* Cut text is marked, as in Celery. */
static struct kn_str head_of(struct kn_str text, struct kn_arena *arena)
{
    struct kn_buf out;
    if (text.len <= REPR_MAX)
        return text;
    kn_buf_init(&out, 0);
    kn_buf_str(&out, kn_utf8_head(text, REPR_MAX));
    kn_buf_text(&out, "...");
    struct kn_str head = kn_arena_str(arena, kn_buf_view(&out));
    kn_buf_fini(&out);
    return head;
}

void control_waiting_show(const struct broker_waiting *message, struct kn_arena *arena,
                          struct kn_msg_waiting *ret)
{
    struct celery_task_message task = {0};
    const char *error = NULL;
    *ret = (struct kn_msg_waiting){.size = message->size, .redelivered = message->redelivered};
    if (message->cut) {
        ret->unreadable = KN_STR("the message is too long to be read");
        return;
    }
    enum kn_status status =
        celery_task_message_decode_envelope(message->envelope, arena, &task, &error);
    if (status != KN_OK) {
        ret->unreadable = kn_str_from(error ? error : kn_status_text(status));
        return;
    }
    ret->id = task.id;
    ret->name = task.name;
    ret->args = task.args;
    ret->kwargs = task.kwargs;
    ret->args_repr = head_of(task.argsrepr, arena);
    ret->kwargs_repr = head_of(task.kwargsrepr, arena);
    ret->priority = task.priority;
    ret->eta = task.eta_us;
    ret->expires = task.expires_us;
    ret->retries = task.retries;
    ret->root_id = task.root_id;
    ret->parent_id = task.parent_id;
    ret->origin = task.origin;
    ret->content_type = task.content_type;
    ret->unreadable = kn_str_from(task.unreadable);
}

bool control_waiting_event(const struct kn_msg_waiting *waiting, struct kn_str queue, int64_t at,
                           struct kn_msg_event *ret)
{
    if (!waiting->id.len || !waiting->name.len)
        return false;
    *ret = (struct kn_msg_event){
        .type = KN_EVENT_TASK_SENT,
        .origin = KN_ORIGIN_BROKER,
        .uuid = waiting->id,
        .name = waiting->name,
        .args_repr = waiting->args_repr,
        .kwargs_repr = waiting->kwargs_repr,
        .root_id = waiting->root_id,
        .parent_id = waiting->parent_id,
        .retries = waiting->retries,
        .eta = waiting->eta,
        .expires = waiting->expires,
        .queue = queue,
        .timestamp = at,
        .received_at = at,
    };
    return true;
}
