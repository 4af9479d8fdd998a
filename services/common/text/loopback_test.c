#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "services/common/text/loopback.h"

#include "services/common/count.h"

#include <stdio.h>

static const struct {
    const char *host;
    bool loopback;
} cases[] = {
    {"localhost", true},
    {"127.0.0.1", true},
    {"127.255.0.9", true},
    {"::1", true},
    {"[::1]", true},
    {"", false},
    {"0.0.0.0", false},
    {"::", false},
    {"10.0.0.1", false},
    {"128.0.0.1", false},
    {"127.", false},
    {"127.0.0.1.example.org", false},
    {"127.example.org", false},
    {"127.0.0.1x", false},
    {"localhost.example.org", false},
    {"[::1", false},
    {"::1.example.org", false},
};

static void a_name_that_begins_like_loopback_is_not(void **state)
{
    (void)state;
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++) {
        char address[64];
        snprintf(address, sizeof address, "%s:80", cases[i].host);
        if (kn_host_is_loopback(kn_str_from(cases[i].host)) != cases[i].loopback ||
            kn_address_is_loopback(kn_str_from(address)) != cases[i].loopback)
            fail_msg("%s", cases[i].host);
    }
    assert_false(kn_address_is_loopback(KN_STR("127.0.0.1")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_that_begins_like_loopback_is_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
