#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "services/common/count.h"
#include "services/common/text/time.h"
#include "services/control/ask/roster.h"

#include <math.h>

static struct kn_arena arena;

static int begin(void **state)
{
    (void)state;
    kn_arena_init(&arena, 0);
    return 0;
}

static int end(void **state)
{
    (void)state;
    kn_arena_fini(&arena);
    return 0;
}

static void list_one(struct control_roster *roster, struct kn_msg_worker *worker)
{
    control_roster_update(
        roster, &(struct kn_msg_worker_list){.items = {.items = worker, .count = 1}}, KN_SECOND);
}

static void list(struct control_roster *roster, const char *name, int status, uint64_t pid,
                 int64_t started_at)
{
    struct kn_msg_worker worker = {.hostname = kn_str_from(name),
                                   .status = (uint8_t)status,
                                   .pid = pid,
                                   .started_at = started_at};
    if (name)
        list_one(roster, &worker);
    else
        control_roster_update(roster, &(struct kn_msg_worker_list){{0}}, KN_SECOND);
}

/* Questions that the one worker is to be asked; asks them. */
static unsigned demand(struct control_roster *roster, int64_t second)
{
    struct control_demand d;
    if (!control_roster_demand(roster, second * KN_SECOND, 10, &arena, &d))
        return 0;
    assert_int_equal(d.count, 1);
    assert_true(kn_str_eq(d.hostnames[0], KN_STR("a@h")));
    control_roster_asked(roster, &d);
    return d.questions;
}

static struct kn_msg_worker_inspect answer(struct control_roster *roster, uint64_t pid, double cpu,
                                           int64_t second)
{
    struct kn_msg_worker_inspect inspect = {
        .hostname = KN_STR("a@h"), .pid = pid, .cpu_seconds = KN_SOME_F64(cpu)};
    control_roster_answer(roster, &inspect, 1u << CONTROL_ASK_STATS, second * KN_SECOND);
    return inspect;
}

static void a_worker_is_asked_when_it_appears_comes_back_or_was_restarted(void **state)
{
    (void)state;
    static const struct {
        uint64_t pid;
        int64_t started_at;
        int status;
        bool asked;
    } cases[] = {
        {0, 0, KN_WORKER_OFFLINE, false},  {0, 0, KN_WORKER_ONLINE, true},
        {7, 0, KN_WORKER_ONLINE, false}, /* more is known of the same */
        {7, 50, KN_WORKER_ONLINE, false},  {8, 50, KN_WORKER_ONLINE, true}, /* another process */
        {8, 60, KN_WORKER_ONLINE, true}, /* the same number, in a container */
        {8, 60, KN_WORKER_OFFLINE, false}, {8, 60, KN_WORKER_ONLINE, true},
    };
    struct control_roster *roster = control_roster_new(10, true);
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++) {
        list(roster, "a@h", cases[i].status, cases[i].pid, cases[i].started_at);
        assert_int_equal(demand(roster, 1), cases[i].asked ? CONTROL_ASK_ALL : 0);
        assert_int_equal(demand(roster, 1), 0);
    }
    control_roster_again(roster, KN_STR("a@h"));
    assert_int_equal(demand(roster, 1), CONTROL_ASK_ALL);
    control_roster_free(roster);
}

static void events_are_not_switched_on_where_that_is_forbidden(void **state)
{
    (void)state;
    struct control_roster *roster = control_roster_new(10, false);
    list(roster, "a@h", KN_WORKER_ONLINE, 1, 1);
    assert_int_equal(demand(roster, 1), CONTROL_ASK_ALL & ~(1u << CONTROL_ASK_EVENTS));
    control_roster_free(roster);
}

static void list_events(struct control_roster *roster, int64_t events, int64_t started_at)
{
    struct kn_msg_worker workers[] = {{.hostname = KN_STR("a@h"),
                                       .status = KN_WORKER_ONLINE,
                                       .started_at = started_at,
                                       .events_enabled = KN_SOME_I64(events)},
                                      {.hostname = KN_STR("b@h"), .status = KN_WORKER_ONLINE}};
    workers[0].events_enabled.set = events >= 0;
    control_roster_update(roster,
                          &(struct kn_msg_worker_list){.items = {.items = workers, .count = 2}}, 0);
}

