#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "services/aggregation/liveness.h"
#include "services/common/count.h"
#include "services/common/text/time.h"

#include <stdio.h>

/* The wall clock is ahead of the other one by this. */
static const int64_t WALL = 1700000000 * KN_SECOND;

static struct aggr_liveness *make(void)
{
    return aggr_liveness_new(&(struct aggr_liveness_options){
        .missed_max = 3, .silence_us = 15 * KN_SECOND, .workers_max = 3});
}

/* now, heard: seconds. */
static void worker(struct aggr_liveness *l, const char *name, double freq, int status,
                   int64_t heard, int64_t now)
{
    struct kn_msg_worker w = {.source = KN_STR("s"),
                              .hostname = kn_str_from(name),
                              .status = (uint8_t)status,
                              .last_seen = 77,
                              .last_received_at = WALL + heard * KN_SECOND};
    if (freq > 0)
        w.freq = KN_SOME_F64(freq);
    aggr_liveness_worker(l, &w, WALL + now * KN_SECOND, now * KN_SECOND);
}

static void mark(struct aggr_liveness *l, int state, double lag, int64_t since, int64_t now)
{
    struct kn_msg_ingestion_status ingestion = {.source = KN_STR("s"),
                                                .state = (uint8_t)state,
                                                .lag_seconds = lag,
                                                .since = WALL + since * KN_SECOND};
    struct kn_msg_service_status service = {.state = KN_SERVICE_READY, .ingestion = &ingestion};
    aggr_liveness_mark(
        l, &(struct kn_msg_feed_mark){.number = 10, .services = {.items = &service, .count = 1}},
        WALL + now * KN_SECOND, now * KN_SECOND);
}

static bool dead(struct aggr_liveness *l, int64_t now)
{
    struct kn_msg_worker_liveness verdict;
    if (!aggr_liveness_next(l, now * KN_SECOND, &verdict))
        return false;
    assert_int_equal(verdict.status, KN_WORKER_OFFLINE);
    assert_int_equal(verdict.last_seen, 77);
    return true;
}

static void a_silent_worker_is_dead_after_its_own_heartbeats(void **state)
{
    (void)state;
    static const struct {
        double freq;
        int64_t silent, alive_at, dead_at;
    } cases[] = {
        {2, 15, 1015, 1016},  /* the least silence */
        {30, 90, 1090, 1091}, /* three heartbeats */
        {0, 150, 1150, 1151}, /* sends none */
        {1e300, 10800, 11800, 11801},
    };
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++) {
        struct aggr_liveness *l = make();
        aggr_liveness_position(l, 10);
        worker(l, "w", cases[i].freq, KN_WORKER_ONLINE, 1000, 1000);
        mark(l, KN_LINK_CONNECTED, 0, 10, cases[i].alive_at);
        assert_false(dead(l, cases[i].alive_at));
        mark(l, KN_LINK_CONNECTED, 0, 10, cases[i].dead_at);
        assert_true(dead(l, cases[i].dead_at));
        assert_false(dead(l, cases[i].dead_at)); /* said once */
        aggr_liveness_free(l);
    }
}

static void nothing_is_said_while_nothing_can_be_heard(void **state)
{
    (void)state;
    struct aggr_liveness *l = make();
    worker(l, "w", 2, KN_WORKER_ONLINE, 1000, 1000);
    assert_false(dead(l, 1100)); /* no mark yet */
    mark(l, KN_LINK_CONNECTED, 0, 10, 1100);
    assert_false(dead(l, 1100)); /* the feed is behind */
    aggr_liveness_position(l, 10);
    mark(l, KN_LINK_AWAY, 0, 1050, 1100);
    assert_false(dead(l, 1100)); /* the broker is away */
    mark(l, KN_LINK_CONNECTED, 0, 1095, 1100);
    assert_false(dead(l, 1100)); /* it is back, but not for long */
    mark(l, KN_LINK_CONNECTED, 200, 10, 1101);
    assert_false(dead(l, 1101)); /* ingestion lags */
    mark(l, KN_LINK_CONNECTED, 0, 10, 1102);
    assert_false(dead(l, 1110)); /* the mark is old */
    aggr_liveness_mark(l, &(struct kn_msg_feed_mark){.number = 10}, WALL + 1111 * KN_SECOND,
                       1111 * KN_SECOND);
    assert_false(dead(l, 1111)); /* no ingestion */
    mark(l, KN_LINK_CONNECTED, 0, 1111, 1112);
    assert_false(dead(l, 1112));
    mark(l, KN_LINK_CONNECTED, 0, 1111, 1127);
    assert_true(dead(l, 1127));
    aggr_liveness_free(l);
}

