#include "services/ingestion/batch/clocks.h"

#include "services/common/count.h"
#include "services/common/text/time.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define NOW (INT64_C(1795473465) * KN_SECOND)
#define MS (KN_SECOND / 1000)

enum { HEARTBEAT = KN_EVENT_WORKER_HEARTBEAT, STARTED = KN_EVENT_TASK_STARTED };

/* An event of a sender whose clock is ahead by skew, sent at `at` and lag on its way (ms). */
static struct kn_msg_event tell(struct ingest_clocks *clocks, const char *host, uint8_t type,
                                int64_t skew, int64_t at, int64_t lag)
{
    struct kn_msg_event event = {.type = type,
                                 .hostname = kn_str_from(host),
                                 .timestamp = NOW + (at + skew) * MS,
                                 .received_at = NOW + (at + lag) * MS};
    ingest_clocks_event(clocks, &event);
    assert_true(event.timestamp + event.skew == NOW + (at + skew) * MS);
    return event;
}

static void is_at(const struct kn_msg_event *event, int64_t at, int64_t within)
{
    int64_t off = event->timestamp - NOW - at * MS;
    if (off > within * MS || off < -within * MS)
        fail_msg("%lld ms off", (long long)(off / MS));
}

static size_t wrong(const struct ingest_clocks *clocks)
{
    struct ingest_wrong_clocks found;
    ingest_clocks_wrong(clocks, 0, &found);
    return found.total;
}

static void a_right_clock_is_left_alone(void **state)
{
    (void)state;
    static const int64_t skews[] = {0, 3, -3, 900, -900};
    for (size_t i = 0; i < KN_COUNT_OF(skews); i++) {
        struct ingest_clocks *clocks = ingest_clocks_new(10);
        for (int64_t at = 0; at < 60000; at += 500) {
            ingest_clocks_live(clocks, NOW + (at - 100) * MS);
            uint8_t type = at % 2000 ? STARTED : HEARTBEAT;
            int64_t lag = type == HEARTBEAT ? 5 + at % 70 : 5 + at % 700;
            struct kn_msg_event event = tell(clocks, "w", type, skews[i], at, lag);
            assert_int_equal(event.skew, 0);
        }
        assert_int_equal(wrong(clocks), 0);
        ingest_clocks_free(clocks);
    }
}

static void a_wrong_clock_is_corrected(void **state)
{
    (void)state;
    static const struct {
        int64_t skew, from; /* ms */
    } cases[] = {{1500, 0},      {7200000, 0},  {108000000, 0}, {-7200000, 0},
                 {-72000000, 0}, {-1500, 2000}, {-30000, 2000}};
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++) {
        struct ingest_clocks *clocks = ingest_clocks_new(10);
        int64_t before = 0;
        for (int64_t at = 0; at < 60000; at += 500) {
            ingest_clocks_live(clocks, NOW + (at - 1000) * MS);
            uint8_t type = at % 2000 ? STARTED : HEARTBEAT;
            int64_t lag = 5 + at % 7;
            struct kn_msg_event event = tell(clocks, "w", type, cases[i].skew, at, lag);
            if (at < cases[i].from)
                continue;
            is_at(&event, at, 10);
            assert_true(before == 0 || event.skew == before); /* distances are kept */
            before = event.skew;
        }
        struct ingest_wrong_clocks found;
        ingest_clocks_wrong(clocks, 0, &found);
        assert_int_equal(found.total, 1);
        assert_string_equal(found.items[0].hostname, "w");
        int64_t off = found.items[0].skew - cases[i].skew * MS;
        assert_true(off >= -10 * MS && off <= 10 * MS);
        ingest_clocks_wrong(clocks, NOW + KN_HOUR, &found);
        assert_int_equal(found.total, 0);
        ingest_clocks_free(clocks);
    }
}

/* We were busy when its first event came; the next ones were faster. */
static void a_first_event_that_was_slow_is_believed_as_far_as_it_proves(void **state)
{
    (void)state;
    static const int64_t skews[] = {-7200000, 7200000};
    for (size_t i = 0; i < KN_COUNT_OF(skews); i++) {
        struct ingest_clocks *clocks = ingest_clocks_new(10);
        ingest_clocks_live(clocks, NOW);
        tell(clocks, "w", HEARTBEAT, skews[i], 1000, 4000);
        for (int64_t at = 5000; at < 8000; at += 100) {
            struct kn_msg_event event = tell(clocks, "w", STARTED, skews[i], at, 5);
            is_at(&event, at, 10);
        }
        ingest_clocks_free(clocks);
    }
}

