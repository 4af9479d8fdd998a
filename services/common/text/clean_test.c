#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "services/common/count.h"
#include "services/common/process/log.h"
#include "services/common/process/service.h"
#include "services/common/text/clean.h"

#include <stdio.h>
#include <unistd.h>

/* NOLINTBEGIN(misc-misleading-bidirectional): the marks are what is tested */
static void what_a_terminal_obeys_is_shown_and_not_sent(void **state)
{
    (void)state;
    static const struct {
        const char *text, *clean, *json;
    } cases[] = {
        {"plain", "plain", "plain"},
        {"商店 é", "商店 é", "商店 é"},
        {"\x1b[2J\x07", "\\x1b[2J\\x07", NULL},
        {"a\nb\rc\td", "a\\nb\\x0dc\\x09d", NULL},
        {"\x7f", "\\x7f", "\\u007f"},
        {"\xc2\x9b"
         "31m",
         "\\x9b31m", "\\u009b31m"}, /* CSI in C1 */
        {"\xe2\x80\xae"
         "gpj.exe\xe2\x80\xac",
         "\\u202egpj.exe\\u202c", "\\u202egpj.exe\\u202c"},
        {"\xff\xfe", "\\xff\\xfe", "\\ufffd\\ufffd"},
        {"\xc3", "\\xc3", "\\ufffd"},
        {"\xd8\x9c\xe2\x80\x8f\xe2\x81\xa6\xe2\x80\xa8", "\\u061c\\u200f\\u2066\\u2028",
         "\\u061c\\u200f\\u2066\\u2028"},
        {"\xf3\xa0\x81\x81", "\\U000e0041", "\\udb40\\udc41"}, /* an invisible tag */
        {"\x1b]8;;http://x\x1b\\y\xc2\x9c", "\\x1b]8;;http://x\\x1b\\y\\x9c", NULL},
        {"\xed\xa0\x80", "\\xed\\xa0\\x80", NULL}, /* a surrogate */
    };
    struct kn_buf out;
    kn_buf_init(&out, 0);
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++) {
        kn_buf_clear(&out);
        kn_clean(&out, kn_str_from(cases[i].text));
        kn_buf_char(&out, '\0');
        assert_string_equal(out.data, cases[i].clean);
        if (!cases[i].json)
            continue;
        kn_buf_clear(&out);
        kn_clean_json(&out, kn_str_from(cases[i].text));
        kn_buf_char(&out, '\0');
        assert_string_equal(out.data, cases[i].json);
    }
    kn_buf_fini(&out);
}

/* Everything that is read from fd; it is closed. */
static size_t read_all(int fd, char *ret, size_t size)
{
    size_t len = 0;
    for (ssize_t n; (n = read(fd, ret + len, size - 1 - len)) > 0;)
        len += (size_t)n;
    ret[len] = '\0';
    close(fd);
    return len;
}

static void no_log_line_holds_what_a_terminal_obeys(void **state)
{
    (void)state;
    static const struct {
        const char *text, *plain;
    } cases[] = {
        {"\x1b[31mred", "\"\\u001b[31mred\""},
        {"\xc2\x9b"
         "31m",
         "\"\\u009b31m\""},
        {"\xe2\x80\xaegpj", "\"\\u202egpj\""},
        {"\xe2\x81\xa9\xd8\x9c", "\"\\u2069\\u061c\""},
        {"\xff", "\"\xef\xbf\xbd\""},
        {"商店", "商店"},
    };
    char line[4096], wanted[256];
    for (size_t i = 0; i < 2 * KN_COUNT_OF(cases); i++) {
        bool json = i % 2;
        int ends[2];
        assert_int_equal(pipe(ends), 0);
        kn_log_setup("test", KN_LOG_INFO, json);
        kn_log_to(ends[1]);
        KN_INFO("event", KN_F_TEXT("text", cases[i / 2].text));
        close(ends[1]);
        kn_log_to(STDERR_FILENO);
        size_t len = read_all(ends[0], line, sizeof line);
        assert_true(kn_clean_is((struct kn_str){line, len - 1}));
        const char *plain = cases[i / 2].plain;
        bool quoted = *plain == '"';
        snprintf(wanted, sizeof wanted, json ? "\"text\":%s%s%s" : "text=%s%s%s",
                 json && !quoted ? "\"" : "", plain, json && !quoted ? "\"" : "");
        if (!strstr(line, wanted))
            fail_msg("%s is not in %s", wanted, line);
    }
    kn_log_setup("test", KN_LOG_INFO, false);
}

/* NOLINTEND(misc-misleading-bidirectional) */

static void the_last_words_of_a_program_are_clean(void **state)
{
    (void)state;
    char line[4096];
    int ends[2], saved = dup(STDERR_FILENO);
    assert_int_equal(pipe(ends), 0);
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
    assert_int_equal(kn_die("test", 2, "bad: %s", "\x1b[2J\xc2\x9b\nx"), 2);
    dup2(saved, STDERR_FILENO);
    close(saved);
    (void)read_all(ends[0], line, sizeof line);
    assert_string_equal(line, "test: bad: \\x1b[2J\\x9b x\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_terminal_obeys_is_shown_and_not_sent),
        cmocka_unit_test(no_log_line_holds_what_a_terminal_obeys),
        cmocka_unit_test(the_last_words_of_a_program_are_clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
