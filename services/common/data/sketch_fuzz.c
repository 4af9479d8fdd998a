#include "services/common/data/sketch.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What can be read is written back as the same bytes, and can be added to itself
 * and taken out again. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kn_sketch sketch, twice;
    kn_sketch_init(&sketch);
    kn_sketch_init(&twice);
    struct kn_str bytes = {(const char *)data, size};
    if (size > 0 && kn_sketch_decode(&sketch, bytes) == KN_OK) {
        struct kn_buf out;
        kn_buf_init(&out, 0);
        kn_sketch_encode(&sketch, &out);
        if (!kn_str_eq(kn_buf_view(&out), bytes))
            abort();
        kn_buf_fini(&out);
        double value;
        (void)kn_sketch_quantile(&sketch, 0.5, &value);
        (void)kn_sketch_mean(&sketch, &value);
        if (kn_sketch_merge(&twice, &sketch) != KN_OK)
            abort();
        unsigned times = 1 + (kn_sketch_merge(&twice, &sketch) == KN_OK);
        for (unsigned i = 0; i < times; i++)
            if (kn_sketch_subtract(&twice, &sketch) != KN_OK)
                abort();
        if (!kn_sketch_is_zero(&twice))
            abort();
    }
    kn_sketch_fini(&sketch);
    kn_sketch_fini(&twice);
    return 0;
}
