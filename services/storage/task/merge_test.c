#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "services/storage/task/merge.h"

#include "services/common/count.h"
#include "services/common/text/time.h"

#include <stdio.h>
#include <stdlib.h>

enum { EVENTS_MAX = 8 };

/* ---- random events ------------------------------------------------------------------- */

static uint64_t random_state = 88172645463325252u;

static unsigned below(unsigned n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (unsigned)(random_state >> 11) % n;
}

static struct kn_str pick(void)
{
    static const struct kn_str choices[] = {{NULL, 0}, {"", 0},   {"a", 1},
                                            {"b", 1},  {"ab", 2}, {"\xc3\xa4", 2}};
    return choices[below(KN_COUNT_OF(choices))];
}

static struct kn_msg_event random_event(void)
{
    struct kn_msg_event e = {.type = (uint8_t)below(KN_EVENT_TASK_RETRIED + 1),
                             .type_name = KN_STR("task-progress"),
                             .uuid = KN_STR("id"),
                             .timestamp = 1000 + below(4),
                             .clock = below(3),
                             .pid = below(2),
                             .received_at = below(2) ? 0 : 1000 + below(4) * KN_SECOND,
                             .skew = (int64_t)below(3) - 1,
                             .requeue = below(2),
                             .hostname = pick(),
                             .name = pick(),
                             .args_repr = pick(),
                             .kwargs_repr = pick(),
                             .result_repr = pick(),
                             .exception = pick(),
                             .traceback = pick(),
                             .root_id = pick(),
                             .parent_id = pick(),
                             .queue = pick(),
                             .exchange = pick(),
                             .routing_key = pick(),
                             .signum = pick(),
                             .retries = {below(3), below(2)},
                             .runtime = {below(3), below(2)},
                             .eta = below(3),
                             .expires = below(3),
                             .terminated = below(2),
                             .expired = below(2),
                             .origin = (uint8_t)below(KN_ORIGIN_COUNT)};
    if (e.origin != KN_ORIGIN_EVENTS && below(4) == 0)
        e.type = KN_EVENT_TASK_ORPHANED;
    return e;
}

/* Everything that a record says, as bytes. */
static struct kn_str dump(struct kn_buf *out, const struct merge_task *record)
{
    struct merge_task room;
    const struct merge_task *task = merge_view(record, &room);
    enum kn_origin origin;
    enum kn_task_status status = merge_status(task, &origin);
    double wait = -1;
    bool waited = merge_queue_wait(task, &wait);
    kn_buf_clear(out);
    kn_buf_printf(out, "%d %d %d %f %d %ld %ld|", status, origin, waited, wait, task->seen,
                  (long)task->first_at, (long)task->latest_at);
    for (unsigned t = 0; t < MERGE_LEARNED_COUNT; t++)
        kn_buf_printf(out, "%ld %d|", (long)merge_time(task, (enum merge_type)t),
                      task->types & 1u << t ? task->origins[t] : -1);
    for (unsigned i = 0; i < MERGE_TEXT_COUNT; i++)
        kn_buf_json_str(out, task->text[i]);
    kn_buf_printf(out, "%d %ld %d %f %ld %ld %d %d", task->retries.set, (long)task->retries.value,
                  task->runtime.set, task->runtime.value, (long)task->eta, (long)task->expires,
                  task->revoked.terminated, task->revoked.expired);
    kn_buf_json_str(out, task->revoked.signum);
    kn_buf_printf(out, "%d %ld %ld", task->requeued, (long)task->skew,
                  (long)merge_completed_at(task));
    merge_order_encode(out, record);
    assert_int_equal(kn_buf_status(out), KN_OK);
    return kn_buf_view(out);
}

/* A record as it comes back from a row: columns, and the order bytes. */
static struct merge_task through_row(const struct merge_task *task)
{
    struct kn_buf order;
    struct merge_task row = *task;
    kn_buf_init(&order, 0);
    merge_order_encode(&order, task);
    for (unsigned t = 0; t < MERGE_TYPE_COUNT; t++) /* what was learned is kept beside it */
        row.type_key[t].clock = 77;
    memset(row.origins, 77, sizeof row.origins);
    memset(row.sender, 77, sizeof row.sender);
    memset(&row.retried, 77, sizeof row.retried);
    row.attempt = row.skew = 77;
    row.first_started = (struct merge_key){77, 77};
    memset(row.text_key, 77, sizeof row.text_key);
    memset(&row.retries_key, 77, sizeof row.retries_key);
    memset(&row.runtime_key, 77, sizeof row.runtime_key);
    assert_int_equal(merge_order_decode(kn_buf_view(&order), &row), KN_OK);
    kn_buf_fini(&order);
    return row;
}

static void assert_same(const struct merge_task *a, const struct merge_task *b)
{
    struct kn_buf x, y;
    kn_buf_init(&x, 0);
    kn_buf_init(&y, 0);
    struct kn_str left = dump(&x, a), right = dump(&y, b);
    if (!kn_str_eq(left, right))
        fail_msg("%.*s\n%.*s", KN_STR_ARG(left), KN_STR_ARG(right));
    kn_buf_fini(&x);
    kn_buf_fini(&y);
}

static struct merge_task merged(const struct kn_msg_event *events, const unsigned *order, size_t n)
{
    struct merge_task task = {0};
    for (size_t i = 0; i < n; i++)
        merge_event(&task, &events[order ? order[i] : i]);
    return task;
}

/* ---- properties ---------------------------------------------------------------------- */