static bool everybody_but_a(const struct control_roster *roster)
{
    struct control_demand d;
    if (!control_roster_unheld(roster, NULL, 0, &arena, &d))
        return false;
    assert_int_equal(d.count, 1);
    assert_true(kn_str_eq(d.hostnames[0], KN_STR("b@h")));
    const struct kn_str only_a = KN_STR("a@h"), only_b = KN_STR("b@h");
    assert_true(control_roster_unheld(roster, &only_a, 1, &arena, &d));
    assert_int_equal(d.count, 0);
    assert_false(control_roster_unheld(roster, &only_b, 1, &arena, &d));
    return true;
}

static void
events_that_somebody_switched_off_stay_off_until_the_worker_is_started_anew(void **state)
{
    (void)state;
    struct control_roster *roster = control_roster_new(10, true);
    struct kn_msg_service_status status;
    list_events(roster, 1, 5);
    assert_false(everybody_but_a(roster));
    control_roster_hold(roster, KN_STR("a@h"), true);
    assert_true(everybody_but_a(roster));
    list_events(roster, 1, 5); /* what storage said before */
    assert_true(everybody_but_a(roster));
    list_events(roster, 0, 5);
    assert_true(everybody_but_a(roster));
    struct kn_msg_worker_inspect inspect = {.hostname = KN_STR("a@h"),
                                            .events_enabled = KN_SOME_I64(1)};
    control_roster_answer(roster, &inspect, 1u << CONTROL_ASK_CONF, 1);
    assert_false(inspect.events_enabled.set); /* worker_send_task_events is how it began */
    control_roster_findings(roster, KN_STR("s"), KN_SECOND, &arena, &status);
    assert_string_equal(status.findings.items[0].code.ptr, "events_switched_off");
    list_events(roster, 1, 5); /* switched on by somebody else */
    assert_false(everybody_but_a(roster));
    list_events(roster, 0, 5);
    control_roster_hold(roster, KN_STR("a@h"), false);
    assert_false(everybody_but_a(roster));
    control_roster_hold(roster, KN_STR("a@h"), true);
    list_events(roster, -1, 9);
    assert_false(everybody_but_a(roster));
    control_roster_free(roster);

    roster = control_roster_new(10, true); /* control was started anew */
    list_events(roster, 0, 9);
    assert_true(everybody_but_a(roster));
    control_roster_hold(roster, KN_STR("none@h"), true);
    control_roster_free(roster);
}

static void cpu_is_the_difference_of_two_samples_of_one_process(void **state)
{
    (void)state;
    struct control_roster *roster = control_roster_new(10, true);
    list(roster, "a@h", KN_WORKER_ONLINE, 7, 1);
    assert_int_equal(demand(roster, 99), CONTROL_ASK_ALL);
    assert_false(answer(roster, 7, 10, 100).cpu_percent.set);
    assert_int_equal(demand(roster, 104), 0);
    assert_int_equal(demand(roster, 105), 1u << CONTROL_ASK_STATS); /* soon, once */
    struct kn_opt_f64 cpu = answer(roster, 7, 12, 105).cpu_percent;
    assert_true(cpu.set && fabs(cpu.value - 40) < 1e-9);
    assert_int_equal(demand(roster, 200), 0);
    assert_false(answer(roster, 7, 12, 105).cpu_percent.set); /* too soon */
    cpu = answer(roster, 7, 12, 165).cpu_percent;
    assert_true(cpu.set && cpu.value == 0);
    assert_false(answer(roster, 9, 100, 170).cpu_percent.set); /* another process */
    assert_false(answer(roster, 9, 1, 180).cpu_percent.set);   /* in a container */
    cpu = answer(roster, 9, 2, 190).cpu_percent;
    assert_true(cpu.set && fabs(cpu.value - 10) < 1e-9);
    control_roster_free(roster);
}