static void the_clock_of_the_worker_does_not_matter(void **state)
{
    (void)state;
    struct aggr_liveness *l = make();
    aggr_liveness_position(l, 10);
    struct kn_msg_worker w = {.source = KN_STR("s"),
                              .hostname = KN_STR("w"),
                              .status = KN_WORKER_ONLINE,
                              .freq = KN_SOME_F64(2),
                              .last_seen = 1,
                              .last_received_at = WALL + 1000 * KN_SECOND};
    aggr_liveness_worker(l, &w, WALL + 1000 * KN_SECOND, 1000 * KN_SECOND);
    mark(l, KN_LINK_CONNECTED, 0, 10, 1010);
    assert_false(dead(l, 1010));
    aggr_liveness_free(l);
}

static void an_unknown_worker_is_dead_when_its_broker_is_back_and_it_stays_silent(void **state)
{
    (void)state;
    struct aggr_liveness *l = make();
    struct kn_msg_metrics metrics = {0};
    aggr_liveness_position(l, 10);
    worker(l, "w", 2, KN_WORKER_UNKNOWN, 1000, 1000);
    mark(l, KN_LINK_CONNECTED, 0, 10, 1000);
    mark(l, KN_LINK_AWAY, 0, 1001, 1090);
    assert_false(dead(l, 1090));
    mark(l, KN_LINK_CONNECTED, 0, 1100, 1125);
    assert_false(dead(l, 1125)); /* its timeout begins anew, and it looks for the broker */
    aggr_liveness_read(l, &metrics);
    assert_int_equal(metrics.workers_unknown, 1);
    assert_int_equal(metrics.workers_offline, 0);
    mark(l, KN_LINK_CONNECTED, 0, 1100, 1126);
    assert_true(dead(l, 1126)); /* 15 s, and the 10 s of the outage */
    aggr_liveness_free(l);
}

static void after_a_restart_the_age_of_the_last_event_counts(void **state)
{
    (void)state;
    struct aggr_liveness *l = make();
    aggr_liveness_position(l, 10);
    worker(l, "w", 2, KN_WORKER_ONLINE, 500, 1000);
    worker(l, "v", 2, KN_WORKER_ONLINE, 995, 1000);
    worker(l, "gone", 2, KN_WORKER_OFFLINE, 100, 1000);
    mark(l, KN_LINK_CONNECTED, 0, 10, 1000);
    assert_true(dead(l, 1000));
    assert_false(dead(l, 1000));
    struct kn_msg_metrics metrics = {0};
    aggr_liveness_read(l, &metrics);
    assert_int_equal(metrics.workers_online, 2);
    assert_int_equal(metrics.workers_offline, 1);
    aggr_liveness_free(l);
}

static void a_worker_that_answers_lives_without_heartbeats(void **state)
{
    (void)state;
    struct aggr_liveness *l = make();
    aggr_liveness_position(l, 10);
    struct kn_msg_worker w = {.source = KN_STR("s"),
                              .hostname = KN_STR("w"),
                              .status = KN_WORKER_ONLINE,
                              .inspected_at = WALL + 1000 * KN_SECOND};
    aggr_liveness_worker(l, &w, WALL + 1001 * KN_SECOND, 1001 * KN_SECOND);
    mark(l, KN_LINK_CONNECTED, 0, 10, 1149);
    assert_false(dead(l, 1149));
    mark(l, KN_LINK_CONNECTED, 0, 10, 1151);
    struct kn_msg_worker_liveness verdict;
    assert_true(aggr_liveness_next(l, 1151 * KN_SECOND, &verdict));
    aggr_liveness_free(l);
}

