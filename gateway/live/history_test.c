#include "gateway/live/history.h"
#include "gateway/test.h"

#include "services/common/text/time.h"

#define AT (INT64_C(1790000040) * KN_SECOND) /* the begin of a minute */

static struct kn_str view(struct kn_buf *out, const struct gw_history *history, int64_t now)
{
    kn_buf_clear(out);
    gw_history_view(out, history, now);
    return kn_buf_view(out);
}

static bool has(struct kn_str text, const char *part)
{
    return memmem(text.ptr, text.len, part, strlen(part)) != NULL;
}

static void a_minute_has_the_mean_of_its_figures(void **state)
{
    (void)state;
    struct gw_history history = {0};
    struct kn_buf out;
    kn_buf_init(&out, 0);
    for (int i = 0; i < 4; i++) {
        const struct kn_msg_metrics figures = {.at = AT + i * 10 * KN_SECOND,
                                               .events_per_second = i,
                                               .running = 2 * i,
                                               .waiting = -1,
                                               .queued_messages = 8,
                                               .workers_online = 3};
        gw_history_add(&history, &figures);
    }
    assert_str(view(&out, &history, AT + 50 * KN_SECOND),
               "{\"step_seconds\":60,\"points\":[{\"at\":\"2026-09-21T14:14:00.000000Z\","
               "\"events_per_second\":1.5,\"tasks_per_second\":0,\"running\":3,"
               "\"waiting\":0,\"queued\":8,\"workers_online\":3}]}");
    kn_buf_fini(&out);
}

static void old_minutes_give_way_and_silence_stays_empty(void **state)
{
    (void)state;
    struct gw_history history = {0};
    struct kn_buf out;
    kn_buf_init(&out, 0);
    const struct kn_msg_metrics first = {.at = AT},
                                last = {.at = AT + GW_HISTORY_MINUTES * KN_MINUTE};
    gw_history_add(&history, &first);
    assert_true(has(view(&out, &history, AT + (GW_HISTORY_MINUTES - 1) * KN_MINUTE), "14:14:00"));
    assert_str(view(&out, &history, AT + GW_HISTORY_MINUTES * KN_MINUTE),
               "{\"step_seconds\":60,\"points\":[]}");
    gw_history_add(&history, &last);
    gw_history_add(&history, &first); /* a clock went back: nothing is overwritten */
    assert_true(has(view(&out, &history, last.at), "17:14:00"));
    kn_buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_minute_has_the_mean_of_its_figures),
        cmocka_unit_test(old_minutes_give_way_and_silence_stays_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
