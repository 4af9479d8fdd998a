#include "services/broker/redis/resp.h"

#include "services/common/count.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static const struct {
    const char *bytes;
    enum kn_status status;
    size_t count;
    const char *last; /* item */
} replies[] = {
    {"+PONG\r\n", KN_OK, 1, "PONG"},
    {"-ERR no\r\n", KN_OK, 1, "ERR no"},
    {":12\r\n", KN_OK, 1, "12"},
    {"$3\r\nabc\r\n", KN_OK, 1, "abc"},
    {"$0\r\n\r\n", KN_OK, 1, ""},
    {"$-1\r\n", KN_OK, 1, NULL},
    {"*0\r\n", KN_OK, 0, NULL},
    {"*-1\r\n", KN_OK, 0, NULL},
    {"*3\r\n$10\r\npsubscribe\r\n$1\r\nx\r\n:1\r\n", KN_OK, 3, "1"},
    {"*2\r\n$4\r\npong\r\n$0\r\n\r\n", KN_OK, 2, ""},
    {"*4\r\n$8\r\npmessage\r\n$1\r\np\r\n$1\r\nc\r\n$5\r\na\r\nbc\r\n", KN_OK, 4, "a\r\nbc"},
    {"*1\r\n$11\r\nabcdefghijk\r\n", KN_TOO_BIG, 0, NULL},
    {"*2\r\n$11\r\nabcdefghijk\r\n+x\r\n", KN_INVALID, 0, NULL},
    {"*9\r\n", KN_INVALID, 0, NULL},
    {"*x\r\n", KN_INVALID, 0, NULL},
    {"*1\n", KN_INVALID, 0, NULL},
    {"*1\r\n*1\r\n+x\r\n", KN_INVALID, 0, NULL},
    {"$3\r\nabcd\r\n", KN_INVALID, 0, NULL},
    {"$99999999999\r\n", KN_INVALID, 0, NULL},
    {"HTTP/1.1 400\r\n", KN_INVALID, 0, NULL},
    {"\r\n", KN_INVALID, 0, NULL},
};

static void replies_are_read_or_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < KN_COUNT_OF(replies); i++) {
        struct broker_resp resp;
        struct kn_str data = kn_str_from(replies[i].bytes);
        enum kn_status status = broker_resp_next(data, 10, &resp);
        if (status != replies[i].status)
            fail_msg("%s: %s", replies[i].bytes, kn_status_name(status));
        if (status == KN_TOO_BIG)
            assert_int_equal(resp.size, data.len);
        if (status != KN_OK)
            continue;
        assert_int_equal(resp.size, data.len);
        assert_int_equal(resp.count, replies[i].count);
        if (replies[i].last)
            assert_true(kn_str_eq(resp.items[resp.count - 1], kn_str_from(replies[i].last)));
    }
}

static void a_reply_that_is_cut_anywhere_asks_for_more(void **state)
{
    (void)state;
    for (size_t i = 0; i < KN_COUNT_OF(replies); i++) {
        struct kn_str data = kn_str_from(replies[i].bytes);
        if (replies[i].status != KN_OK)
            continue;
        for (size_t len = 0; len < data.len; len++) {
            struct broker_resp resp;
            assert_int_equal(broker_resp_next((struct kn_str){data.ptr, len}, 10, &resp), KN_AGAIN);
            assert_true(resp.size > len && resp.size <= data.len);
        }
    }
}

static void an_endless_line_is_refused(void **state)
{
    (void)state;
    char line[5000];
    memset(line, 'x', sizeof(line));
    line[0] = '+';
    struct broker_resp resp;
    assert_int_equal(broker_resp_next((struct kn_str){line, sizeof(line)}, 10, &resp), KN_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replies_are_read_or_refused),
        cmocka_unit_test(a_reply_that_is_cut_anywhere_asks_for_more),
        cmocka_unit_test(an_endless_line_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
