#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "services/control/settle/held.h"

#include "services/common/text/time.h"

enum { AT = 1000 };

static void tasks_of_a_worker_become_the_events_that_would_have_told_them(void **state)
{
    (void)state;
    struct celery_held_task active[] = {{.id = KN_STR("a"),
                                         .name = KN_STR("n"),
                                         .args_repr = KN_STR("(1,)"),
                                         .active = true,
                                         .started_at = 900},
                                        {.id = KN_STR("nameless"), .started_at = 900}};
    struct celery_held_task reserved[] = {
        {.id = KN_STR("r"), .name = KN_STR("n"), .args_repr = KN_STR("(2,)")}};
    struct celery_held_task scheduled[] = {{.id = KN_STR("s"), .name = KN_STR("n"), .eta = 5000}};
    static const struct {
        const char *id;
        enum kn_event_type type;
        int64_t at, eta;
    } want[] = {{"a", KN_EVENT_TASK_RECEIVED, 900, 0},
                {"a", KN_EVENT_TASK_STARTED, 900, 0},
                {"r", KN_EVENT_TASK_RECEIVED, AT, 0},
                {"s", KN_EVENT_TASK_RECEIVED, AT, 5000}};
    struct kn_msg_worker_inspect inspect = {.hostname = KN_STR("w@h")};
    const struct control_answer answer = {.inspect = &inspect,
                                          .active = {active, 2},
                                          .reserved = {reserved, 1},
                                          .scheduled = {scheduled, 1}};
    struct control_held_events events;
    struct kn_arena arena;
    kn_arena_init(&arena, 0);
    assert_int_equal(control_held_write(&answer, AT, &arena, &events), KN_OK);
    assert_int_equal(events.count, 4);
    for (size_t i = 0; i < events.count; i++) {
        const struct kn_msg_event *event = &events.items[i];
        assert_true(kn_str_eq(event->uuid, kn_str_from(want[i].id)));
        assert_int_equal(event->type, want[i].type);
        assert_int_equal(event->timestamp, want[i].at);
        assert_int_equal(event->eta, want[i].eta);
        assert_int_equal(event->origin, KN_ORIGIN_WORKER);
        assert_true(kn_str_eq(event->hostname, KN_STR("w@h")));
    }
    assert_true(kn_str_eq(events.items[0].args_repr, KN_STR("(1,)")));
    assert_null(events.items[2].args_repr.ptr);
    inspect.conf = KN_STR("{\"accept_content\":[\"json\"]}");
    assert_int_equal(control_held_write(&answer, AT, &arena, &events), KN_OK);
    assert_true(kn_str_eq(events.items[2].args_repr, KN_STR("(2,)")));
    inspect.conf = KN_STR("{\"accept_content\":[\"json\",\"pickle\"]}");
    assert_int_equal(control_held_write(&answer, AT, &arena, &events), KN_OK);
    assert_null(events.items[2].args_repr.ptr);
    kn_arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tasks_of_a_worker_become_the_events_that_would_have_told_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