static bool next_permutation(unsigned *p, size_t n)
{
    size_t i = n ? n - 1 : 0;
    while (i > 0 && p[i - 1] >= p[i])
        i--;
    if (i == 0)
        return false;
    size_t j = n - 1;
    while (p[j] <= p[i - 1])
        j--;
    unsigned swap = p[i - 1];
    p[i - 1] = p[j], p[j] = swap;
    for (size_t a = i, b = n - 1; a < b; a++, b--)
        swap = p[a], p[a] = p[b], p[b] = swap;
    return true;
}

static void every_order_of_arrival_gives_the_same_record(void **state)
{
    (void)state;
    for (int round = 0; round < 150; round++) {
        struct kn_msg_event events[5];
        unsigned order[] = {0, 1, 2, 3, 4};
        for (size_t i = 0; i < 5; i++)
            events[i] = random_event();
        struct merge_task want = merged(events, NULL, 5);
        do {
            struct merge_task got = merged(events, order, 5);
            assert_same(&want, &got);
        } while (next_permutation(order, 5));
    }
}

static void any_split_and_repetition_gives_the_same_record(void **state)
{
    (void)state;
    for (int round = 0; round < 20000; round++) {
        struct kn_msg_event events[EVENTS_MAX];
        size_t n = 1 + below(EVENTS_MAX);
        for (size_t i = 0; i < n; i++)
            events[i] = random_event();
        struct merge_task want = merged(events, NULL, n), parts[3] = {0}, got = {0};
        for (size_t i = 0; i < n; i++)
            merge_event(&parts[below(3)], &events[i]);
        for (size_t i = 0; i < n / 2; i++)
            merge_event(&parts[below(3)], &events[below((unsigned)n)]);
        unsigned first = below(3);
        for (unsigned i = 0; i < 4; i++) {
            struct merge_task *part = &parts[(first + i) % 3];
            if (merge_is_empty(part))
                continue;
            struct merge_task row = through_row(part);
            merge_join(&got, &row);
            got = through_row(&got);
        }
        assert_same(&want, &got);
    }
}

static void joining_nothing_changes_nothing(void **state)
{
    (void)state;
    struct kn_msg_event event = random_event();
    struct merge_task nothing = {0}, task = merged(&event, NULL, 1), same = task;
    merge_join(&same, &nothing);
    assert_same(&task, &same);
    merge_join(&nothing, &task);
    assert_same(&task, &nothing);
}

/* ---- single cases -------------------------------------------------------------------- */

enum { S = KN_EVENT_TASK_SENT, R, ST, OK, F, REJ, REV, RET };

static void status_follows_precedence_and_the_latest_retry(void **state)
{
    (void)state;
    static const struct {
        uint8_t types[EVENTS_MAX]; /* each a microsecond after the one before */
        enum kn_task_status want;
    } cases[] = {
        {{S}, KN_TASK_PENDING},
        {{S, R}, KN_TASK_RECEIVED},
        {{S, R, ST}, KN_TASK_STARTED},
        {{ST, R, S}, KN_TASK_STARTED},
        {{OK, ST}, KN_TASK_SUCCESS},
        {{F, OK}, KN_TASK_SUCCESS},
        {{OK, F}, KN_TASK_SUCCESS},
        {{REV, ST}, KN_TASK_REVOKED},
        {{R, REJ}, KN_TASK_REJECTED},
        {{R, ST, REJ}, KN_TASK_REJECTED},
        {{REJ}, KN_TASK_REJECTED},
        {{OK, R}, KN_TASK_RECEIVED}, /* the id is used again */
        {{OK, R, ST}, KN_TASK_STARTED},
        {{OK, R, ST, F}, KN_TASK_FAILURE},
        {{REV, R, REV}, KN_TASK_REVOKED},
        {{R, ST, RET}, KN_TASK_RETRY},
        {{R, ST, RET, S}, KN_TASK_PENDING},
        {{R, ST, RET, R}, KN_TASK_RECEIVED},
        {{R, ST, RET, R, ST, OK}, KN_TASK_SUCCESS},
        {{OK, RET}, KN_TASK_SUCCESS}, /* its event is late */
        {{OK, RET, R}, KN_TASK_RECEIVED},
    };
    for (size_t c = 0; c < KN_COUNT_OF(cases); c++) {
        struct merge_task task = {0};
        enum kn_origin origin;
        for (int i = 0; i < EVENTS_MAX && cases[c].types[i]; i++)
            merge_event(&task, &(struct kn_msg_event){.type = cases[c].types[i],
                                                      .hostname = KN_STR("w"),
                                                      .timestamp = 1000 + i});
        enum kn_task_status status = merge_status(&task, &origin);
        if (status != cases[c].want)
            fail_msg("case %zu: %s", c, kn_enum_text(&kn_enum_task_status, status));
    }
}

/* Events of two workers and a client, in any order of arrival. ms: the sender's own time,
 * lag: until it arrived. */
struct told {
    uint8_t type;
    const char *host;
    uint64_t clock;
    int ms, lag;
    int retries; /* of received and sent, + 1; of rejected: whether it is requeued */
};

static struct kn_msg_event event_of(const struct told *told)
{
    int64_t at = 1000 * KN_SECOND + told->ms * INT64_C(1000);
    return (struct kn_msg_event){.type = told->type,
                                 .hostname = kn_str_from(told->host),
                                 .pid = 7,
                                 .clock = told->clock,
                                 .timestamp = at,
                                 .received_at = at + told->lag * INT64_C(1000),
                                 .retries = {told->retries - 1, told->retries > 0},
                                 .requeue = told->retries > 0};
}

