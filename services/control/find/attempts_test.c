#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "services/control/find/attempts.h"

#include "services/common/count.h"

static struct kn_arena arena; /* of what a test gets */

static struct kn_msg_event sent(const char *name, int64_t retries, const char *args, int64_t at)
{
    return (struct kn_msg_event){.type = KN_EVENT_TASK_SENT,
                                 .name = kn_str_from(name),
                                 .retries = KN_SOME_I64(retries),
                                 .args_repr = kn_str_from(args),
                                 .kwargs_repr = KN_STR("{}"),
                                 .queue = KN_STR("q"),
                                 .exchange = KN_STR(""),
                                 .received_at = at};
}

static struct kn_msg_event received(const char *name, int64_t retries, const char *args, int64_t at)
{
    struct kn_msg_event event = sent(name, retries, args, at);
    event.type = KN_EVENT_TASK_RECEIVED;
    event.queue = event.exchange = KN_STR_ABSENT;
    return event;
}

static struct control_attempts of(const struct kn_msg_event *events, size_t count)
{
    const struct kn_msg_task task = {.name = KN_STR("told"),
                                     .args_repr = KN_STR("(9,)"),
                                     .kwargs_repr = KN_STR("{}"),
                                     .retries = KN_SOME_I64(2)};
    struct control_attempts attempts;
    kn_arena_reset(&arena);
    assert_int_equal(control_attempts_of(events, count, &task, &arena, &attempts), KN_OK);
    return attempts;
}
#define OF(events) of(events, KN_COUNT_OF(events))

static void assert_text(struct kn_str got, const char *want)
{
    if (!kn_str_eq(got, kn_str_from(want)))
        fail_msg("\"%.*s\" is not \"%s\"", KN_STR_ARG(got), want);
}

static void an_alias_hides_no_name(void **state)
{
    (void)state;
    const struct kn_msg_event events[] = {received("adding", 0, "(2, 2)", 5),
                                          sent("add", 0, "(2, 2)", 6)};
    struct control_attempts attempts = OF(events);
    assert_int_equal(attempts.count, 1);
    assert_text(attempts.first->name, "add");
    assert_text(attempts.first->seen, "adding");
    assert_text(attempts.first->queue, "q");
    assert_true(attempts.certain);
}

static void the_first_call_and_the_last_attempt_are_told_apart(void **state)
{
    (void)state;
    const struct kn_msg_event events[] = {
        received("t", 2, "(3,)", 9), sent("t", 0, "(1,)", 1), received("t", 0, "(1,)", 2),
        sent("t", 1, "(2,)", 3),     sent("t", 2, "(3,)", 8),
    };
    struct control_attempts attempts = OF(events);
    assert_int_equal(attempts.count, 3);
    assert_text(attempts.first->args_repr, "(1,)");
    assert_text(attempts.last->args_repr, "(3,)");
    assert_false(control_attempts_same(attempts.first, attempts.last));
}

static void a_list_of_arguments_becomes_a_tuple(void **state)
{
    (void)state;
    const struct kn_msg_event lists[] = {sent("t", 0, "[1]", 1), sent("t", 1, "(1,)", 3)};
    struct control_attempts attempts = OF(lists);
    assert_int_equal(attempts.count, 2);
    assert_true(control_attempts_same(attempts.first, attempts.last));
    const struct kn_msg_event others[] = {sent("t", 0, "[1, 2]", 1), sent("t", 1, "(1,)", 3)};
    attempts = OF(others);
    assert_false(control_attempts_same(attempts.first, attempts.last));
}

static void the_latest_use_of_an_id_counts(void **state)
{
    (void)state;
    const struct kn_msg_event events[] = {sent("t", 0, "(1,)", 1), sent("t", 1, "(2,)", 3),
                                          sent("t", 0, "(7,)", 10)};
    struct control_attempts attempts = OF(events);
    assert_text(attempts.first->args_repr, "(7,)");
    assert_ptr_equal(attempts.first, attempts.last);
    const struct kn_msg_event replaced[] = {sent("a", 0, "(1,)", 1), sent("b", 0, "(1,)", 2)};
    attempts = OF(replaced);
    assert_text(attempts.first->name, "b");
}

/* Of protocol 1 a worker's events have no arguments. */
static void an_event_without_arguments_is_of_the_same_call(void **state)
{
    (void)state;
    struct kn_msg_event bare = received("t", 0, "", 5);
    bare.args_repr = bare.kwargs_repr = KN_STR_ABSENT;
    for (int first = 0; first < 2; first++) {
        const struct kn_msg_event one = sent("t", 0, "({'a': 1},)", 1);
        const struct kn_msg_event events[] = {first ? bare : one, first ? one : bare};
        struct control_attempts attempts = OF(events);
        assert_int_equal(attempts.count, 1);
        assert_text(attempts.first->args_repr, "({'a': 1},)");
        assert_text(attempts.first->kwargs_repr, "{}");
        assert_text(attempts.first->seen, "t");
    }
}

static void what_a_worker_said_takes_no_place_of_an_event(void **state)
{
    (void)state;
    struct kn_msg_event events[] = {sent("t", 0, "({'id': 5, 'x': 1},)", 1),
                                    received("t", 0, "({'x': 1},)", 9)};
    events[1].origin = KN_ORIGIN_WORKER;
    struct control_attempts attempts = OF(events);
    assert_int_equal(attempts.count, 1);
    assert_text(attempts.first->args_repr, "({'id': 5, 'x': 1},)");
    assert_false(attempts.first->learned);
    attempts = of(&events[1], 1);
    assert_text(attempts.first->args_repr, "({'x': 1},)");
    assert_true(attempts.first->learned);
    assert_true(of(NULL, 0).first->learned);
}

static void without_the_first_call_it_is_not_certain(void **state)
{
    (void)state;
    const struct kn_msg_event events[] = {received("t", 1, "(2,)", 3)};
    assert_false(OF(events).certain);
    struct control_attempts attempts = of(NULL, 0);
    assert_false(attempts.certain);
    assert_text(attempts.first->args_repr, "(9,)");
    assert_text(attempts.first->seen, "told");
}

static int set_up(void **state)
{
    (void)state;
    kn_arena_init(&arena, 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    kn_arena_fini(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_alias_hides_no_name),
        cmocka_unit_test(the_first_call_and_the_last_attempt_are_told_apart),
        cmocka_unit_test(a_list_of_arguments_becomes_a_tuple),
        cmocka_unit_test(the_latest_use_of_an_id_counts),
        cmocka_unit_test(an_event_without_arguments_is_of_the_same_call),
        cmocka_unit_test(what_a_worker_said_takes_no_place_of_an_event),
        cmocka_unit_test(without_the_first_call_it_is_not_certain),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
