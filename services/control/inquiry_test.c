#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "services/control/inquiry.h"

#include "services/common/time.h"

static void a_worker_knows_only_what_it_took_in_this_life(void **state)
{
    (void)state;
    enum { NOW = 10000 };
    static const struct {
        const char *what;
        int64_t taken, started; /* seconds; started 0: worker-online was not seen */
        double uptime;
        bool want;
    } cases[] = {
        {"taken after worker-online", 9500, 9400, 600, true},
        {"at once after it", 9400, 9400, 600, true},
        {"by the life before", 9399, 9400, 600, false},
        {"uptime is told in whole seconds, rounded up", 9400, 9400, 601, true},
        {"started anew, and worker-online was lost", 9500, 9000, 100, false},
        {"taken after a start that was not seen", 9950, 9000, 100, true},
        {"without worker-online", 9500, 0, 600, true},
        {"without worker-online, too close to tell", 9401, 0, 600, false},
        {"without worker-online, by the life before", 9300, 0, 600, false},
        {"taken in the future: clocks differ", 10060, 0, 600, false},
        {"the same, with worker-online", 10060, 9400, 600, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool got = control_up_since(cases[i].taken * KN_SECOND, cases[i].started * KN_SECOND,
                                    cases[i].uptime, NOW * KN_SECOND);
        if (got != cases[i].want)
            fail_msg("%s", cases[i].what);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_worker_knows_only_what_it_took_in_this_life),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