static const struct {
    const char *what;
    struct told events[EVENTS_MAX];
    enum kn_task_status want;
} attempts[] = {
    {"a retry whose event is later than the end of the next attempt",
     {{R, "a", 1, 0, 1, 1},
      {ST, "a", 2, 1, 1, 0},
      {RET, "a", 6, 5, 1, 0},
      {R, "a", 3, 2, 1, 2},
      {ST, "a", 4, 3, 1, 0},
      {OK, "a", 5, 4, 1, 0}},
     KN_TASK_SUCCESS},
    {"the same while the next attempt runs",
     {{R, "a", 1, 0, 1, 1},
      {ST, "a", 2, 1, 1, 0},
      {RET, "a", 5, 5, 1, 0},
      {R, "a", 3, 2, 1, 2},
      {ST, "a", 4, 3, 1, 0}},
     KN_TASK_STARTED},
    {"two copies in threads of one worker: the first took its clock before the second came",
     {{R, "a", 1, 0, 1, 1},
      {ST, "a", 2, 1, 1, 0},
      {R, "a", 4, 3, 1, 1},
      {ST, "a", 5, 4, 1, 0},
      {OK, "a", 6, 5, 1, 0},
      {OK, "a", 3, 6, 1, 0}},
     KN_TASK_SUCCESS},
    {"the next attempt is retried too",
     {{R, "a", 1, 0, 1, 1},
      {RET, "a", 5, 5, 1, 0},
      {R, "a", 3, 2, 1, 2},
      {ST, "a", 4, 3, 1, 0},
      {RET, "a", 7, 9, 1, 0}},
     KN_TASK_RETRY},
    {"the next attempt is retried, and the first retry was lost",
     {{R, "a", 1, 0, 1, 1}, {R, "a", 3, 2, 1, 3}, {ST, "a", 4, 3, 1, 0}, {RET, "a", 7, 2900, 1, 0}},
     KN_TASK_RETRY},
    {"taken for the third attempt, and the second retry was lost",
     {{R, "a", 1, 0, 1, 1},
      {RET, "a", 3, 2, 1, 0},
      {R, "a", 4, 3, 1, 2},
      {ST, "a", 5, 4, 1, 0},
      {R, "a", 6, 2000, 1, 3}},
     KN_TASK_RECEIVED},
    {"the second attempt ran where the clock is 1.5 s behind",
     {{R, "a", 1, 2000, 1, 1},
      {ST, "a", 2, 2001, 1, 0},
      {RET, "a", 3, 2002, 1, 0},
      {R, "b", 1, 503, 1501, 2},
      {ST, "b", 2, 504, 1501, 0},
      {OK, "b", 3, 505, 1501, 0}},
     KN_TASK_SUCCESS},
    {"or two hours behind",
     {{R, "a", 1, 7200000, 1, 1},
      {ST, "a", 2, 7200001, 1, 0},
      {RET, "a", 3, 7200002, 1, 0},
      {R, "b", 1, 3, 7200001, 2},
      {ST, "b", 2, 4, 7200001, 0},
      {F, "b", 3, 5, 7200001, 0}},
     KN_TASK_FAILURE},
    {"a client two hours ahead",
     {{S, "c", 1, 7200000, -7199999, 1},
      {R, "a", 1, 10, 1, 1},
      {ST, "a", 2, 11, 1, 0},
      {OK, "a", 3, 12, 1, 0}},
     KN_TASK_SUCCESS},
    {"sent again a minute later",
     {{S, "c", 1, 0, 1, 1},
      {R, "a", 1, 10, 1, 1},
      {ST, "a", 2, 11, 1, 0},
      {OK, "a", 3, 12, 1, 0},
      {S, "c", 2, 60000, 1, 1}},
     KN_TASK_PENDING},
    {"sent once, and the client's event came late",
     {{S, "c", 1, 0, 10000, 1},
      {R, "a", 1, 10, 1, 1},
      {ST, "a", 2, 11, 1, 0},
      {OK, "a", 3, 12, 1, 0}},
     KN_TASK_SUCCESS},
    {"and the worker was busy for a while",
     {{S, "c", 1, 0, 100000, 1},
      {R, "a", 1, 60010, 1, 1},
      {ST, "a", 2, 60011, 1, 0},
      {OK, "a", 3, 60012, 1, 0}},
     KN_TASK_SUCCESS},
    {"failed when it was run again by another worker",
     {{R, "a", 1, 10, 1, 1},
      {OK, "a", 3, 12, 1, 0},
      {R, "b", 1, 60010, 1, 1},
      {ST, "b", 2, 60011, 1, 0},
      {F, "b", 3, 60012, 1, 0}},
     KN_TASK_FAILURE},
    {"taken again before it ended, and started",
     {{R, "a", 1, 0, 1, 1},
      {ST, "a", 2, 1, 1, 0},
      {R, "a", 3, 2, 1, 1},
      {OK, "a", 4, 3, 1, 0},
      {ST, "a", 5, 4, 1, 0}},
     KN_TASK_STARTED},
    {"and failed",
     {{R, "a", 1, 0, 1, 1},
      {ST, "a", 2, 1, 1, 0},
      {R, "a", 3, 2, 1, 1},
      {OK, "a", 4, 3, 1, 0},
      {ST, "a", 5, 4, 1, 0},
      {F, "a", 6, 5, 1, 0}},
     KN_TASK_FAILURE},
    {"started after its end, by a pool that tells it late",
     {{R, "a", 1, 0, 1, 1}, {OK, "a", 2, 1, 1, 0}, {ST, "a", 3, 2, 1, 0}},
     KN_TASK_SUCCESS},
    {"rejected, and gone",
     {{R, "a", 1, 0, 1, 1}, {ST, "a", 2, 1, 1, 0}, {REJ, "a", 3, 2, 1, 0}},
     KN_TASK_REJECTED},
    {"rejected, and in the queue again",
     {{R, "a", 1, 0, 1, 1}, {ST, "a", 2, 1, 1, 0}, {REJ, "a", 3, 2, 1, 1}},
     KN_TASK_PENDING},
    {"taken from there",
     {{R, "a", 1, 0, 1, 1}, {ST, "a", 2, 1, 1, 0}, {REJ, "a", 3, 2, 1, 1}, {R, "a", 4, 3, 1, 1}},
     KN_TASK_RECEIVED},
    {"and done",
     {{R, "a", 1, 0, 1, 1},
      {ST, "a", 2, 1, 1, 0},
      {REJ, "a", 3, 2, 1, 1},
      {R, "a", 4, 3, 1, 1},
      {ST, "a", 5, 4, 1, 0},
      {OK, "a", 6, 5, 1, 0}},
     KN_TASK_SUCCESS},
    {"a failure that is not acknowledged is rejected first",
     {{R, "a", 1, 0, 1, 1}, {ST, "a", 2, 1, 1, 0}, {REJ, "a", 3, 2, 1, 0}, {F, "a", 4, 3, 1, 0}},
     KN_TASK_FAILURE},
};