static void a_verdict_is_repeated_until_storage_took_it(void **state)
{
    (void)state;
    struct aggr_liveness *l = make();
    aggr_liveness_position(l, 10);
    worker(l, "w", 2, KN_WORKER_ONLINE, 1000, 1000);
    mark(l, KN_LINK_CONNECTED, 0, 10, 1020);
    assert_true(dead(l, 1020));
    mark(l, KN_LINK_CONNECTED, 0, 10, 1026);
    assert_true(dead(l, 1026));
    worker(l, "w", 2, KN_WORKER_OFFLINE, 1000, 1027);
    mark(l, KN_LINK_CONNECTED, 0, 10, 1040);
    assert_false(dead(l, 1040));
    worker(l, "w", 2, KN_WORKER_ONLINE, 1041, 1041);
    mark(l, KN_LINK_CONNECTED, 0, 10, 1042);
    assert_false(dead(l, 1042));
    mark(l, KN_LINK_CONNECTED, 0, 10, 1058);
    assert_true(dead(l, 1058));
    aggr_liveness_free(l);
}

static void one_of_two_ingestions_is_enough(void **state)
{
    (void)state;
    struct aggr_liveness *l = make();
    aggr_liveness_position(l, 10);
    worker(l, "w", 2, KN_WORKER_ONLINE, 1000, 1000);
    struct kn_msg_ingestion_status both[] = {
        {.source = KN_STR("s"), .state = KN_LINK_AWAY, .since = WALL},
        {.source = KN_STR("s"), .state = KN_LINK_CONNECTED, .since = WALL + 1},
    };
    struct kn_msg_service_status services[] = {
        {.state = KN_SERVICE_READY, .ingestion = &both[1]},
        {.state = KN_SERVICE_READY, .ingestion = &both[0]},
        {.state = KN_SERVICE_READY},
    };
    struct kn_msg_feed_mark m = {.number = 10, .services = {.items = services, .count = 3}};
    aggr_liveness_mark(l, &m, WALL + 1020 * KN_SECOND, 1020 * KN_SECOND);
    assert_true(dead(l, 1020));
    services[0].state = KN_SERVICE_AWAY;
    worker(l, "w", 2, KN_WORKER_ONLINE, 1021, 1021);
    aggr_liveness_mark(l, &m, WALL + 1060 * KN_SECOND, 1060 * KN_SECOND);
    assert_false(dead(l, 1060));
    aggr_liveness_free(l);
}

static void the_longest_dead_makes_room_for_a_new_one(void **state)
{
    (void)state;
    struct aggr_liveness *l = make();
    char name[16];
    for (int i = 0; i < 8; i++) {
        snprintf(name, sizeof name, "w%d", i);
        worker(l, name, 2, i < 2 ? KN_WORKER_ONLINE : KN_WORKER_OFFLINE, 1000 + i, 1010);
    }
    struct kn_msg_metrics metrics = {0};
    aggr_liveness_read(l, &metrics);
    assert_int_equal(metrics.workers_online, 2);
    assert_int_equal(metrics.workers_offline, 1);
    worker(l, "x", 2, KN_WORKER_ONLINE, 1010, 1010);
    worker(l, "y", 2, KN_WORKER_ONLINE, 1010, 1010);
    assert_int_equal(aggr_liveness_left_out(l), 1);
    aggr_liveness_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_silent_worker_is_dead_after_its_own_heartbeats),
        cmocka_unit_test(nothing_is_said_while_nothing_can_be_heard),
        cmocka_unit_test(the_clock_of_the_worker_does_not_matter),
        cmocka_unit_test(an_unknown_worker_is_dead_when_its_broker_is_back_and_it_stays_silent),
        cmocka_unit_test(after_a_restart_the_age_of_the_last_event_counts),
        cmocka_unit_test(a_worker_that_answers_lives_without_heartbeats),
        cmocka_unit_test(a_verdict_is_repeated_until_storage_took_it),
        cmocka_unit_test(one_of_two_ingestions_is_enough),
        cmocka_unit_test(the_longest_dead_makes_room_for_a_new_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
