/* Common setup of the tests in this folder. */
#ifndef KN_GATEWAY_TEST_H
#define KN_GATEWAY_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "services/common/text/str.h"

#define assert_str(s, text)                                                                        \
    do {                                                                                           \
        struct kn_str got_ = (s), want_ = kn_str_from(text);                                       \
        if (!kn_str_eq(got_, want_))                                                               \
            print_error("got  %.*s\nwant %s\n", KN_STR_ARG(got_), text);                           \
        assert_true(kn_str_eq(got_, want_));                                                       \
    } while (0)

#endif