static void attempts_are_told_apart_whatever_the_clocks_say(void **state)
{
    (void)state;
    for (size_t c = 0; c < KN_COUNT_OF(attempts); c++) {
        struct kn_msg_event events[EVENTS_MAX];
        unsigned order[EVENTS_MAX];
        size_t n = 0;
        for (; n < EVENTS_MAX && attempts[c].events[n].type; n++) {
            events[n] = event_of(&attempts[c].events[n]);
            order[n] = (unsigned)n;
        }
        do {
            struct merge_task task = merged(events, order, n), row = through_row(&task);
            enum kn_origin origin;
            enum kn_task_status status = merge_status(&row, &origin);
            if (status != attempts[c].want)
                fail_msg("%s: %s", attempts[c].what, kn_enum_text(&kn_enum_task_status, status));
            assert_int_equal(merge_completed_at(&row) != 0, kn_task_is_over(status));
        } while (next_permutation(order, n));
    }
}

static void a_rejected_task_ended_when_it_was_rejected(void **state)
{
    (void)state;
    const struct told told[] = {{KN_EVENT_TASK_STARTED, "a", 1, 0, 1, 0},
                                {KN_EVENT_TASK_REJECTED, "a", 2, 5, 1, 0}};
    struct kn_msg_event events[] = {event_of(&told[0]), event_of(&told[1])};
    struct merge_task task = merged(events, NULL, 2);
    assert_int_equal(merge_completed_at(&task), events[1].timestamp);
}

static struct kn_msg_event learned(enum kn_event_type type, enum kn_origin origin, int64_t at)
{
    return (struct kn_msg_event){
        .type = (uint8_t)type, .origin = (uint8_t)origin, .timestamp = at, .uuid = KN_STR("t")};
}

static void what_was_learned_decides_only_what_events_leave_open(void **state)
{
    (void)state;
    enum { LOST = KN_EVENT_TASK_ORPHANED };
    static const struct {
        struct {
            uint8_t type, origin;
            int64_t at;
        } events[EVENTS_MAX];
        enum kn_task_status want;
        enum kn_origin from;
    } cases[] = {
        {{{R, 0, 1}, {ST, 0, 2}, {OK, 1, 3}}, KN_TASK_SUCCESS, KN_ORIGIN_BACKEND},
        {{{R, 0, 1}, {ST, 0, 4}, {OK, 1, 3}}, KN_TASK_SUCCESS, KN_ORIGIN_BACKEND},
        {{{OK, 1, 3}, {OK, 0, 2}}, KN_TASK_SUCCESS, KN_ORIGIN_EVENTS},
        {{{F, 1, 3}, {OK, 0, 2}}, KN_TASK_SUCCESS, KN_ORIGIN_EVENTS},
        {{{OK, 1, 3}, {RET, 0, 5}}, KN_TASK_SUCCESS, KN_ORIGIN_BACKEND},
        {{{RET, 0, 2}, {OK, 1, 3}}, KN_TASK_SUCCESS, KN_ORIGIN_BACKEND},
        {{{R, 0, 1}, {ST, 2, 2}}, KN_TASK_STARTED, KN_ORIGIN_WORKER},
        {{{R, 0, 1}, {ST, 2, 2}, {ST, 0, 1}}, KN_TASK_STARTED, KN_ORIGIN_EVENTS},
        {{{R, 0, 1}, {ST, 0, 2}, {LOST, 2, 9}}, KN_TASK_ORPHANED, KN_ORIGIN_WORKER},
        {{{R, 0, 1}, {LOST, 2, 9}}, KN_TASK_ORPHANED, KN_ORIGIN_WORKER},
        {{{ST, 0, 2}, {LOST, 2, 9}, {OK, 0, 3}}, KN_TASK_SUCCESS, KN_ORIGIN_EVENTS},
        {{{ST, 0, 2}, {LOST, 2, 9}, {F, 1, 3}}, KN_TASK_FAILURE, KN_ORIGIN_BACKEND},
        {{{ST, 0, 2}, {LOST, 2, 9}, {R, 0, 10}}, KN_TASK_STARTED, KN_ORIGIN_EVENTS},
        {{{R, 0, 1}, {ST, 0, 2}, {RET, 0, 3}, {LOST, 2, 9}}, KN_TASK_RETRY, KN_ORIGIN_EVENTS},
        {{{LOST, 2, 9}}, KN_TASK_PENDING, KN_ORIGIN_EVENTS},
        {{{REJ, 0, 3}, {LOST, 2, 9}}, KN_TASK_REJECTED, KN_ORIGIN_EVENTS},
    };
    for (size_t c = 0; c < KN_COUNT_OF(cases); c++) {
        struct kn_msg_event events[EVENTS_MAX];
        struct merge_task task = {0}, room;
        enum kn_origin origin;
        for (int i = 0; i < EVENTS_MAX && cases[c].events[i].type; i++) {
            events[i] = learned((enum kn_event_type)cases[c].events[i].type,
                                (enum kn_origin)cases[c].events[i].origin, cases[c].events[i].at);
            merge_event(&task, &events[i]);
        }
        enum kn_task_status status = merge_status(merge_view(&task, &room), &origin);
        if (status != cases[c].want || origin != cases[c].from)
            fail_msg("case %zu: %s from %s", c, kn_enum_text(&kn_enum_task_status, status),
                     kn_enum_text(&kn_enum_origin, origin));
    }
}

