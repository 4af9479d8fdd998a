/* The first byte says what the rest is: 'e' a value of a list of Redis; 'h' headers as
 * JSON, a line break, and a body; 'j', 'm' and 'p' a body without headers, of JSON,
 * msgpack and pickle. */
#include "services/celery/message/task_message.h"

#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool held)
{
    if (!held)
        abort();
}

static void check_json(struct kn_str text, char first)
{
    json_error_t error;
    if (!text.ptr)
        return;
    must(text.len >= 2 && text.ptr[0] == first);
    json_t *value = json_loadb(text.ptr, text.len, JSON_ALLOW_NUL, &error);
    /* what jansson cannot hold, though it is JSON */
    must(value || json_error_code(&error) == json_error_numeric_overflow ||
         json_error_code(&error) == json_error_null_byte_in_key);
    json_decref(value);
}

static void check(const struct celery_task_message *task)
{
    must(task->protocol == 1 || task->protocol == 2);
    must(task->id.len > 0 && task->name.len > 0);
    must(kn_utf8_valid(task->id) && kn_utf8_valid(task->name) && kn_utf8_valid(task->argsrepr));
    must(!task->args.ptr == !!task->unreadable && !task->kwargs.ptr == !task->args.ptr);
    check_json(task->args, '[');
    check_json(task->kwargs, '{');
    check_json(task->embed, '{');
    check_json(task->headers, '{');
}

static enum kn_status decode(char kind, struct kn_str input, struct kn_arena *arena,
                             struct celery_task_message *ret)
{
    const char *error = NULL;
    struct celery_message message = {.body = input};
    if (kind == 'e') {
        enum kn_status status = celery_task_message_decode_envelope(input, arena, ret, &error);
        must(status == KN_OK || status == KN_NOMEM || error);
        return status;
    }
    if (kind == 'm')
        message.content_type = KN_STR("application/x-msgpack");
    if (kind == 'p')
        message.content_type = KN_STR("application/x-python-serialize");
    const char *line = kind == 'h' && input.len ? memchr(input.ptr, '\n', input.len) : NULL;
    if (line) {
        message.headers = (struct kn_str){input.ptr, (size_t)(line - input.ptr)};
        message.body = (struct kn_str){line + 1, input.len - message.headers.len - 1};
    }
    return celery_task_message_decode(&message, arena, ret);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kn_arena arena;
    struct celery_task_message task;
    if (size == 0)
        return 0;
    kn_arena_init(&arena, 64 << 20);
    if (decode((char)data[0], (struct kn_str){(const char *)data + 1, size - 1}, &arena, &task) ==
        KN_OK)
        check(&task);
    kn_arena_fini(&arena);
    return 0;
}
