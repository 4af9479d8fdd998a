#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "services/aggregation/ledger.h"
#include "services/common/data/sketch.h"

#include <stdio.h>

enum { COMMITS = 400, KEEP = 60 };

/* A storage with a feed of its own making, that fails when it is told to. */
struct fake {
    struct aggr_position position;
    uint64_t newest; /* commits that were made */
    uint64_t oldest; /* the first that is kept */
    int64_t count;
    struct kn_sketch runtime;
    unsigned random; /* state of the generator; 0: never fails */
};

static unsigned dice(struct fake *fake, unsigned sides)
{
    fake->random = fake->random * 1103515245u + 12345u;
    return (fake->random >> 16) % sides;
}

static bool fails(struct fake *fake)
{
    return fake->random && dice(fake, 5) == 0;
}

static int64_t count_of(uint64_t number)
{
    return (int64_t)(number % 7) - 2;
}

static double runtime_of(uint64_t number)
{
    return 0.001 * (double)(number % 100);
}

static enum kn_status fake_position(void *arg, struct aggr_position *ret)
{
    struct fake *fake = arg;
    if (fails(fake))
        return KN_TIMEOUT;
    *ret = fake->position;
    return KN_OK;
}

static void recount(struct fake *fake)
{
    fake->count = 0;
    kn_sketch_clear(&fake->runtime);
    for (uint64_t n = 1; n <= fake->newest; n++) {
        fake->count += count_of(n);
        assert_int_equal(kn_sketch_add(&fake->runtime, runtime_of(n), 1), KN_OK);
    }
    snprintf(fake->position.feed, sizeof fake->position.feed, "f");
    fake->position.number = fake->newest;
}

static void apply(struct fake *fake, const struct kn_msg_rollup_put *put)
{
    struct kn_sketch sketch;
    kn_sketch_init(&sketch);
    for (size_t i = 0; i < put->rows.count; i++) {
        fake->count += put->rows.items[i].count;
        assert_int_equal(kn_sketch_decode(&sketch, put->rows.items[i].runtime), KN_OK);
        assert_int_equal(kn_sketch_merge(&fake->runtime, &sketch), KN_OK);
    }
    kn_sketch_fini(&sketch);
    snprintf(fake->position.feed, sizeof fake->position.feed, "%.*s", KN_STR_ARG(put->feed));
    fake->position.number = put->to;
}

static enum kn_status fake_put(void *arg, const struct kn_msg_rollup_put *put)
{
    struct fake *fake = arg;
    assert_true(kn_str_eq(put->reader, KN_STR("rollups")));
    if (fails(fake))
        return KN_TIMEOUT; /* never came there */
    if (put->rebuild)
        recount(fake);
    else if (put->from != fake->position.number)
        return KN_CONFLICT;
    else
        apply(fake, put);
    return fails(fake) ? KN_TIMEOUT : KN_OK; /* the answer was lost */
}

static struct aggr_ledger *ledger_of(struct fake *fake)
{
    struct aggr_ledger_storage storage = {fake, fake_position, fake_put};
    struct aggr_ledger *ledger = aggr_ledger_new("rollups", &storage, 5, 1 << 20);
    assert_non_null(ledger);
    return ledger;
}

static enum aggr_ledger_next add(struct aggr_ledger *ledger, uint64_t number)
{
    double runtime = runtime_of(number);
    struct kn_msg_rollup_delta delta = {.minute = (int64_t)(number / 10) * 60,
                                        .count = count_of(number),
                                        .runtimes = {&runtime, 1}};
    struct kn_msg_feed commit = {
        .feed = KN_STR("f"), .number = number, .deltas = {.items = &delta, .count = 1}};
    return aggr_ledger_add(ledger, &commit);
}

/* One step of a reader: what it does next depends on dice. */
static enum aggr_ledger_next step(struct fake *fake, struct aggr_ledger *ledger,
                                  enum aggr_ledger_next next)
{
    uint64_t want = aggr_ledger_read_to(ledger) + 1;
    if (next == AGGR_LEDGER_RETRY || aggr_ledger_full(ledger) || dice(fake, 6) == 0)
        return aggr_ledger_flush(ledger);
    if (want < fake->oldest && want <= fake->newest)
        return aggr_ledger_rebuild(ledger, "f", fake->newest);
    if (want > fake->newest)
        return AGGR_LEDGER_READ;
    if (dice(fake, 20) == 0)
        want += dice(fake, 3); /* a hole, which a reader of the feed does not leave */
    return add(ledger, want);
}

