#include "gateway/live/history.h"

#include "services/common/text/time.h"

void gw_history_add(struct gw_history *history, const struct kn_msg_metrics *metrics)
{
    int64_t minute = metrics->at / KN_MINUTE;
    if (minute < 0)
        return;
    struct gw_minute *at = &history->minutes[minute % GW_HISTORY_MINUTES];
    if (at->minute > minute)
        return; /* a clock went back */
    if (at->minute != minute)
        *at = (struct gw_minute){.minute = minute};
    at->n++;
    at->events_per_second += metrics->events_per_second;
    at->tasks_per_second += metrics->tasks_per_second;
    at->running += metrics->running > 0 ? (double)metrics->running : 0;
    at->waiting += metrics->waiting > 0 ? (double)metrics->waiting : 0;
    at->queued += (double)metrics->queued_messages;
    at->online += (double)metrics->workers_online;
}

static void mean(struct kn_buf *out, const char *name, double sum, uint64_t n)
{
    kn_buf_printf(out, ",\"%s\":", name);
    kn_buf_json_f64(out, sum / (double)n);
}

void gw_history_view(struct kn_buf *out, const struct gw_history *history, int64_t now)
{
    int64_t last = now / KN_MINUTE;
    bool any = false;
    kn_buf_text(out, "{\"step_seconds\":60,\"points\":[");
    for (int64_t minute = last - GW_HISTORY_MINUTES + 1; minute <= last; minute++) {
        const struct gw_minute *at = &history->minutes[minute % GW_HISTORY_MINUTES];
        if (minute < 0 || at->minute != minute || !at->n)
            continue;
        kn_buf_text(out, any ? ",{\"at\":" : "{\"at\":");
        kn_buf_json_time(out, minute * KN_MINUTE);
        mean(out, "events_per_second", at->events_per_second, at->n);
        mean(out, "tasks_per_second", at->tasks_per_second, at->n);
        mean(out, "running", at->running, at->n);
        mean(out, "waiting", at->waiting, at->n);
        mean(out, "queued", at->queued, at->n);
        mean(out, "workers_online", at->online, at->n);
        kn_buf_char(out, '}');
        any = true;
    }
    kn_buf_text(out, "]}");
}