static size_t findings(struct control_roster *roster, struct kn_msg_service_status *status)
{
    control_roster_findings(roster, KN_STR("s"), KN_SECOND, &arena, status);
    return status->findings.count;
}

static void findings_name_the_workers_and_the_remedy(void **state)
{
    (void)state;
    struct control_roster *roster = control_roster_new(10, false);
    struct kn_msg_service_status status;
    static const char *const names[] = {"a@h", "b@h", "c@h", "d@h", "e@h"};
    for (size_t i = 0; i < 5; i++) {
        struct kn_msg_worker_inspect inspect = {
            .hostname = kn_str_from(names[i]),
            .conf = KN_STR("{\"result_backend\":\"x\",\"result_extended\":true}")};
        if (i == 4) {
            inspect.conf = KN_STR("{\"result_backend\":\"x\",\"task_send_sent_event\":true}");
            inspect.events_enabled = KN_SOME_I64(1);
        }
        control_roster_answer(roster, &inspect, 1u << CONTROL_ASK_CONF, 1);
    }
    assert_int_equal(findings(roster, &status), 3);
    const struct kn_msg_finding *found = status.findings.items;
    assert_string_equal(found[0].code.ptr, "events_disabled");
    assert_string_equal(found[0].subject.ptr, "a@h, b@h, c@h and 1 others");
    assert_true(found[0].remedy.len > 0);
    assert_string_equal(found[1].code.ptr, "no_task_sent_event");
    assert_string_equal(found[2].code.ptr, "no_result_extended");
    assert_string_equal(found[2].subject.ptr, "e@h");
    control_roster_free(roster);
}

static void a_worker_that_does_not_answer_is_asked_again_and_found(void **state)
{
    (void)state;
    struct control_roster *roster = control_roster_new(10, true);
    struct kn_msg_service_status status;
    list(roster, "a@h", KN_WORKER_ONLINE, 7, 1);
    static const int64_t asked_at[] = {100, 101, 103, 107, 115, 131};
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(findings(roster, &status), i >= 4);
        assert_int_equal(demand(roster, asked_at[i] - 1), i == 0 ? CONTROL_ASK_ALL : 0);
        assert_int_equal(demand(roster, asked_at[i]), i == 0 ? 0 : CONTROL_ASK_ALL);
        control_roster_settle(roster, asked_at[i] * KN_SECOND);
    }
    assert_int_equal(demand(roster, 10000), 0);
    assert_string_equal(status.findings.items[0].code.ptr, "worker_silent");
    control_roster_asked(roster, &(struct control_demand){.questions = CONTROL_ASK_ALL});
    answer(roster, 7, 1, 1);
    control_roster_settle(roster, 1);
    assert_int_equal(findings(roster, &status), 0);
    list(roster, NULL, 0, 0, 0);
    assert_int_equal(control_roster_online(roster), 0);
    control_roster_free(roster);
}

static void the_roster_has_a_bound(void **state)
{
    (void)state;
    struct control_roster *roster = control_roster_new(1, true);
    answer(roster, 1, 1, 1);
    struct kn_msg_worker_inspect other = {.hostname = KN_STR("b@h")};
    control_roster_answer(roster, &other, 1u << CONTROL_ASK_STATS, 1);
    assert_int_equal(control_roster_online(roster), 1);
    assert_int_equal(control_roster_left_out(roster), 1);
    control_roster_free(roster);
}

