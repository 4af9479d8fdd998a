#include "gateway/test.h"

#include "gateway/http/cursor.h"
#include "gateway/view/filter.h"
#include "services/common/count.h"
#include "services/common/text/time.h"

static void percent_decoding_takes_utf8_and_refuses_the_rest(void **state)
{
    (void)state;
    static const struct {
        struct kn_str text;
        bool plus;
        const char *want; /* NULL: refused */
    } cases[] = {
        {KN_STR("abc"), true, "abc"},       {KN_STR("a+b"), true, "a b"},
        {KN_STR("a+b"), false, "a+b"},      {KN_STR("a%2Fb%2fc"), false, "a/b/c"},
        {KN_STR("%E2%82%AC"), false, "€"},  {KN_STR(""), false, ""},
        {KN_STR("%"), false, NULL},         {KN_STR("%4"), false, NULL},
        {KN_STR("%4g"), false, NULL},       {KN_STR("%%41"), false, NULL},
        {KN_STR("%00"), false, NULL},       {KN_STR("a\0b"), false, NULL},
        {KN_STR("%FF"), false, NULL},       {KN_STR("%C0%AF"), false, NULL},
        {KN_STR("%ED%A0%80"), false, NULL},
    };
    struct kn_arena arena;
    kn_arena_init(&arena, 0);
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++) {
        struct kn_str got = KN_STR("untouched");
        enum kn_status status = gw_percent_decode(cases[i].text, cases[i].plus, &arena, &got);
        assert_int_equal(status, cases[i].want ? KN_OK : KN_INVALID);
        assert_str(got, cases[i].want ? cases[i].want : "untouched");
    }
    kn_arena_fini(&arena);
}

static const struct gw_param_spec specs[] = {
    GW_FILTER_PARAMS,
    GW_PARAM_CHOICE("sort", "-received_at", "received_at"),
    GW_PARAM_NUMBER("limit", 1, 500, 50),
    GW_PARAM_DURATION("step"),
    GW_PARAM_TEXT("cursor"),
    {0},
};

/* Reads what the task list reads; "" when all is well, else the parameter at fault. */
static const char *fault_of(const char *query, struct gw_params *params, struct kn_arena *arena)
{
    struct kn_msg_tasks_get get = {0};
    gw_params_init(params, kn_str_from(query), specs, arena);
    gw_filter_read(params, &get);
    gw_params_choice(params, "sort");
    gw_params_u64(params, "limit");
    gw_params_duration(params, "step");
    gw_params_text(params, "cursor");
    if (gw_params_finish(params))
        return "";
    assert_true(params->problem.status == 400 && params->problem.detail[0]);
    return params->problem.parameter;
}

static void a_wrong_parameter_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *query;
        const char *fault;
    } cases[] = {
        {"", ""},
        {"&&&", ""},
        {"status=failure&status=retry&name=a.b&limit=500", ""},
        {"from=2026-11-23T10:00:00Z&to=2026-11-23T11%3A00%3A00%2B01:00&step=5m", ""},
        {"status=broken", "status"},
        {"status=", "status"},
        {"status", "status"},
        {"limit=0", "limit"},
        {"limit=501", "limit"},
        {"limit=-1", "limit"},
        {"limit=1e2", "limit"},
        {"limit=18446744073709551617", "limit"},
        {"limit=5&limit=6", "limit"},
        {"sort=name", "sort"},
        {"from=yesterday", "from"},
        {"step=0", "step"},
        {"step=-5m", "step"},
        {"q=a&q=b", "q"},
        {"q=%zz", "q"},
        {"%zz=1", ""}, /* no name to tell: see below */
        {"nope=1", "nope"},
        {"limit=5&%3Cscript%3E=1", "<script>"},
    };
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++) {
        struct kn_arena arena;
        struct gw_params params;
        kn_arena_init(&arena, 0);
        assert_string_equal(fault_of(cases[i].query, &params, &arena), cases[i].fault);
        if (strcmp(cases[i].query, "%zz=1") == 0)
            assert_int_equal(params.problem.status, 400);
        kn_arena_fini(&arena);
    }
}

