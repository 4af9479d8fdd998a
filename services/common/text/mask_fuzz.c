#include "services/common/text/mask.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* With a password that is encoded as it should be, no text before or behind it makes it
 * readable; anything else must only be survived. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char secret[] = "Zq7-longsecret";
    struct kn_buf url, shown, masked;
    if (memmem(data, size, secret, sizeof secret - 1))
        return 0; /* it is readable in the input already */
    size_t cut = size ? data[0] % size : 0;
    kn_buf_init(&url, 0);
    kn_buf_init(&shown, 0);
    kn_buf_init(&masked, 0);
    kn_buf_append(&url, data, cut);
    kn_buf_printf(&url, "redis://u:%s@", secret);
    kn_buf_append(&url, data + cut, size - cut);
    kn_buf_char(&url, '\0');
    if (strlen(url.data) + 1 == url.len) {
        kn_mask_url(url.data, &shown);
        if (memmem(shown.data, shown.len, secret, sizeof secret - 1))
            __builtin_trap();
        kn_mask_text((struct kn_str){(const char *)data, size}, url.data, &masked);
    }
    kn_buf_fini(&url);
    kn_buf_fini(&shown);
    kn_buf_fini(&masked);
    return 0;
}