static void times_that_were_learned_fit_our_clock(void **state)
{
    (void)state;
    static const struct {
        int64_t at, skew, done, asked, want;
    } cases[] = {
        {1000, 0, 1005, 1010, 1005},    {1000, 0, 8205, 1010, 1010}, /* two hours ahead */
        {1000, 7200, 8205, 1010, 1005},                              /* and it is known */
        {8000, 0, 805, 8010, 8000},     {8000, -7200, 805, 8010, 8005}, {1000, 0, 1005, 0, 1005},
    };
    /* whichever of its events is the only one that was not lost */
    static const enum kn_event_type seen[] = {KN_EVENT_TASK_SENT, KN_EVENT_TASK_RECEIVED,
                                              KN_EVENT_TASK_STARTED};
    for (size_t i = 0; i < KN_COUNT_OF(cases) * 3; i++) {
        size_t c = i / 3;
        struct merge_task task = {0}, room;
        struct kn_msg_event event = {.type = seen[i % 3],
                                     .hostname = KN_STR("a"),
                                     .timestamp = cases[c].at,
                                     .skew = cases[c].skew},
                            done =
                                learned(KN_EVENT_TASK_SUCCEEDED, KN_ORIGIN_BACKEND, cases[c].done);
        done.received_at = cases[c].asked;
        merge_event(&task, &event);
        merge_event(&task, &done);
        assert_int_equal(merge_completed_at(merge_view(&task, &room)), cases[c].want);
    }
}

static void a_backend_that_still_has_the_end_beats_a_late_retry(void **state)
{
    (void)state;
    struct kn_msg_event retried = {.type = KN_EVENT_TASK_RETRIED,
                                   .hostname = KN_STR("a"),
                                   .timestamp = 5 * KN_HOUR,
                                   .received_at = 5 * KN_SECOND},
                        done = learned(KN_EVENT_TASK_SUCCEEDED, KN_ORIGIN_BACKEND, 3 * KN_SECOND);
    struct merge_task task = {0}, room;
    enum kn_origin origin;
    done.received_at = 20 * KN_SECOND;
    merge_event(&task, &retried);
    merge_event(&task, &done);
    assert_int_equal(merge_status(merge_view(&task, &room), &origin), KN_TASK_SUCCESS);
    assert_int_equal(origin, KN_ORIGIN_BACKEND);
}

static void a_copy_that_was_thrown_away_does_not_undo_the_end(void **state)
{
    (void)state;
    const struct told told[] = {{R, "a", 1, 0, 1, 1},
                                {OK, "a", 2, 1, 1, 0},
                                {R, "a", 3, 90000, 1, 1},
                                {ST, "a", 4, 90001, 1, 0}};
    struct kn_msg_event done = learned(KN_EVENT_TASK_SUCCEEDED, KN_ORIGIN_BACKEND, 1),
                        lost = learned(KN_EVENT_TASK_ORPHANED, KN_ORIGIN_WORKER, 1200 * KN_SECOND);
    struct merge_task task = {0}, again, room;
    enum kn_origin origin;
    for (size_t i = 0; i < 3; i++) {
        struct kn_msg_event event = event_of(&told[i]);
        merge_event(&task, &event);
    }
    assert_int_equal(merge_status(&task, &origin), KN_TASK_RECEIVED);
    again = task;
    done.received_at = 1150 * KN_SECOND;
    merge_event(&again, &done);
    assert_int_equal(merge_status(merge_view(&again, &room), &origin), KN_TASK_SUCCESS);
    struct kn_msg_event started = event_of(&told[3]);
    merge_event(&again, &started); /* it was not thrown away after all */
    assert_int_equal(merge_status(merge_view(&again, &room), &origin), KN_TASK_STARTED);
    merge_event(&task, &lost);
    assert_int_equal(merge_status(merge_view(&task, &room), &origin), KN_TASK_SUCCESS);
}

static void a_message_that_waits_again_is_not_lost(void **state)
{
    (void)state;
    struct kn_msg_event started = {.type = KN_EVENT_TASK_STARTED,
                                   .hostname = KN_STR("a"),
                                   .timestamp = 5},
                        waiting = learned(KN_EVENT_TASK_SENT, KN_ORIGIN_BROKER, 7),
                        lost = learned(KN_EVENT_TASK_ORPHANED, KN_ORIGIN_WORKER, 9);
    for (int sent = 0; sent < 2; sent++) {
        struct merge_task task = {0}, room;
        enum kn_origin origin;
        if (sent)
            merge_event(&task, &(struct kn_msg_event){.type = KN_EVENT_TASK_SENT,
                                                      .hostname = KN_STR("c"),
                                                      .timestamp = 1});
        merge_event(&task, &started);
        merge_event(&task, &lost);
        assert_int_equal(merge_status(merge_view(&task, &room), &origin), KN_TASK_ORPHANED);
        merge_event(&task, &waiting);
        assert_int_equal(merge_status(merge_view(&task, &room), &origin), KN_TASK_PENDING);
        assert_int_equal(origin, KN_ORIGIN_BROKER);
    }
}

