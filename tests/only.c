/* Linked into every unit test: KANCHI_TEST_ONLY names the test functions that run, as a
 * pattern with * and ?. ./dev test unit --only PROGRAM/FUNCTION sets it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

__attribute__((constructor)) static void test_only(void)
{
    const char *pattern = getenv("KANCHI_TEST_ONLY");
    if (pattern)
        cmocka_set_test_filter(pattern);
}