static void two_workers_of_one_name_are_told_apart_and_left_in_peace(void **state)
{
    (void)state;
    static const struct {
        uint64_t pid;
        int64_t twins_at; /* seconds, as storage says */
        bool asked, twins;
    } cases[] = {
        {7, 0, true, false},    {8, 0, true, false}, /* restarted? */
        {7, 1000, false, true}, {7, 1002, false, true}, {8, 1003, false, true},
    };
    struct kn_msg_service_status status = {0};
    struct control_roster *roster = control_roster_new(10, true);
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++) {
        list_one(roster, &(struct kn_msg_worker){.hostname = KN_STR("a@h"),
                                                 .status = KN_WORKER_ONLINE,
                                                 .pid = cases[i].pid,
                                                 .last_received_at = 1004 * KN_SECOND,
                                                 .twins_at = cases[i].twins_at * KN_SECOND});
        assert_int_equal(demand(roster, 1) != 0, cases[i].asked);
        assert_int_equal(control_roster_has_twins(roster, KN_STR("a@h"), KN_SECOND),
                         cases[i].twins);
    }
    control_roster_findings(roster, KN_STR("s"), KN_SECOND, &arena, &status);
    bool found = false;
    for (size_t i = 0; i < status.findings.count; i++)
        found |= kn_str_eq(status.findings.items[i].code, KN_STR("worker_name_shared"));
    assert_true(found);
    assert_false(control_roster_has_twins(roster, KN_STR("a@h"), KN_HOUR));
    control_roster_note_twins(roster, KN_STR("a@h"), KN_HOUR);
    assert_true(control_roster_has_twins(roster, KN_STR("a@h"), KN_HOUR));
    control_roster_free(roster);
}

static void twins_of_yesterday_are_none(void **state)
{
    (void)state;
    struct control_roster *roster = control_roster_new(10, true);
    list_one(roster, &(struct kn_msg_worker){.hostname = KN_STR("a@h"),
                                             .status = KN_WORKER_ONLINE,
                                             .pid = 7,
                                             .last_received_at = 2 * KN_DAY,
                                             .twins_at = KN_DAY});
    assert_false(control_roster_has_twins(roster, KN_STR("a@h"), KN_SECOND));
    control_roster_free(roster);
}

static void a_worker_whose_answers_are_not_read_is_not_a_silent_one(void **state)
{
    (void)state;
    static const struct {
        struct kn_str body;
        bool unread;
    } cases[] = {
        {KN_STR("\x80\x05\x95\x10\0\0\0\0\0\0\0}\x94\x8c\x03"
                "a@h\x94}\x94"),
         true},
        {KN_STR("\x80\x02}q\0X\x03\0\0\0"
                "a@hq\x01}"),
         true},
        {KN_STR("a@h:\n  ok: x\n"), true},
        {KN_STR("}\x8c\x04"
                "aa@h\x94"),
         false},
        {KN_STR(""), false},
    };
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++) {
        struct kn_msg_service_status status = {0};
        struct control_roster *roster = control_roster_new(10, true);
        list(roster, "a@h", KN_WORKER_ONLINE, 7, 0);
        for (int64_t second = 1; second < 60; second += 12) {
            demand(roster, second);
            control_roster_unread(roster, cases[i].body);
            control_roster_settle(roster, second * KN_SECOND);
        }
        control_roster_findings(roster, KN_STR("s"), KN_SECOND, &arena, &status);
        assert_int_equal(status.findings.count, 1);
        assert_true(kn_str_eq(status.findings.items[0].code, cases[i].unread
                                                                 ? KN_STR("worker_serializer")
                                                                 : KN_STR("worker_silent")));
        control_roster_free(roster);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_worker_is_asked_when_it_appears_comes_back_or_was_restarted),
        cmocka_unit_test(events_are_not_switched_on_where_that_is_forbidden),
        cmocka_unit_test(
            events_that_somebody_switched_off_stay_off_until_the_worker_is_started_anew),
        cmocka_unit_test(cpu_is_the_difference_of_two_samples_of_one_process),
        cmocka_unit_test(findings_name_the_workers_and_the_remedy),
        cmocka_unit_test(a_worker_that_does_not_answer_is_asked_again_and_found),
        cmocka_unit_test(twins_of_yesterday_are_none),
        cmocka_unit_test(two_workers_of_one_name_are_told_apart_and_left_in_peace),
        cmocka_unit_test(a_worker_whose_answers_are_not_read_is_not_a_silent_one),
        cmocka_unit_test(the_roster_has_a_bound),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