static void a_failure_names_a_task_that_no_message_named(void **state)
{
    (void)state;
    struct kn_msg_event failed = {.type = KN_EVENT_TASK_FAILED,
                                  .hostname = KN_STR("a"),
                                  .timestamp = 5,
                                  .name = KN_STR("no.such")},
                        received = {.type = KN_EVENT_TASK_RECEIVED,
                                    .hostname = KN_STR("a"),
                                    .timestamp = 1,
                                    .name = KN_STR("app.f")};
    struct merge_task task = merged(&failed, NULL, 1);
    assert_true(kn_str_eq(task.text[MERGE_NAME], KN_STR("no.such")));
    task = through_row(&task);
    merge_event(&task, &received);
    assert_true(kn_str_eq(task.text[MERGE_NAME], KN_STR("app.f")));
}

static void learned_fields_give_way_to_those_of_events(void **state)
{
    (void)state;
    struct kn_msg_event retried = {.type = KN_EVENT_TASK_RETRIED,
                                   .timestamp = 2,
                                   .hostname = KN_STR("a"),
                                   .exception = KN_STR("Busy()")},
                        failed = learned(KN_EVENT_TASK_FAILED, KN_ORIGIN_BACKEND, 4),
                        real = {.type = KN_EVENT_TASK_FAILED,
                                .timestamp = 3,
                                .hostname = KN_STR("a"),
                                .exception = KN_STR("Gone('x')")};
    struct merge_task task = {0}, room;
    failed.exception = KN_STR("Gone('from the backend')");
    failed.name = KN_STR("app.f");
    failed.hostname = KN_STR("b");
    merge_event(&task, &retried);
    merge_event(&task, &failed);
    const struct merge_task *view = merge_view(&task, &room);
    assert_true(kn_str_eq(view->text[MERGE_ERROR], failed.exception));
    assert_true(kn_str_eq(view->text[MERGE_NAME], failed.name));
    assert_true(kn_str_eq(view->text[MERGE_WORKER], KN_STR("a")));
    assert_int_equal(merge_completed_at(view), 4);
    merge_event(&task, &real);
    view = merge_view(&task, &room);
    assert_ptr_equal(view, &task);
    assert_true(kn_str_eq(view->text[MERGE_ERROR], real.exception));
    assert_null(view->text[MERGE_NAME].ptr);
    assert_int_equal(merge_completed_at(view), 3);
}

static void a_failure_without_exception_does_not_show_that_of_a_retry(void **state)
{
    (void)state;
    struct kn_msg_event retried = {.type = KN_EVENT_TASK_RETRIED,
                                   .timestamp = 2,
                                   .hostname = KN_STR("a"),
                                   .exception = KN_STR("Busy()"),
                                   .traceback = KN_STR("of the retry")},
                        failed = learned(KN_EVENT_TASK_FAILED, KN_ORIGIN_BACKEND, 4);
    struct merge_task task = {0}, room;
    merge_event(&task, &retried);
    merge_event(&task, &failed);
    const struct merge_task *view = merge_view(&task, &room);
    assert_null(view->text[MERGE_ERROR].ptr);
    assert_null(view->text[MERGE_TRACEBACK].ptr);
    retried.timestamp = 5; /* it was retried after all */
    merge_event(&task, &retried);
    view = merge_view(&task, &room);
    assert_true(kn_str_eq(view->text[MERGE_ERROR], retried.exception));
}

static void a_message_that_was_seen_waiting_says_what_no_event_says(void **state)
{
    (void)state;
    struct kn_msg_event waiting = learned(KN_EVENT_TASK_SENT, KN_ORIGIN_BROKER, 9),
                        received = {.type = KN_EVENT_TASK_RECEIVED,
                                    .timestamp = 3,
                                    .name = KN_STR("app.g"),
                                    .hostname = KN_STR("a")};
    struct merge_task task = {0}, room;
    enum kn_origin origin;
    waiting.name = KN_STR("app.f");
    waiting.queue = KN_STR("mail");
    waiting.eta = 20;
    waiting.expires = 30;
    merge_event(&task, &waiting);
    const struct merge_task *view = merge_view(&task, &room);
    assert_int_equal(merge_status(view, &origin), KN_TASK_PENDING);
    assert_int_equal(origin, KN_ORIGIN_BROKER);
    assert_int_equal(view->eta, 20);
    assert_int_equal(view->expires, 30);
    merge_event(&task, &received);
    view = merge_view(&task, &room);
    assert_int_equal(merge_status(view, &origin), KN_TASK_RECEIVED);
    assert_int_equal(origin, KN_ORIGIN_EVENTS);
    assert_true(kn_str_eq(view->text[MERGE_NAME], KN_STR("app.g")));
    assert_true(kn_str_eq(view->text[MERGE_QUEUE], KN_STR("mail")));
    assert_int_equal(view->eta, 0);
}

static void custom_events_count_for_worker_and_times_only(void **state)
{
    (void)state;
    struct merge_task task = {0};
    enum kn_origin origin;
    struct kn_msg_event custom = {.type = KN_EVENT_CUSTOM,
                                  .type_name = KN_STR("task-progress"),
                                  .uuid = KN_STR("t"),
                                  .hostname = KN_STR("w"),
                                  .name = KN_STR("step"),
                                  .timestamp = 5};
    assert_true(merge_is_task_event(&custom));
    merge_event(&task, &custom);
    assert_int_equal(merge_status(&task, &origin), KN_TASK_PENDING);
    assert_null(task.text[MERGE_NAME].ptr);
    assert_true(kn_str_eq(task.text[MERGE_WORKER], KN_STR("w")));
    assert_int_equal(task.first_at, 5);
    assert_int_equal(task.latest_at, 5);
    custom.type_name = KN_STR("deploy-done");
    assert_false(merge_is_task_event(&custom));
}

