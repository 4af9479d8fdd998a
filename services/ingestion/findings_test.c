#include "services/ingestion/findings.h"

#include "services/common/count.h"
#include "services/common/text/time.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define MB ((uint64_t)1 << 20)

static void each_trouble_is_told_with_its_remedy(void **state)
{
    (void)state;
    struct broker_url *redis = NULL, *rabbit = NULL;
    assert_int_equal(broker_url_parse(KN_STR("redis://"), &redis, NULL), KN_OK);
    assert_int_equal(broker_url_parse(KN_STR("amqp://"), &rabbit, NULL), KN_OK);
    const struct {
        struct ingest_facts facts;
        const char *codes[3]; /* in this order */
    } cases[] = {
        {{.note = "", .dir = "/d", .spool = {.bytes = 50 * MB, .max = 100 * MB}}, {NULL}},
        {{.note = "", .dir = "/d", .spool = {.bytes = 51 * MB, .max = 100 * MB}},
         {"spool_filling"}},
        {{.note = "", .dir = "/d", .spool = {.bytes = 99 * MB, .max = 100 * MB, .full = true}},
         {"spool_full"}},
        {{.note = "", .dir = "/d", .spool = {.max = 100 * MB, .error = ENOSPC}}, {"spool_failing"}},
        {{.note = "", .dir = "/d", .spool = {.max = 1, .dropped = 5, .damaged = 1}},
         {"spool_dropped", "spool_damaged"}},
        {{.note = "other limits"}, {"broker_note"}},
        {{.note = "", .alarm = "memory alarm"}, {"publishers_blocked"}},
        {{.note = "", .alarm = ""}, {NULL}},
        {{.note = "", .url = rabbit, .error = "ACCESS_REFUSED - access to queue 'a' refused"},
         {"access_refused"}},
        {{.note = "", .url = rabbit, .error = "ACCESS_REFUSED - Login was refused"},
         {"broker_login_refused"}},
        {{.note = "", .unmeasured = "NOPERM this user has no permissions (SCAN 0)"},
         {"access_refused"}},
        {{.note = "", .unread = {"application/x-python-serialize", 3, KN_SECOND}, .now = KN_MINUTE},
         {"events_unreadable"}},
        {{.note = "", .unread = {"yaml", 3, KN_SECOND}, .now = KN_HOUR}, {NULL}}, /* long ago */
        {{.note = "", .now = KN_SECOND}, {NULL}},
        {{.note = "", .clocks = {{{"w1@a", 7200 * KN_SECOND}, {"w2@b", -KN_MINUTE}}, 2, 2}},
         {"clock_skew", "clock_skew"}},
    };
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++) {
        struct kn_msg_finding *items = NULL;
        struct kn_arena arena;
        size_t count = 0;
        size_t expected = 0;
        struct ingest_facts facts = cases[i].facts;
        kn_arena_init(&arena, 0);
        facts.url = facts.url ? facts.url : redis;
        ingest_findings(&facts, &arena, &items, &count);
        for (; expected < 3 && cases[i].codes[expected]; expected++) {
            assert_true(expected < count);
            assert_true(kn_str_eq(items[expected].code, kn_str_from(cases[i].codes[expected])));
            assert_true(items[expected].text.len > 0 && items[expected].remedy.len > 0);
        }
        assert_int_equal(count, expected);
        kn_arena_fini(&arena);
    }
    broker_url_free(redis);
    broker_url_free(rabbit);
}

static void a_wrong_clock_is_told_with_its_worker_and_by_how_much(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "The clock of w1@a is 7200 seconds ahead of Kanchi's. Kanchi corrects the times of its "
        "events.",
        "The clock of w2@b is 60 seconds behind Kanchi's. Kanchi corrects the times of its "
        "events."};
    const struct ingest_facts facts = {
        .note = "", .clocks = {{{"w1@a", 7200 * KN_SECOND}, {"w2@b", -KN_MINUTE}}, 2, 2}};
    struct kn_msg_finding *items = NULL;
    struct kn_arena arena;
    size_t count = 0;
    kn_arena_init(&arena, 0);
    ingest_findings(&facts, &arena, &items, &count);
    assert_int_equal(count, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_true(kn_str_eq(items[i].subject, kn_str_from(facts.clocks.items[i].hostname)));
        assert_true(kn_str_eq(items[i].text, kn_str_from(texts[i])));
    }
    kn_arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_trouble_is_told_with_its_remedy),
        cmocka_unit_test(a_wrong_clock_is_told_with_its_worker_and_by_how_much)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
