#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "services/control/find/calls.h"

#include "services/common/count.h"

enum { TAKEN_AT = 100, EXCHANGE = 1, LEARNED = 2 };

static const struct {
    const char *what;
    struct {
        const char *queue;
        int64_t at;
        int how;
    } sent[3];
    bool routes_known;
    size_t sent_to, resent;
    bool unsure;
} cases[] = {
    {.what = "no event"},
    {"sent, and taken", {{"a", 50, 0}}, .sent_to = 1},
    {"its client tells late", {{"a", 150, 0}}, .sent_to = 1},
    {"sent again", {{"a", 50, 0}, {"b", 150, 0}}, .sent_to = 2, .resent = 1},
    {"sent again to the same queue", {{"a", 50, 0}, {"a", 150, 0}}, .sent_to = 1, .resent = 1},
    {"sent twice before", {{"a", 50, 0}, {"b", 60, 0}}, .sent_to = 2},
    {"sent through an exchange, and taken", {{"a.b", 50, EXCHANGE}}, .sent_to = 0},
    {"sent again through an exchange",
     {{"a", 50, 0}, {"a.b", 150, EXCHANGE}},
     .sent_to = 1,
     .unsure = true},
    {"through an exchange, and its client may have told nothing before",
     {{"a.b", 150, EXCHANGE}},
     .unsure = true},
    {"sent again through an exchange on Redis",
     {{"a", 50, 0}, {"a.b", 150, EXCHANGE}},
     .routes_known = true,
     .sent_to = 1,
     .resent = 1},
    {"seen in a queue", {{"a", 50, 0}, {"b", 150, LEARNED}}, .sent_to = 1},
};

static void a_later_call_shows_where_it_was_sent_again(void **state)
{
    (void)state;
    for (size_t c = 0; c < KN_COUNT_OF(cases); c++) {
        struct kn_msg_event events[3];
        struct kn_msg_task_event_list list = {.items = {events, 0}};
        struct control_calls calls;
        struct kn_arena arena;
        for (int i = 0; i < 3 && cases[c].sent[i].queue; i++) {
            struct kn_str queue = kn_str_from(cases[c].sent[i].queue);
            bool exchange = cases[c].sent[i].how == EXCHANGE;
            events[list.items.count++] = (struct kn_msg_event){
                .type = KN_EVENT_TASK_SENT,
                .origin = cases[c].sent[i].how == LEARNED ? KN_ORIGIN_BROKER : KN_ORIGIN_EVENTS,
                .timestamp = cases[c].sent[i].at,
                .exchange = exchange ? KN_STR("topics") : KN_STR(""),
                .routing_key = queue};
        }
        kn_arena_init(&arena, 0);
        assert_int_equal(control_calls_read(&list, TAKEN_AT, cases[c].routes_known, &arena, &calls),
                         KN_OK);
        if (calls.sent_to.count != cases[c].sent_to || calls.n_resent != cases[c].resent ||
            calls.unsure != cases[c].unsure)
            fail_msg("%s", cases[c].what);
        kn_arena_fini(&arena);
    }
}

static void events_that_are_not_known_may_name_any_queue(void **state)
{
    (void)state;
    struct kn_msg_task_event_list list = {.next_cursor = KN_STR("more")};
    struct control_calls calls;
    struct kn_arena arena;
    kn_arena_init(&arena, 0);
    assert_int_equal(control_calls_read(NULL, TAKEN_AT, true, &arena, &calls), KN_OK);
    assert_true(calls.unsure);
    assert_int_equal(control_calls_read(&list, TAKEN_AT, true, &arena, &calls), KN_OK);
    assert_true(calls.unsure);
    kn_arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_later_call_shows_where_it_was_sent_again),
        cmocka_unit_test(events_that_are_not_known_may_name_any_queue),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