static void queue_wait_falls_back_to_received_and_is_never_negative(void **state)
{
    (void)state;
    static const struct {
        int64_t sent, received, started; /* 0: no event */
        double want;                     /* -1: none */
    } cases[] = {
        {1000000, 2000000, 3000000, 2}, {0, 2000000, 3000000, 1}, {4000000, 2000000, 3000000, 1},
        {4000000, 0, 3000000, -1},      {0, 0, 3000000, -1},      {1000000, 2000000, 0, -1},
        {1000000, 1000000, 1000000, 0},
    };
    for (size_t c = 0; c < KN_COUNT_OF(cases); c++) {
        struct merge_task task = {0};
        const int64_t times[] = {cases[c].sent, cases[c].received, cases[c].started};
        for (unsigned t = 0; t < 3; t++) {
            if (times[t])
                merge_event(&task, &(struct kn_msg_event){.type = (uint8_t)(KN_EVENT_TASK_SENT + t),
                                                          .timestamp = times[t]});
        }
        double wait = -1;
        assert_int_equal(merge_queue_wait(&task, &wait), cases[c].want >= 0);
        assert_true(wait == cases[c].want);
    }
}

static void a_task_sent_again_without_eta_has_none(void **state)
{
    (void)state;
    struct merge_task task = {0};
    merge_event(&task, &(struct kn_msg_event){
                           .type = KN_EVENT_TASK_SENT, .timestamp = 2, .name = KN_STR("n")});
    merge_event(&task,
                &(struct kn_msg_event){.type = KN_EVENT_TASK_SENT, .timestamp = 1, .eta = 9});
    assert_int_equal(task.eta, 0);
    assert_true(kn_str_eq(task.text[MERGE_NAME], KN_STR("n")));
}

