#include "gateway/test.h"

#include "gateway/http/head.h"
#include "services/common/count.h"
#include "services/common/text/buf.h"

#include <stdio.h>

#define HOST "Host: localhost\r\n"

static const struct {
    const char *text;
    int status; /* 0: accepted */
} cases[] = {
    {"GET / HTTP/1.1\r\n" HOST "\r\n", 0},
    {"GET / HTTP/1.0\r\n\r\n", 0},
    {"GET / HTTP/1.1\r\n\r\n", 400},
    {"GET / HTTP/1.2\r\n" HOST "\r\n", 505},
    {"GET / http/1.1\r\n" HOST "\r\n", 400},
    {"GET  / HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET / HTTP/1.1 \r\n" HOST "\r\n", 400},
    {" GET / HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET x HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET /#x HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET * HTTP/1.1\r\n" HOST "\r\n", 400},
    {"OPTIONS * HTTP/1.1\r\n" HOST "\r\n", 0},
    {"CONNECT a:1 HTTP/1.1\r\n" HOST "\r\n", 405},
    {"GET http://localhost HTTP/1.1\r\n" HOST "\r\n", 0},
    {"GET http://localhost/x HTTP/1.1\r\n" HOST "\r\n", 0},
    {"GET http://other/x HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST HOST "\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "A : b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "A\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "A: b\r\n c\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "A: b\tc \x80\r\n\r\n", 0},
    {"GET / HTTP/1.1\r\n" HOST "A: b\x01\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "Content-Length: 007\r\n\r\n", 0},
    {"GET / HTTP/1.1\r\n" HOST "Content-Length: 2\r\nContent-Length: 2\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "Content-Length: 2abc\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "Content-Length: +2\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "Content-Length: -2\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "Content-Length: 2,2\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "Content-Length:\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n", 411},
    {"GET / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n", 501},
    {"GET / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n", 400},
    {"GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "Expect: x\r\n\r\n", 417},
};

static void what_two_readers_could_take_in_two_ways_is_refused(void **state)
{
    (void)state;
    struct gw_head head;
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++) {
        enum kn_status status = gw_head_parse(kn_str_from(cases[i].text), &head);
        if ((status == KN_OK) != !cases[i].status || head.status != cases[i].status)
            fail_msg("%d for %s", head.status, cases[i].text);
    }
}

static void the_65th_header_is_refused(void **state)
{
    (void)state;
    struct gw_head head;
    for (int more = 0; more < 2; more++) {
        struct kn_buf text;
        kn_buf_init(&text, 0);
        kn_buf_text(&text, "GET / HTTP/1.1\r\n" HOST);
        for (int i = 0; i < GW_HEADERS_MAX - 1 + more; i++)
            kn_buf_text(&text, "A: b\r\n");
        kn_buf_text(&text, "\r\n");
        enum kn_status status = gw_head_parse(kn_buf_view(&text), &head);
        kn_buf_fini(&text);
        assert_int_equal(status, more ? KN_INVALID : KN_OK);
        assert_int_equal(head.status, more ? 431 : 0);
    }
}

static void a_head_is_read_as_it_was_meant(void **state)
{
    (void)state;
    struct gw_head head;
    assert_int_equal(
        gw_head_parse(KN_STR("POST /a?b=c?d HTTP/1.1\r\nhOST: x\r\nContent-Length: 12\r\n"
                             "Upgrade: WebSocket\r\nConnection: keep-alive\r\n"
                             "Connection: x, upgrade\r\nX-A:  b \t\r\n\r\n"),
                      &head),
        KN_OK);
    assert_str(head.method, "POST");
    assert_str(head.path, "/a");
    assert_str(head.query, "b=c?d");
    assert_str(gw_head_get(&head, "Host"), "x");
    assert_str(gw_head_get(&head, "x-a"), "b");
    assert_int_equal(head.content_length, 12);
    assert_true(head.upgrade && head.keep_alive);
    assert_int_equal(
        gw_head_parse(KN_STR("GET / HTTP/1.1\r\n" HOST "Connection: a, Close\r\n\r\n"), &head),
        KN_OK);
    assert_false(head.keep_alive);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_two_readers_could_take_in_two_ways_is_refused),
        cmocka_unit_test(the_65th_header_is_refused),
        cmocka_unit_test(a_head_is_read_as_it_was_meant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
