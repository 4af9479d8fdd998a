/* The first byte says whether the rest is whole ('w') or only a start. */
#include "services/celery/message/result_meta.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool held)
{
    if (!held)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kn_arena arena;
    struct kn_msg_event e;
    if (size == 0)
        return 0;
    kn_arena_init(&arena, 64 << 20);
    struct kn_str value = {(const char *)data + 1, size - 1};
    if (celery_result_meta(value, data[0] == 'w', &arena, &e) == KN_OK) {
        must(e.origin == KN_ORIGIN_BACKEND);
        must(e.type == KN_EVENT_TASK_SUCCEEDED || e.type == KN_EVENT_TASK_FAILED ||
             e.type == KN_EVENT_TASK_REVOKED || (e.type == KN_EVENT_CUSTOM && e.type_name.len));
        must(e.result_repr.len <= CELERY_RESULT_WHOLE && e.args_repr.len <= CELERY_RESULT_WHOLE);
        must(kn_utf8_valid(e.result_repr) && kn_utf8_valid(e.exception));
    }
    kn_arena_fini(&arena);
    return 0;
}
