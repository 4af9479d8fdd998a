#include "services/broker/redis/resp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A reply never reaches beyond its bytes, and never reads shorter when more
 * bytes stand behind it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kn_str bytes = {(const char *)data, size};
    struct broker_resp resp;
    while (bytes.len > 0 && broker_resp_next(bytes, 1000, &resp) == KN_OK) {
        if (resp.size == 0 || resp.size > bytes.len)
            __builtin_trap();
        for (size_t i = 0; i < resp.count; i++) {
            if (resp.items[i].ptr && resp.items[i].ptr + resp.items[i].len > bytes.ptr + bytes.len)
                __builtin_trap();
        }
        struct broker_resp same;
        if (broker_resp_next((struct kn_str){bytes.ptr, resp.size}, 1000, &same) != KN_OK)
            __builtin_trap();
        bytes = (struct kn_str){bytes.ptr + resp.size, bytes.len - resp.size};
    }
    return 0;
}
