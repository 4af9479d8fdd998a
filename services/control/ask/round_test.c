#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "services/control/ask/round.h"

#include "services/common/count.h"

#define STATS "{\"pid\":7,\"rusage\":{\"utime\":1,\"stime\":2,\"maxrss\":2048}}"
static const unsigned TWO = 1u << CONTROL_ASK_STATS | 1u << CONTROL_ASK_CONF;

static struct control_round *make(size_t workers_max, size_t bytes_max)
{
    struct control_round *round =
        control_round_new(&(struct control_round_options){.source = KN_STR("s"),
                                                          .questions = TWO,
                                                          .at = 42,
                                                          .workers_max = workers_max,
                                                          .bytes_max = bytes_max});
    assert_non_null(round);
    return round;
}

static enum kn_status reply(struct control_round *round, enum control_question question,
                            const char *host, const char *value)
{
    struct celery_reply r = {.hostname = kn_str_from(host), .value = kn_str_from(value)};
    return control_round_reply(round, question, &r);
}

static void replies_of_a_worker_become_one_inspection(void **state)
{
    (void)state;
    struct control_round *round = make(10, 1 << 20);
    struct control_answer answer;
    assert_int_equal(reply(round, CONTROL_ASK_STATS, "a", STATS), KN_OK);
    assert_int_equal(reply(round, CONTROL_ASK_CONF, "b",
                           "{\"broker_url\":\"redis://:pw@h\",\"worker_send_task_events\":true}"),
                     KN_OK);
    assert_false(control_round_take(round, false, &answer));
    assert_int_equal(control_round_answered(round), 1);
    assert_int_equal(reply(round, CONTROL_ASK_STATS, "b", STATS), KN_OK);
    assert_true(control_round_take(round, false, &answer));
    assert_string_equal(answer.inspect->hostname.ptr, "b");
    assert_string_equal(answer.inspect->source.ptr, "s");
    assert_int_equal(answer.inspect->at, 42);
    assert_int_equal(answer.answered, TWO);
    assert_true(answer.inspect->cpu_seconds.value == 3);
    assert_true(answer.inspect->memory_mb.value == 2);
    assert_int_equal(answer.inspect->events_enabled.value, 1);
    assert_null(memmem(answer.inspect->conf.ptr, answer.inspect->conf.len, "pw", 2));
    assert_false(control_round_take(round, false, &answer));
    assert_true(control_round_take(round, true, &answer));
    assert_string_equal(answer.inspect->hostname.ptr, "a");
    assert_int_equal(answer.answered, 1u << CONTROL_ASK_STATS);
    assert_false(control_round_take(round, true, &answer));
    control_round_free(round);
}

static void what_does_not_answer_the_question_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *host, *value;
        enum control_question question;
        bool failed;
    } cases[] = {
        {"a", "{\"error\":\"x\"}", CONTROL_ASK_STATS, true},
        {"a", "[]", CONTROL_ASK_STATS, false},
        {"", STATS, CONTROL_ASK_STATS, false},
        {"\xff", STATS, CONTROL_ASK_STATS, false},
        {"a", "1", CONTROL_ASK_CONF, false},
        {"a", "[]", CONTROL_ASK_QUEUES, false}, /* not asked */
        {"a", STATS, CONTROL_QUESTION_COUNT, false},
    };
    struct control_round *round = make(10, 1 << 20);
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++) {
        struct celery_reply r = {.hostname = kn_str_from(cases[i].host),
                                 .value = kn_str_from(cases[i].value),
                                 .failed = cases[i].failed};
        assert_int_equal(control_round_reply(round, cases[i].question, &r), KN_INVALID);
    }
    struct control_answer answer;
    assert_false(control_round_take(round, true, &answer));
    assert_int_equal(control_round_counters(round).refused, 7);
    control_round_free(round);
}

static void a_worker_that_speaks_twice_counts_once(void **state)
{
    (void)state;
    struct control_round *round = make(10, 1 << 20);
    struct control_answer answer;
    assert_int_equal(reply(round, CONTROL_ASK_STATS, "a", STATS), KN_OK);
    assert_int_equal(reply(round, CONTROL_ASK_STATS, "a", STATS), KN_OK);
    assert_int_equal(reply(round, CONTROL_ASK_CONF, "a", "{}"), KN_OK);
    assert_true(control_round_take(round, false, &answer));
    assert_int_equal(reply(round, CONTROL_ASK_STATS, "a", STATS), KN_OK);
    assert_false(control_round_take(round, true, &answer));
    assert_int_equal(control_round_answered(round), 1);
    control_round_free(round);
}

static void workers_and_bytes_have_bounds(void **state)
{
    (void)state;
    struct control_round *round = make(1, 1 << 20);
    assert_int_equal(reply(round, CONTROL_ASK_STATS, "a", STATS), KN_OK);
    assert_int_equal(reply(round, CONTROL_ASK_STATS, "b", STATS), KN_FULL);
    assert_int_equal(control_round_counters(round).left_out, 1);
    control_round_free(round);
    round = make(10, 20);
    assert_int_equal(reply(round, CONTROL_ASK_STATS, "a", STATS), KN_FULL);
    assert_int_equal(reply(round, CONTROL_ASK_STATS, "b", STATS), KN_FULL);
    control_round_free(round);
}

static void two_processes_of_one_name_are_noticed(void **state)
{
    (void)state;
    static const struct {
        const char *first, *second;
        bool twins;
    } cases[] = {
        {"{\"pid\":7,\"uptime\":50}", "{\"pid\":7,\"uptime\":50}", false},
        {"{\"pid\":7,\"uptime\":50}", "{\"pid\":8,\"uptime\":50}", true},
        {"{\"pid\":1,\"uptime\":50}", "{\"pid\":1,\"uptime\":20}", true}, /* in containers */
    };
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++) {
        struct control_round *round = make(10, 1 << 20);
        assert_int_equal(reply(round, CONTROL_ASK_STATS, "a", cases[i].first), KN_OK);
        assert_int_equal(reply(round, CONTROL_ASK_STATS, "a", cases[i].second), KN_OK);
        struct kn_str name = control_round_twins(round);
        assert_int_equal(name.len, cases[i].twins);
        assert_int_equal(control_round_twins(round).len, 0);
        control_round_free(round);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replies_of_a_worker_become_one_inspection),
        cmocka_unit_test(what_does_not_answer_the_question_is_refused),
        cmocka_unit_test(a_worker_that_speaks_twice_counts_once),
        cmocka_unit_test(two_processes_of_one_name_are_noticed),
        cmocka_unit_test(workers_and_bytes_have_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
