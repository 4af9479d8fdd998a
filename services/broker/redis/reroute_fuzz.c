#include "services/broker/redis/reroute.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was rerouted to a queue can be rerouted again, and comes back the same. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kn_buf once, twice;
    kn_buf_init(&once, 0);
    kn_buf_init(&twice, 0);
    struct kn_str queue = KN_STR("to \"q\"");
    if (broker_reroute((struct kn_str){(const char *)data, size}, queue, &once) == KN_OK &&
        (broker_reroute(kn_buf_view(&once), queue, &twice) != KN_OK ||
         !kn_str_eq(kn_buf_view(&once), kn_buf_view(&twice))))
        __builtin_trap();
    kn_buf_fini(&once);
    kn_buf_fini(&twice);
    return 0;
}
