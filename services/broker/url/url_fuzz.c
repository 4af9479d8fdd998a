#include "services/broker/url/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whatever parses can be written, and what is written parses to the same text. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct broker_url *url = NULL;
    struct broker_url *again = NULL;
    struct kn_buf buf;
    struct kn_buf second;
    kn_buf_init(&buf, 0);
    kn_buf_init(&second, 0);
    if (broker_url_parse((struct kn_str){(const char *)data, size}, &url, &buf) == KN_OK) {
        kn_buf_clear(&buf);
        broker_url_write(url, &buf);
        if (buf.len <= BROKER_URL_MAX) {
            if (broker_url_parse(kn_buf_view(&buf), &again, NULL) != KN_OK)
                __builtin_trap();
            broker_url_write(again, &second);
            if (!kn_str_eq(kn_buf_view(&buf), kn_buf_view(&second)))
                __builtin_trap();
        }
    }
    broker_url_free(url);
    broker_url_free(again);
    kn_buf_fini(&buf);
    kn_buf_fini(&second);
    return 0;
}
