/* Problems of the workers. */
#include "services/control/ask/roster_impl.h"

#include "services/common/count.h"

static bool lacks_answer(const struct control_roster *roster, const struct roster_worker *worker)
{
    (void)roster;
    return worker->silent >= SILENT_ROUNDS && !worker->unread;
}

static bool is_unread(const struct control_roster *roster, const struct roster_worker *worker)
{
    (void)roster;
    return worker->unread;
}

static bool lacks_events(const struct control_roster *roster, const struct roster_worker *worker)
{
    return worker->conf.known && !worker->events_on && !roster->events;
}

static bool is_held(const struct control_roster *roster, const struct roster_worker *worker)
{
    return worker->held && roster->events;
}

static bool lacks_sent(const struct control_roster *roster, const struct roster_worker *worker)
{
    (void)roster;
    return worker->conf.known && !worker->conf.send_sent_event;
}

static bool lacks_extended(const struct control_roster *roster, const struct roster_worker *worker)
{
    (void)roster;
    return worker->conf.known && worker->conf.has_backend && !worker->conf.result_extended;
}

static bool shares_name(const struct control_roster *roster, const struct roster_worker *worker)
{
    return roster_has_twins(worker, roster->findings_at);
}

static const struct {
    bool (*holds)(const struct control_roster *roster, const struct roster_worker *worker);
    enum kn_severity severity;
    struct kn_str code;
    const char *text; /* before the workers' names */
    struct kn_str remedy;
} findings[] = {
    {lacks_events,
     KN_SEVERITY_WARNING,
     {"events_disabled", 15},
     "Task events may be disabled, so tasks are not shown",
     KN_STR("Start the worker with -E, set worker_send_task_events = True, or let Kanchi enable "
            "them with enable_events: true.")},
    {is_held,
     KN_SEVERITY_INFO,
     {"events_switched_off", 19},
     "Task events were disabled by a command, so tasks are not shown",
     KN_STR("Enable events, or restart the worker.")},
    {lacks_answer,
     KN_SEVERITY_WARNING,
     {"worker_silent", 13},
     "No reply to remote control, so queues, pool and CPU are unknown",
     KN_STR("Keep worker_enable_remote_control = True. A solo pool replies only between tasks.")},
    {is_unread,
     KN_SEVERITY_WARNING,
     {"worker_serializer", 17},
     "Replies to remote control use a serializer that Kanchi does not read, such as pickle, so "
     "queues, pool and tasks are unknown",
     KN_STR("Set task_serializer = \"json\" in these workers, which use it for replies. Tasks can "
            "still use another one: @app.task(serializer=...) or apply_async(serializer=...).")},
    {shares_name,
     KN_SEVERITY_WARNING,
     {"worker_name_shared", 18},
     "Several workers have the same name, so their data is mixed up and their lost tasks are not "
     "detected",
     KN_STR("Give each worker its own name: celery worker -n NAME@%h.")},
    {lacks_sent,
     KN_SEVERITY_INFO,
     {"no_task_sent_event", 18},
     "task_send_sent_event is off, so tasks are shown only once a worker receives them",
     KN_STR("Set task_send_sent_event = True in the apps that send tasks.")},
    {lacks_extended,
     KN_SEVERITY_INFO,
     {"no_result_extended", 18},
     "result_extended is off, so the result backend does not keep task names and arguments",
     KN_STR("Set result_extended = True.")},
};

enum { FINDINGS = KN_COUNT_OF(findings), NAMED = 3 };

/* "a@host", "a@host, b@host and 4 others" */
static struct kn_str name_workers(const struct control_roster *roster, size_t which,
                                  struct kn_arena *arena, size_t *ret_count)
{
    struct kn_buf out;
    kn_buf_init(&out, 0);
    size_t count = 0;
    for (const struct roster_worker *worker = roster_first(roster); worker;
         worker = roster_next(worker)) {
        if (!worker->online || !findings[which].holds(roster, worker) || ++count > NAMED)
            continue;
        kn_buf_text(&out, count > 1 ? ", " : "");
        kn_buf_str(&out, worker->entry.name);
    }
    if (count > NAMED)
        kn_buf_printf(&out, " and %zu others", count - NAMED);
    struct kn_str names = kn_arena_str(arena, kn_buf_view(&out));
    kn_buf_fini(&out);
    *ret_count = count;
    return names;
}

static struct kn_str sentence(struct kn_arena *arena, struct kn_str names, const char *text)
{
    struct kn_buf out;
    kn_buf_init(&out, 0);
    kn_buf_text(&out, text);
    kn_buf_text(&out, ": ");
    kn_buf_str(&out, names);
    kn_buf_char(&out, '.');
    struct kn_str ret = kn_arena_str(arena, kn_buf_view(&out));
    kn_buf_fini(&out);
    return ret;
}

void control_roster_findings(struct control_roster *roster, struct kn_str source, int64_t mono_us,
                             struct kn_arena *arena, struct kn_msg_service_status *status)
{
    roster->findings_at = mono_us;
    struct kn_msg_finding *list = kn_arena_array(arena, FINDINGS, sizeof *list);
    size_t count = 0;
    for (size_t i = 0; i < FINDINGS && list; i++) {
        size_t workers;
        struct kn_str names = name_workers(roster, i, arena, &workers);
        if (workers == 0)
            continue;
        list[count++] = (struct kn_msg_finding){
            .severity = (uint8_t)findings[i].severity,
            .code = findings[i].code,
            .source = kn_arena_str(arena, source),
            .subject = names,
            .text = sentence(arena, names, findings[i].text),
            .remedy = findings[i].remedy,
        };
    }
    status->findings.items = list;
    status->findings.count = count;
}
