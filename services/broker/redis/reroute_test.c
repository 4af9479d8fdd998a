#include "services/broker/redis/reroute.h"

#include "services/common/count.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void only_exchange_and_routing_key_are_replaced(void **state)
{
    (void)state;
    static const struct {
        const char *before, *after; /* after NULL: there is none to replace */
    } cases[] = {
        {"{\"body\": \"x\", \"properties\": {\"a\": [1, {\"exchange\": 2}], \"delivery_info\": "
         "{\"exchange\": \"e\", \"routing_key\": \"k\"}, \"delivery_tag\": \"t\"}}",
         "{\"body\": \"x\", \"properties\": {\"a\": [1, {\"exchange\": 2}], \"delivery_info\": "
         "{\"exchange\": \"\", \"routing_key\": \"to\"}, \"delivery_tag\": \"t\"}}"},
        {"{\"properties\":{\"delivery_info\":{\"routing_key\":null,\"priority\":1.50,"
         "\"exchange\":\"e\\\"}\"}},\"headers\":{\"delivery_info\":{\"exchange\":\"mine\"}}}",
         "{\"properties\":{\"delivery_info\":{\"routing_key\":\"to\",\"priority\":1.50,"
         "\"exchange\":\"\"}},\"headers\":{\"delivery_info\":{\"exchange\":\"mine\"}}}"},
        {"{\"headers\":{\"argsrepr\":\"\\\"properties\\\": {\"},"
         "\"properties\":{\"delivery_info\":{\"exchange\":1,\"routing_key\":[]}}}",
         "{\"headers\":{\"argsrepr\":\"\\\"properties\\\": {\"},"
         "\"properties\":{\"delivery_info\":{\"exchange\":\"\",\"routing_key\":\"to\"}}}"},
        {"{\"properties\":{\"delivery_info\":{\"exchange\":\"\"}}}", NULL},
        {"{\"properties\":{\"delivery_info\":{\"exchange\":\"\",\"routing_key\":\"k\"", NULL},
        {"{\"properties\":{\"delivery_info\":[]}}", NULL},
        {"{\"properties\":]}", NULL},
        {"{\"properties\"", NULL},
        {"{\"properties\\", NULL},
        {"not JSON", NULL},
        {"", NULL},
    };
    struct kn_buf out;
    kn_buf_init(&out, 0);
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++) {
        kn_buf_clear(&out);
        assert_int_equal(broker_reroute(kn_str_from(cases[i].before), KN_STR("to"), &out),
                         cases[i].after ? KN_OK : KN_INVALID);
        if (cases[i].after)
            kn_buf_char(&out, '\0');
        if (cases[i].after)
            assert_string_equal(out.data, cases[i].after);
        else
            assert_int_equal(out.len, 0);
    }
    kn_buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_exchange_and_routing_key_are_replaced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
