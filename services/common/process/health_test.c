#include "services/common/process/health.h"

#include "services/common/count.h"
#include "services/common/text/time.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static int dial(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)kn_health_port())};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

/* The whole answer, in a buffer that the next call takes again. */
static const char *hear(int fd)
{
    static char text[16384];
    size_t len = 0;
    ssize_t n;
    while ((n = recv(fd, text + len, sizeof text - 1 - len, 0)) > 0)
        len += (size_t)n;
    text[len] = '\0';
    close(fd);
    return text;
}

static const char *ask(const char *request)
{
    int fd = dial();
    assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
    return hear(fd);
}

static int start(void **state)
{
    struct kn_buf error;
    (void)state;
    kn_buf_init(&error, 0);
    assert_int_equal(kn_health_start("127.0.0.1:0", "kanchi-test", &error), KN_OK);
    kn_buf_fini(&error);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    kn_health_stop();
    return 0;
}

static void ready_is_what_was_told(void **state)
{
    (void)state;
    static const struct {
        bool told;
        bool ready;
        const char *why;
        const char *status;
        const char *body;
    } cases[] = {
        {false, false, "", "HTTP/1.1 503 ", "starting\n"},
        {true, true, "", "HTTP/1.1 200 ", "ready\n"},
        {true, false, "storage does not answer", "HTTP/1.1 503 ", "storage does not answer\n"},
        {true, false, "", "HTTP/1.1 503 ", "not ready\n"},
        {true, true, "", "HTTP/1.1 200 ", "ready\n"},
    };
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++) {
        if (cases[i].told)
            kn_health_set(cases[i].ready, kn_str_from(cases[i].why));
        const char *text = ask("GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n");
        assert_memory_equal(text, cases[i].status, strlen(cases[i].status));
        assert_string_equal(strstr(text, "\r\n\r\n") + 4, cases[i].body);
        text = ask("GET /healthz HTTP/1.1\r\n\r\n");
        assert_memory_equal(text, "HTTP/1.1 200 ", 13);
    }
}

static void requests_are_answered_by_their_first_line(void **state)
{
    (void)state;
    static const struct {
        const char *request;
        const char *status;
        const char *has;
    } cases[] = {
        {"GET /healthz HTTP/1.1\r\n\r\n", "HTTP/1.1 200 ", "ok\n"},
        {"GET /healthz?verbose HTTP/1.0\r\n\r\n", "HTTP/1.1 200 ", "ok\n"},
        {"GET /metrics HTTP/1.1\r\n\r\n", "HTTP/1.1 200 ", "service=\"kanchi-test\""},
        {"GET /metrics HTTP/1.1\r\n\r\n", "HTTP/1.1 200 ", "\nprocess_resident_memory_bytes "},
        {"GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 404 ", "/readyz"},
        {"GET \r\n\r\n", "HTTP/1.1 404 ", ""},
        {"POST /healthz HTTP/1.1\r\n\r\n", "HTTP/1.1 405 ", ""},
        {"\r\n\r\n", "HTTP/1.1 405 ", ""},
        {"GET\r\n\r\n", "HTTP/1.1 405 ", ""},
    };
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++) {
        const char *text = ask(cases[i].request);
        assert_memory_equal(text, cases[i].status, strlen(cases[i].status));
        assert_non_null(strstr(text, cases[i].has));
    }
    assert_string_equal(strstr(ask("HEAD /healthz HTTP/1.1\r\n\r\n"), "\r\n\r\n"), "\r\n\r\n");
}

static void a_head_without_end_is_not_answered(void **state)
{
    (void)state;
    char *long_head = calloc(1, 2049);
    memset(long_head, 'x', 2048);
    assert_string_equal(ask(long_head), "");
    free(long_head);
    assert_non_null(strstr(ask("GET /healthz HTTP/1.1\r\n\r\n"), "ok\n"));
}

static void connections_that_say_nothing_do_not_keep_others_out(void **state)
{
    (void)state;
    enum { SILENT = 200 };
    int silent[SILENT];
    static const char *const paths[] = {"/healthz", "/readyz", "/metrics"};
    kn_health_set(true, KN_STR(""));
    int64_t begin = kn_time_mono();
    for (size_t i = 0; i < SILENT; i++) {
        char request[64];
        silent[i] = dial();
        if (i % 2) {
            assert_int_equal(send(silent[i], "GET /healthz", 12, MSG_NOSIGNAL), 12);
            continue;
        }
        snprintf(request, sizeof request, "GET %s HTTP/1.1\r\n\r\n", paths[i % 3]);
        if (memcmp(ask(request), "HTTP/1.1 200 ", 13) != 0)
            fail_msg("%s beside %zu others", paths[i % 3], i);
    }
    if (kn_time_mono() - begin > KN_MINUTE)
        fail_msg("others are waited for");
    for (size_t i = 0; i < SILENT; i++)
        assert_string_equal(hear(silent[i]), "");
}

static void an_address_that_is_taken_is_named(void **state)
{
    (void)state;
    char address[32];
    struct kn_buf error;
    kn_buf_init(&error, 0);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &size), 0);
    kn_health_stop();
    snprintf(address, sizeof address, "127.0.0.1:%d", ntohs(at.sin_port));
    assert_int_equal(kn_health_start(address, "kanchi-test", &error), KN_IO);
    kn_buf_text(&error, "");
    assert_non_null(memmem(error.data, error.len, address, strlen(address)));
    kn_buf_fini(&error);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(ready_is_what_was_told, start, stop),
        cmocka_unit_test_setup_teardown(requests_are_answered_by_their_first_line, start, stop),
        cmocka_unit_test_setup_teardown(a_head_without_end_is_not_answered, start, stop),
        cmocka_unit_test_setup_teardown(connections_that_say_nothing_do_not_keep_others_out, start,
                                        stop),
        cmocka_unit_test_setup_teardown(an_address_that_is_taken_is_named, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