/* What a shovel or a federated broker held back, while our own queue was empty. */
static void a_backlog_of_somebody_else_is_not_a_clock_that_is_behind(void **state)
{
    (void)state;
    static const int64_t lags[] = {20000, 120000, 3600000};
    for (size_t i = 0; i < KN_COUNT_OF(lags); i++) {
        struct ingest_clocks *clocks = ingest_clocks_new(10);
        int64_t marked = 0;
        for (int64_t at = 0; at < lags[i]; at += 2000) { /* ten times as fast as it was sent */
            int64_t now = lags[i] + at / 10;
            ingest_clocks_live(clocks, NOW + (now - 1) * MS);
            struct kn_msg_event event = tell(clocks, "w", HEARTBEAT, 0, at, now - at);
            marked += event.skew != 0;
        }
        assert_true(marked <= 1); /* the first one may be taken for a clock that is far off */
        ingest_clocks_live(clocks, NOW + 2 * lags[i] * MS);
        struct kn_msg_event event = tell(clocks, "w", HEARTBEAT, 0, 2 * lags[i], 5);
        assert_int_equal(event.skew, 0);
        assert_int_equal(wrong(clocks), 0);
        ingest_clocks_free(clocks);
    }
}

static void events_that_are_sent_again_in_any_order_are_not_either(void **state)
{
    (void)state;
    struct ingest_clocks *clocks = ingest_clocks_new(10);
    uint32_t dice = 12345;
    for (int64_t now = 0; now < 10000; now += 5) {
        dice = dice * 1664525u + 1013904223u;
        ingest_clocks_live(clocks, NOW + (now - 1) * MS);
        int64_t at = now - 20000 - (int64_t)((dice >> 8) % 30000);
        struct kn_msg_event event = tell(clocks, "client", KN_EVENT_TASK_SENT, 0, at, now - at);
        assert_int_equal(event.skew, 0);
    }
    ingest_clocks_free(clocks);
}

static void what_waited_for_us_is_not_taken_for_a_clock_that_is_behind(void **state)
{
    (void)state;
    struct ingest_clocks *clocks = ingest_clocks_new(10);
    for (int64_t at = 0; at < 60000; at += 500) { /* a minute's backlog, read in a second */
        struct kn_msg_event event = tell(clocks, "w", HEARTBEAT, 0, at, 3600000 - at + at / 60);
        assert_int_equal(event.skew, 0);
    }
    ingest_clocks_live(clocks, NOW + 3601000 * MS);
    struct kn_msg_event event = tell(clocks, "w", HEARTBEAT, 0, 3602000, 5);
    assert_int_equal(event.skew, 0);
    assert_int_equal(wrong(clocks), 0);
    ingest_clocks_free(clocks);
}

static void what_a_worker_kept_back_is_not_either(void **state)
{
    (void)state;
    struct ingest_clocks *clocks = ingest_clocks_new(10);
    tell(clocks, "w", HEARTBEAT, 0, 0, 5);
    ingest_clocks_live(clocks, NOW + 599000 * MS);
    struct kn_msg_event stale = tell(clocks, "w", HEARTBEAT, 0, 2000, 598000);
    assert_int_equal(stale.skew, 0);
    for (int64_t at = 2000; at < 600000; at += 1000) {
        struct kn_msg_event event = tell(clocks, "w", STARTED, 0, at, 600000 - at);
        assert_int_equal(event.skew, 0);
    }
    struct kn_msg_event online = tell(clocks, "w", KN_EVENT_WORKER_ONLINE, 0, 600000, 5);
    assert_int_equal(online.skew, 0);
    ingest_clocks_free(clocks);
}

static void a_clock_that_is_set_is_believed_when_two_events_say_so(void **state)
{
    (void)state;
    static const struct {
        int64_t before, after;
    } cases[] = {{0, 7200000}, {7200000, 0}, {0, -7200000}, {-7200000, 0}, {-60000, 60000}};
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++) {
        struct ingest_clocks *clocks = ingest_clocks_new(10);
        for (int64_t at = 0; at < 20000; at += 500) {
            ingest_clocks_live(clocks, NOW + (at - 100) * MS);
            tell(clocks, "w", HEARTBEAT, cases[i].before, at, 5);
        }
        for (int64_t at = 20000; at < 40000; at += 500) {
            ingest_clocks_live(clocks, NOW + (at - 100) * MS);
            struct kn_msg_event event = tell(clocks, "w", HEARTBEAT, cases[i].after, at, 5);
            assert_true(event.timestamp <= event.received_at + KN_SECOND);
            if (at >= 22000)
                is_at(&event, at, 10);
        }
        assert_int_equal(wrong(clocks), cases[i].after != 0);
        ingest_clocks_free(clocks);
    }
}

