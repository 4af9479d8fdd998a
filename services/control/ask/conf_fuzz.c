#include "services/control/ask/conf.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was masked is JSON still, and masking it again changes nothing. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kn_arena arena;
    struct control_conf conf;
    struct kn_str text = {(const char *)data, size};
    kn_arena_init(&arena, 0);
    (void)!control_conf_read(text, &conf);
    struct kn_str once = control_masked(text, &arena);
    if (once.ptr) {
        struct kn_str twice = control_masked(once, &arena);
        if (!twice.ptr || !kn_str_eq(once, twice))
            abort();
    }
    kn_arena_fini(&arena);
    return 0;
}
