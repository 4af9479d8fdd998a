#include "proto/codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Any bytes as an envelope, and what it carries as its kind. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kn_envelope envelope;
    if (kn_envelope_decode((struct kn_str){(const char *)data, size}, &envelope) != KN_OK)
        return 0;
    struct kn_arena arena;
    kn_arena_init(&arena, 16 << 20);
    void *msg = kn_arena_alloc(&arena, kn_msg_size(envelope.kind));
    if (msg && kn_msg_decode(envelope.body, envelope.kind, &arena, msg) == KN_OK) {
        struct kn_buf out;
        kn_buf_init(&out, 64 << 20);
        kn_msg_json(&out, envelope.kind, msg);
        kn_buf_fini(&out);
    }
    kn_arena_fini(&arena);
    return 0;
}
