#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "services/launcher/cli_show.h"

#include "proto/enums.h"
#include "services/common/count.h"

#include <locale.h>

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
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++) {
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

static void texts_of_several_lines_keep_their_lines(void **state)
{
    (void)state;
    json_t *task = json_object();
    struct kn_buf out;
    kn_buf_init(&out, 0);
    json_object_set_new(task, "id", json_string("a"));
    json_object_set_new(task, "traceback", json_string("Traceback:\n  File \"a\"\r\nE: \x1b[1m\n"));
    json_object_set_new(task, "args", json_string("(1,)"));
    cli_members(&out, task);
    kn_buf_char(&out, '\0');
    assert_string_equal(out.data, "id: a\n"
                                  "traceback:\n"
                                  "    Traceback:\n"
                                  "      File \"a\"\n"
                                  "    E: \\x1b[1m\n"
                                  "args: (1,)\n");
    json_decref(task);
    kn_buf_fini(&out);
}

static void statuses_are_in_the_words_of_the_dashboard(void **state)
{
    (void)state;
    static const struct cli_column status[] = {{"STATUS", "status", false}, {0}};
    json_t *items = json_loads("[{\"status\":\"failure\"},{\"status\":\"orphaned\"},"
                               "{\"status\":\"online\"},{\"status\":\"new\"}]",
                               0, NULL);
    struct kn_buf out;
    kn_buf_init(&out, 0);
    cli_table(&out, items, status, 0);
    cli_members(&out, json_array_get(items, 0));
    kn_buf_char(&out, '\0');
    assert_string_equal(out.data, "STATUS\nFailed\nLost\nonline\nnew\nstatus: Failed\n");
    for (unsigned i = 0; i < KN_TASK_STATUS_COUNT; i++) {
        struct kn_str text = kn_str_from(kn_enum_text(&kn_enum_task_status, i));
        const char *label = kn_task_status_label(text);
        assert_non_null(label);
        assert_string_equal(kn_task_status_of_label(kn_str_from(label)), text.ptr);
    }
    assert_string_equal(kn_task_status_of_label(KN_STR("lost")), "orphaned");
    assert_null(kn_task_status_of_label(KN_STR("failure")));
    json_decref(items);
    kn_buf_fini(&out);
}

int main(void)
{
    setlocale(LC_CTYPE, "C.UTF-8");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_of_several_lines_keep_their_lines),
        cmocka_unit_test(tables_fit_the_terminal),
        cmocka_unit_test(statuses_are_in_the_words_of_the_dashboard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