static void damaged_order_bytes_are_refused(void **state)
{
    (void)state;
    static const struct kn_str cases[] = {{"", 0},
                                          {"\x01", 1},
                                          {"\x01\x80", 2},
                                          {"\x01\x05", 2},
                                          {"\x00\x01", 2},
                                          {"\x00\x63", 2},
                                          {"\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12}};
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++) {
        struct merge_task task = {0};
        assert_int_equal(merge_order_decode(cases[i], &task), KN_INVALID);
    }
}

/* ---- Celery's own answers ------------------------------------------------------------ */

enum { CELLS_MAX = 32 };

/* Cuts the line at its tabs; "-" becomes absent. */
static size_t cells_of(char *line, struct kn_str *cells)
{
    size_t n = 0;
    line[strcspn(line, "\n")] = '\0';
    for (char *cell; (cell = strsep(&line, "\t"));) {
        assert_true(n < CELLS_MAX);
        cells[n++] = strcmp(cell, "-") == 0 ? KN_STR_ABSENT : kn_str_from(cell);
    }
    return n;
}

static int64_t number(struct kn_str s)
{
    int64_t value = 0;
    assert_true(!s.ptr || kn_str_to_i64(s, &value));
    return value;
}

/* The fields in the order of EVENT in celery_state.py. */
enum {
    NAME,
    ARGS,
    KWARGS,
    ROOT,
    PARENT,
    RETRIES,
    ETA,
    EXPIRES,
    QUEUE,
    EXCHANGE,
    ROUTING_KEY,
    RESULT,
    RUNTIME,
    EXCEPTION,
    TRACEBACK,
    TERMINATED,
    EXPIRED,
    SIGNUM,
    FIELDS
};

static void event_from(const struct kn_str *cells, char *text, struct kn_msg_event *e)
{
    const struct kn_str *f = cells + 5;
    unsigned type = 0;
    snprintf(text, 64, "task-%.*s", KN_STR_ARG(cells[1]));
    assert_true(kn_enum_parse(&kn_enum_event_type, kn_str_from(text), &type));
    *e = (struct kn_msg_event){
        .type = (uint8_t)type,
        .timestamp = number(cells[2]),
        .clock = (uint64_t)number(cells[3]),
        .hostname = cells[4],
        .name = f[NAME],
        .args_repr = f[ARGS],
        .kwargs_repr = f[KWARGS],
        .root_id = f[ROOT],
        .parent_id = f[PARENT],
        .retries = {number(f[RETRIES]), f[RETRIES].ptr},
        .eta = number(f[ETA]),
        .expires = number(f[EXPIRES]),
        .queue = f[QUEUE],
        .exchange = f[EXCHANGE],
        .routing_key = f[ROUTING_KEY],
        .result_repr = f[RESULT],
        .runtime = {f[RUNTIME].ptr ? strtod(f[RUNTIME].ptr, NULL) : 0, f[RUNTIME].ptr},
        .exception = f[EXCEPTION],
        .traceback = f[TRACEBACK],
        .terminated = number(f[TERMINATED]),
        .expired = number(f[EXPIRED]),
        .signum = f[SIGNUM]};
}

static void same_text(const struct merge_task *task, enum merge_text i, struct kn_str want)
{
    assert_int_equal(!task->text[i].ptr, !want.ptr);
    assert_true(kn_str_eq(task->text[i], want));
}

/* Celery's State knows neither that an id is used again after its end nor where a rejected
 * message went, takes a late task-retried for the latest attempt's, and a later attempt that a
 * worker received for the one that was started. */
struct plain {
    bool started, ended, retried, again, differs;
};

static void note_plain(struct plain *plain, const struct kn_msg_event *e)
{
    bool message = e->type == KN_EVENT_TASK_SENT || e->type == KN_EVENT_TASK_RECEIVED ||
                   e->type == KN_EVENT_TASK_STARTED;
    plain->differs |= e->type == KN_EVENT_TASK_REJECTED ||
                      (plain->ended && (message || e->type == KN_EVENT_TASK_RETRIED));
    bool again = e->type == KN_EVENT_TASK_RECEIVED && e->retries.value > 0;
    plain->differs |= plain->started && again;
    plain->started |= e->type == KN_EVENT_TASK_STARTED;
    plain->again |= again;
    plain->retried |= e->type == KN_EVENT_TASK_RETRIED;
    plain->differs |= plain->retried && plain->again;
    plain->ended |= e->type == KN_EVENT_TASK_SUCCEEDED || e->type == KN_EVENT_TASK_FAILED ||
                    e->type == KN_EVENT_TASK_REVOKED;
}

static void same_as_celery(const struct merge_task *task, const struct kn_str *cells,
                           bool same_status)
{
    static const enum merge_text fields[FIELDS] = {
        [NAME] = MERGE_NAME,          [ARGS] = MERGE_ARGS,
        [KWARGS] = MERGE_KWARGS,      [ROOT] = MERGE_ROOT,
        [PARENT] = MERGE_PARENT,      [QUEUE] = MERGE_QUEUE,
        [EXCHANGE] = MERGE_EXCHANGE,  [ROUTING_KEY] = MERGE_ROUTING_KEY,
        [RESULT] = MERGE_RESULT,      [EXCEPTION] = MERGE_ERROR,
        [TRACEBACK] = MERGE_TRACEBACK};
    const struct kn_str *f = cells + 4 + MERGE_TYPE_COUNT;
    enum kn_origin origin;
    const char *status = kn_enum_text(&kn_enum_task_status, merge_status(task, &origin));
    if (same_status &&
        (strlen(status) != cells[1].len || strncasecmp(status, cells[1].ptr, cells[1].len) != 0))
        fail_msg("%s, but Celery says %.*s", status, KN_STR_ARG(cells[1]));
    same_text(task, MERGE_CLIENT, cells[2]);
    same_text(task, MERGE_WORKER, cells[3]);
    for (unsigned t = 0; t < MERGE_TYPE_COUNT; t++)
        assert_int_equal(merge_time(task, (enum merge_type)t), number(cells[4 + t]));
    for (unsigned i = 0; i < FIELDS; i++) {
        if (i == NAME || fields[i])
            same_text(task, fields[i], f[i]);
    }
    assert_int_equal(task->retries.set, f[RETRIES].ptr != NULL);
    assert_int_equal(task->retries.value, number(f[RETRIES]));
    assert_int_equal(task->eta, number(f[ETA]));
    assert_int_equal(task->expires, number(f[EXPIRES]));
    assert_int_equal(task->runtime.set, f[RUNTIME].ptr != NULL);
    assert_true(!f[RUNTIME].ptr || task->runtime.value == strtod(f[RUNTIME].ptr, NULL));
    assert_int_equal(task->revoked.terminated, number(f[TERMINATED]));
    assert_int_equal(task->revoked.expired, number(f[EXPIRED]));
    assert_true(kn_str_eq(task->revoked.signum, f[SIGNUM]));
}

static void events_in_order_give_what_celery_says(void **state)
{
    (void)state;
    FILE *file = fopen("services/storage/testdata/celery_state.tsv", "r");
    char lines[EVENTS_MAX + 1][1024], type[64];
    struct kn_str cells[CELLS_MAX] = {0};
    struct merge_task task = {0};
    struct plain plain = {0};
    size_t n = 0, checked = 0, statuses = 0;
    assert_non_null(file);
    while (fgets(lines[n], sizeof lines[n], file)) {
        if (*lines[n] == '#')
            continue;
        cells_of(lines[n], cells);
        if (kn_str_starts(cells[0], KN_STR("E"))) {
            struct kn_msg_event event;
            event_from(cells, type, &event);
            merge_event(&task, &event);
            note_plain(&plain, &event);
            assert_true(++n <= EVENTS_MAX);
            continue;
        }
        same_as_celery(&task, cells, !plain.differs);
        statuses += !plain.differs;
        plain = (struct plain){0};
        task = (struct merge_task){0};
        n = 0;
        checked++;
    }
    fclose(file);
    assert_int_equal(checked, 400);
    assert_true(statuses >= 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_order_of_arrival_gives_the_same_record),
        cmocka_unit_test(any_split_and_repetition_gives_the_same_record),
        cmocka_unit_test(joining_nothing_changes_nothing),
        cmocka_unit_test(status_follows_precedence_and_the_latest_retry),
        cmocka_unit_test(what_was_learned_decides_only_what_events_leave_open),
        cmocka_unit_test(attempts_are_told_apart_whatever_the_clocks_say),
        cmocka_unit_test(a_rejected_task_ended_when_it_was_rejected),
        cmocka_unit_test(times_that_were_learned_fit_our_clock),
        cmocka_unit_test(a_backend_that_still_has_the_end_beats_a_late_retry),
        cmocka_unit_test(a_copy_that_was_thrown_away_does_not_undo_the_end),
        cmocka_unit_test(a_message_that_waits_again_is_not_lost),
        cmocka_unit_test(a_failure_names_a_task_that_no_message_named),
        cmocka_unit_test(a_failure_without_exception_does_not_show_that_of_a_retry),
        cmocka_unit_test(learned_fields_give_way_to_those_of_events),
        cmocka_unit_test(a_message_that_was_seen_waiting_says_what_no_event_says),
        cmocka_unit_test(custom_events_count_for_worker_and_times_only),
        cmocka_unit_test(queue_wait_falls_back_to_received_and_is_never_negative),
        cmocka_unit_test(a_task_sent_again_without_eta_has_none),
        cmocka_unit_test(damaged_order_bytes_are_refused),
        cmocka_unit_test(events_in_order_give_what_celery_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
