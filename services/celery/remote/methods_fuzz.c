/* Arguments of remote control: what is taken is taken again as it was written. */
#include "services/celery/remote/methods.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kn_buf out, again, error;
    kn_buf_init(&out, 0);
    kn_buf_init(&again, 0);
    kn_buf_init(&error, 0);
    for (const struct celery_method *method = celery_methods; method->name; method++) {
        kn_buf_clear(&out);
        kn_buf_clear(&again);
        kn_buf_clear(&error);
        if (celery_method_check(method, (struct kn_str){(const char *)data, size}, &out, &error) !=
            KN_OK)
            continue;
        assert(celery_method_check(method, kn_buf_view(&out), &again, &error) == KN_OK);
        assert(kn_str_eq(kn_buf_view(&out), kn_buf_view(&again)));
    }
    kn_buf_fini(&out);
    kn_buf_fini(&again);
    kn_buf_fini(&error);
    return 0;
}