static void too_many_and_too_long_parameters_are_refused(void **state)
{
    (void)state;
    struct kn_arena arena;
    struct gw_params params;
    struct kn_buf query;
    kn_arena_init(&arena, 0);
    kn_buf_init(&query, 0);
    for (int i = 0; i <= GW_PARAMS_MAX; i++)
        kn_buf_text(&query, "name=a&");
    kn_buf_append(&query, "", 1);
    fault_of(query.data, &params, &arena);
    assert_int_equal(params.problem.status, 400);
    kn_buf_clear(&query);
    for (int i = 0; i <= GW_REPEAT_MAX; i++)
        kn_buf_text(&query, "name=a&");
    kn_buf_append(&query, "", 1);
    assert_string_equal(fault_of(query.data, &params, &arena), "name");
    kn_buf_clear(&query);
    kn_buf_text(&query, "q=");
    for (int i = 0; i <= GW_PARAM_MAX; i++)
        kn_buf_char(&query, 'x');
    kn_buf_append(&query, "", 1);
    assert_string_equal(fault_of(query.data, &params, &arena), "q");
    kn_buf_fini(&query);
    kn_arena_fini(&arena);
}

static uint64_t print_of(const char *query, struct kn_arena *arena)
{
    struct gw_params params;
    gw_params_init(&params, kn_str_from(query), NULL, arena);
    return gw_params_fingerprint(&params, KN_STR("/api/v1/tasks"));
}

static void a_cursor_belongs_to_its_parameters_in_any_order(void **state)
{
    (void)state;
    struct kn_arena arena;
    struct kn_buf text;
    struct kn_str position;
    kn_arena_init(&arena, 0);
    kn_buf_init(&text, 0);
    uint64_t print = print_of("status=failure&name=a", &arena);
    assert_true(print == print_of("name=a&limit=7&status=failure&cursor=x", &arena));
    assert_true(print != print_of("name=b&status=failure", &arena));
    assert_true(print != print_of("name=failure&status=a", &arena));

    for (size_t len = 0; len < 300; len++) {
        char data[300];
        memset(data, (int)len, sizeof data);
        kn_buf_clear(&text);
        gw_cursor_write(&text, print, (struct kn_str){data, len});
        assert_int_equal(kn_buf_status(&text), KN_OK);
        assert_int_equal(gw_cursor_read(kn_buf_view(&text), print, &arena, &position), KN_OK);
        assert_int_equal(position.len, len);
        assert_memory_equal(position.ptr, data, len);
        assert_int_equal(gw_cursor_read(kn_buf_view(&text), print + 1, &arena, &position),
                         KN_CONFLICT);
    }
    kn_buf_clear(&text);
    gw_cursor_write(&text, print, (struct kn_str){(char[400]){0}, 400});
    assert_int_equal(kn_buf_status(&text), KN_TOO_BIG);
    kn_buf_fini(&text);
    kn_arena_fini(&arena);
}

static void a_broken_cursor_is_refused(void **state)
{
    (void)state;
    static const struct kn_str cases[] = {
        KN_STR(""),         KN_STR("A"),       KN_STR("AQ"),           KN_STR("????"),
        KN_STR("AQ\0AAAA"), KN_STR("AQ==AAA"), KN_STR("AgAAAAAAAAAA"), KN_STR("AQAAAAAAAA AA"),
    };
    struct kn_arena arena;
    struct kn_str position;
    kn_arena_init(&arena, 0);
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++)
        assert_int_equal(gw_cursor_read(cases[i], 0, &arena, &position), KN_INVALID);
    kn_arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(percent_decoding_takes_utf8_and_refuses_the_rest),
        cmocka_unit_test(a_wrong_parameter_is_named),
        cmocka_unit_test(too_many_and_too_long_parameters_are_refused),
        cmocka_unit_test(a_cursor_belongs_to_its_parameters_in_any_order),
        cmocka_unit_test(a_broken_cursor_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
