#include "proto/codec.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The first byte chooses the kind, the rest is the message. What can be read
 * must, written and read again, be the same: compared as encoded bytes. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    enum kn_kind kind = (enum kn_kind)(data[0] % KN_KIND_COUNT);
    struct kn_str body = {(const char *)data + 1, size - 1};
    struct kn_arena arena;
    struct kn_buf first, second;
    kn_arena_init(&arena, 16 << 20);
    kn_buf_init(&first, 64 << 20);
    kn_buf_init(&second, 64 << 20);
    void *msg = kn_arena_alloc(&arena, kn_msg_size(kind));
    if (msg && kn_msg_decode(body, kind, &arena, msg) == KN_OK) {
        kn_msg_encode(&first, kind, msg);
        if (kn_buf_status(&first) != KN_OK ||
            kn_msg_decode(kn_buf_view(&first), kind, &arena, msg) != KN_OK) {
            if (!arena.overflow)
                abort();
        } else {
            kn_msg_encode(&second, kind, msg);
            if (!kn_str_eq(kn_buf_view(&first), kn_buf_view(&second)))
                abort();
            kn_buf_clear(&second);
            kn_msg_json(&second, kind, msg);
        }
    }
    kn_buf_fini(&first);
    kn_buf_fini(&second);
    kn_arena_fini(&arena);
    return 0;
}