static void produce(struct fake *fake)
{
    if (fake->newest < COMMITS && dice(fake, 3) > 0)
        fake->newest++;
    if (dice(fake, 60) == 0)
        fake->oldest = fake->newest > KEEP ? fake->newest - KEEP : 1;
    if (dice(fake, 300) == 0)
        fake->oldest = fake->newest + 1;
}

static void expect_exact(struct fake *fake)
{
    struct kn_sketch runtime;
    int64_t count = 0;
    kn_sketch_init(&runtime);
    for (uint64_t n = 1; n <= COMMITS; n++) {
        count += count_of(n);
        assert_int_equal(kn_sketch_add(&runtime, runtime_of(n), 1), KN_OK);
    }
    assert_int_equal(fake->count, count);
    assert_int_equal(fake->position.number, COMMITS);
    assert_int_equal(kn_sketch_subtract(&runtime, &fake->runtime), KN_OK);
    assert_true(kn_sketch_is_zero(&runtime));
    kn_sketch_fini(&runtime);
}

static void every_commit_counts_once_whatever_fails_and_dies(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 200; seed++) {
        struct fake fake = {.oldest = 1, .random = seed * 7919};
        kn_sketch_init(&fake.runtime);
        struct aggr_ledger *ledger = NULL;
        enum aggr_ledger_next next = AGGR_LEDGER_RETRY;
        for (unsigned i = 0; i < 1000000 && fake.position.number < COMMITS; i++) {
            produce(&fake);
            if (ledger && dice(&fake, 80) == 0) { /* killed */
                aggr_ledger_free(ledger);
                ledger = NULL;
            }
            if (!ledger) {
                ledger = ledger_of(&fake);
                while (aggr_ledger_start(ledger) == AGGR_LEDGER_RETRY)
                    ;
                next = AGGR_LEDGER_READ;
            }
            next = step(&fake, ledger, next);
        }
        expect_exact(&fake);
        aggr_ledger_free(ledger);
        kn_sketch_fini(&fake.runtime);
    }
}

static void a_bound_that_is_reached_is_said(void **state)
{
    (void)state;
    struct fake fake = {.oldest = 1, .newest = 100};
    kn_sketch_init(&fake.runtime);
    struct aggr_ledger *ledger = ledger_of(&fake);
    assert_int_equal(aggr_ledger_start(ledger), AGGR_LEDGER_RESET);
    uint64_t number = 1;
    for (; !aggr_ledger_full(ledger); number++)
        assert_int_equal(add(ledger, number), AGGR_LEDGER_READ);
    assert_in_range(number, 40, 60);
    assert_int_equal(aggr_ledger_flush(ledger), AGGR_LEDGER_READ);
    assert_false(aggr_ledger_full(ledger));
    assert_int_equal(fake.position.number, number - 1);
    assert_string_equal(fake.position.feed, "f");
    aggr_ledger_free(ledger);
    kn_sketch_fini(&fake.runtime);
}

static void commits_of_another_numbering_are_not_added(void **state)
{
    (void)state;
    struct fake fake = {.oldest = 1, .position = {.feed = "other", .number = 3}};
    kn_sketch_init(&fake.runtime);
    struct aggr_ledger *ledger = ledger_of(&fake);
    assert_int_equal(aggr_ledger_start(ledger), AGGR_LEDGER_RESET);
    assert_int_equal(aggr_ledger_position(ledger)->number, 3);
    assert_int_equal(add(ledger, 4), AGGR_LEDGER_RESET);
    assert_int_equal(aggr_ledger_rebuild(ledger, "f", 9), AGGR_LEDGER_RESET);
    assert_string_equal(aggr_ledger_position(ledger)->feed, "f");
    aggr_ledger_free(ledger);
    kn_sketch_fini(&fake.runtime);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_commit_counts_once_whatever_fails_and_dies),
        cmocka_unit_test(a_bound_that_is_reached_is_said),
        cmocka_unit_test(commits_of_another_numbering_are_not_added),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
