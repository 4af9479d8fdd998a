/* What is vouched for is JSON, and of the kind that was asked for. The first byte: 'a'
 * args, 'k' kwargs, 'r' a value of the result backend. */
#include "services/celery/message/result_parts.h"
#include "services/celery/python/pyliteral.h"
#include "services/celery/python/vouch.h"

#include <jansson.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool held)
{
    if (!held)
        abort();
}

static void check_json(struct kn_str text, bool kwargs)
{
    json_error_t error;
    json_t *value = json_loadb(text.ptr, text.len, JSON_ALLOW_NUL, &error);
    must(value || json_error_code(&error) == json_error_numeric_overflow ||
         json_error_code(&error) == json_error_null_byte_in_key);
    must(text.ptr[0] == (kwargs ? '{' : '['));
    json_decref(value);
}

static void check_repr(struct kn_str input, bool kwargs, struct kn_arena *arena)
{
    struct kn_buf out;
    struct kn_str reason = KN_STR_ABSENT;
    kn_buf_init(&out, 0);
    enum kn_status status =
        celery_vouch_repr(input, kwargs, CELERY_ACCEPTS_JSON, arena, &out, &reason);
    must(status != KN_UNSUPPORTED || reason.len > 0);
    if (status == KN_OK) {
        must(!celery_repr_is_cut(input));
        check_json(kn_buf_view(&out), kwargs);
    } else {
        must(out.len == 0);
    }
    kn_buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kn_arena arena;
    struct celery_result_parts parts;
    if (size == 0)
        return 0;
    kn_arena_init(&arena, 64 << 20);
    struct kn_str input = {(const char *)data + 1, size - 1};
    if (data[0] == 'a' || data[0] == 'k')
        check_repr(input, data[0] == 'k', &arena);
    else if (celery_result_parts(input, &arena, &parts) == KN_OK && parts.result.ptr)
        must(parts.result.len > 0 && kn_utf8_valid(parts.result));
    kn_arena_fini(&arena);
    return 0;
}