static void when_our_own_clock_is_set_all_seem_wrong_at_once(void **state)
{
    (void)state;
    static const int64_t sets[] = {3600000, -3600000, 60000, -60000, 2000};
    for (size_t i = 0; i < KN_COUNT_OF(sets); i++) {
        struct ingest_clocks *clocks = ingest_clocks_new(10);
        for (int64_t at = 0; at < 20000; at += 500) {
            ingest_clocks_live(clocks, NOW + (at - 100) * MS);
            tell(clocks, "right", HEARTBEAT, 0, at, 5);
            tell(clocks, "ahead", HEARTBEAT, 60000, at, 5);
        }
        ingest_clocks_set(clocks, sets[i] * MS);
        struct kn_msg_event event = tell(clocks, "right", STARTED, -sets[i], 30000 + sets[i], 5);
        is_at(&event, 30000 + sets[i], 10);
        event = tell(clocks, "ahead", STARTED, 60000 - sets[i], 30000 + sets[i], 5);
        is_at(&event, 30000 + sets[i], 10);
        ingest_clocks_set(clocks, -sets[i] * MS);
        event = tell(clocks, "right", STARTED, 0, 40000, 700);
        assert_int_equal(event.skew, 0);
        assert_int_equal(wrong(clocks), 1);
        ingest_clocks_free(clocks);
    }
}

static void one_forged_event_spoils_nothing(void **state)
{
    (void)state;
    struct ingest_clocks *clocks = ingest_clocks_new(10);
    tell(clocks, "w", HEARTBEAT, 0, 0, 5);
    struct kn_msg_event forged = tell(clocks, "w", HEARTBEAT, 86000000, 1000, 5);
    is_at(&forged, 1005, 0);
    struct kn_msg_event event = tell(clocks, "w", STARTED, 0, 2000, 5);
    assert_int_equal(event.skew, 0);
    forged = tell(clocks, "", STARTED, 86000000, 3000, 5);
    is_at(&forged, 3005, 0);
    assert_int_equal(wrong(clocks), 0);
    ingest_clocks_free(clocks);
}

static void senders_are_bounded_and_the_latest_are_remembered(void **state)
{
    (void)state;
    enum { MOST = 100 };
    struct ingest_clocks *clocks = ingest_clocks_new(MOST);
    char name[300];
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "w%d", i);
        tell(clocks, name, HEARTBEAT, 7200000, i, 5);
        tell(clocks, "always", HEARTBEAT, 7200000, i, 5);
        assert_true(wrong(clocks) <= MOST + 2);
    }
    struct kn_msg_event event = tell(clocks, "always", STARTED, 7200000, 2000, 700);
    is_at(&event, 2000, 10); /* known: else it would be at its arrival */
    event = tell(clocks, "w999", STARTED, 7200000, 2000, 700);
    is_at(&event, 2000, 10);
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    event = tell(clocks, name, HEARTBEAT, 7200000, 3000, 5);
    is_at(&event, 3005, 0);
    ingest_clocks_free(clocks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_right_clock_is_left_alone),
        cmocka_unit_test(a_wrong_clock_is_corrected),
        cmocka_unit_test(a_first_event_that_was_slow_is_believed_as_far_as_it_proves),
        cmocka_unit_test(a_backlog_of_somebody_else_is_not_a_clock_that_is_behind),
        cmocka_unit_test(events_that_are_sent_again_in_any_order_are_not_either),
        cmocka_unit_test(what_waited_for_us_is_not_taken_for_a_clock_that_is_behind),
        cmocka_unit_test(what_a_worker_kept_back_is_not_either),
        cmocka_unit_test(a_clock_that_is_set_is_believed_when_two_events_say_so),
        cmocka_unit_test(when_our_own_clock_is_set_all_seem_wrong_at_once),
        cmocka_unit_test(one_forged_event_spoils_nothing),
        cmocka_unit_test(senders_are_bounded_and_the_latest_are_remembered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
