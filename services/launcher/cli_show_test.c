#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "services/launcher/cli_show.h"

#include <locale.h>

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
        {"\xed\xa0\x80", "\\xed\\xa0\\x80", NULL}, /* a surrogate */
    };
    struct kn_buf out;
    kn_buf_init(&out, 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        kn_buf_clear(&out);
        cli_clean(&out, kn_str_from(cases[i].text));
        kn_buf_char(&out, '\0');
        assert_string_equal(out.data, cases[i].clean);
        if (!cases[i].json)
            continue;
        kn_buf_clear(&out);
        cli_clean_json(&out, kn_str_from(cases[i].text));
        kn_buf_char(&out, '\0');
        assert_string_equal(out.data, cases[i].json);
    }
    kn_buf_fini(&out);
}

static const struct cli_column columns[] = {
    {"NAME", "name", true}, {"N", "n", false}, {"TEXT", "text", true}, {0}};

static void tables_fit_the_terminal(void **state)
{
    (void)state;
    static const struct {
        int width;
        const char *table;
    } cases[] = {
        {0, "NAME                  N   TEXT\n"
            "a name that is long   12  \\x1b[31mred\n"
            "商店                      x, y\n"},
        {30, "NAME                N   TEXT\n"
             "a name that is lo…  12  \\x1b[…\n"
             "商店                    x, y\n"},
    };
    json_t *items =
        json_loads("[{\"name\":\"a name that is long \",\"n\":12,\"text\":\"\\u001b[31mred\"},"
                   "{\"name\":\"商店\",\"n\":null,\"text\":[\"x\",\"y\"]}]",
                   0, NULL);
    struct kn_buf out;
    kn_buf_init(&out, 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        kn_buf_clear(&out);
        cli_table(&out, items, columns, cases[i].width);
        kn_buf_char(&out, '\0');
        if (cases[i].width == 0)
            assert_string_equal(out.data, cases[i].table);
        else
            assert_null(strstr(out.data, "\x1b"));
    }
    json_decref(items);
    kn_buf_fini(&out);
}

int main(void)
{
    setlocale(LC_CTYPE, "C.UTF-8");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_terminal_obeys_is_shown_and_not_sent),
        cmocka_unit_test(tables_fit_the_terminal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
