#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "services/control/find/waiting.h"

/* A message whose argsrepr is a text of so many é between "('" and "',)". */
static struct kn_msg_waiting show(struct kn_arena *arena, size_t letters)
{
    struct kn_buf envelope;
    struct kn_msg_waiting waiting;
    kn_buf_init(&envelope, 0);
    kn_buf_text(&envelope, "{\"body\":\"W1tdLHt9LHt9XQ==\",\"content-encoding\":\"utf-8\","
                           "\"content-type\":\"application/json\",\"headers\":{\"id\":\"1\","
                           "\"task\":\"t\",\"kwargsrepr\":\"{}\",\"argsrepr\":\"('");
    for (size_t i = 0; i < letters; i++)
        kn_buf_text(&envelope, "\\u00e9");
    kn_buf_text(&envelope, "',)\"},\"properties\":{\"body_encoding\":\"base64\"}}");
    control_waiting_show(
        &(struct broker_waiting){.envelope = kn_arena_str(arena, kn_buf_view(&envelope))}, arena,
        &waiting);
    kn_buf_fini(&envelope);
    return waiting;
}

static bool ends_in(struct kn_str text, const char *end)
{
    size_t len = strlen(end);
    return text.len >= len && memcmp(text.ptr + text.len - len, end, len) == 0;
}

static void what_celery_did_not_cut_is_whole(void **state)
{
    (void)state;
    struct kn_arena arena;
    kn_arena_init(&arena, 0);
    struct kn_msg_waiting waiting = show(&arena, 1018);
    assert_int_equal(waiting.args_repr.len, 2 * 1018 + 5);
    assert_true(ends_in(waiting.args_repr, "',)"));
    kn_arena_fini(&arena);
}

static void what_is_cut_says_so(void **state)
{
    (void)state;
    struct kn_arena arena;
    kn_arena_init(&arena, 0);
    struct kn_msg_waiting waiting = show(&arena, 100000);
    assert_true(waiting.args_repr.len < 10000);
    assert_true(kn_utf8_valid(waiting.args_repr));
    assert_true(ends_in(waiting.args_repr, "..."));
    kn_arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_celery_did_not_cut_is_whole),
        cmocka_unit_test(what_is_cut_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
