#include "services/control/doctor/doctor.h"

#include "services/broker/fault.h"
#include "services/broker/meter.h"
#include "services/celery/message/task_message.h"
#include "services/common/count.h"
#include "services/common/process/service.h"
#include "services/common/text/time.h"
#include "services/control/ask/conf.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { WORKERS_MAX = 10000, PLACES_MAX = 64, FINDINGS_MAX = 200, NAMED = 5 };
/* Without clock skew, an event's time differs from its arrival by less than this. */
static const int64_t SKEW_AHEAD_US = 2 * KN_SECOND, SKEW_BEHIND_US = 10 * KN_SECOND;

struct patient {
    struct kn_str name;
    struct control_conf conf;
    bool other_steps;                  /* than ours */
    const struct kn_msg_worker *known; /* NULL: storage knows nothing */
    struct kn_strs queues;
};

struct doctor {
    const struct control_doctor_options *options;
    struct kn_arena *arena;
    struct kn_msg_doctor_report *report;
    struct patient *patients;
    size_t count, room;
    size_t unread;           /* answers */
    const char *unread_type; /* of the last one; "": that was not the trouble */
};

static void find(struct doctor *d, enum kn_severity severity, const char *code,
                 struct kn_str subject, const char *remedy, const char *format, ...)
    __attribute__((format(printf, 6, 7)));

static void find(struct doctor *d, enum kn_severity severity, const char *code,
                 struct kn_str subject, const char *remedy, const char *format, ...)
{
    char text[1024];
    va_list args;
    if (d->report->findings.count == FINDINGS_MAX)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    d->report->findings.items[d->report->findings.count++] = (struct kn_msg_finding){
        .severity = (uint8_t)severity,
        .code = kn_str_from(code),
        .source = kn_str_from(d->options->source),
        .subject = subject,
        .text = kn_arena_str(d->arena, kn_utf8_head(kn_str_from(text), sizeof text - 1)),
        .remedy = kn_str_from(remedy),
    };
}

/* ---- asking ---------------------------------------------------------------------------- */

static const struct kn_msg_worker *find_known(const struct doctor *d, struct kn_str name)
{
    for (size_t i = 0; d->options->workers && i < d->options->workers->items.count; i++)
        if (kn_str_eq(d->options->workers->items.items[i].hostname, name))
            return &d->options->workers->items.items[i];
    return NULL;
}

static struct patient *patient_of(struct doctor *d, struct kn_str name)
{
    for (size_t i = 0; i < d->count; i++)
        if (kn_str_eq(d->patients[i].name, name))
            return &d->patients[i];
    if (d->count == WORKERS_MAX || name.len == 0 || !kn_utf8_valid(name))
        return NULL;
    if (d->count == d->room) {
        size_t room = d->room ? d->room * 2 : 16;
        struct patient *more = kn_arena_array(d->arena, room, sizeof *more);
        if (!more)
            return NULL;
        if (d->count)
            memcpy(more, d->patients, d->count * sizeof *more);
        d->patients = more;
        d->room = room;
    }
    struct patient *patient = &d->patients[d->count];
    *patient = (struct patient){.name = kn_arena_str(d->arena, name), .known = find_known(d, name)};
    d->count += patient->name.ptr != NULL;
    return patient->name.ptr ? patient : NULL;
}

#define TICKET_CONF "doctor.conf"
#define TICKET_QUEUES "doctor.queues"

static bool has_other_steps(const struct doctor *d, const struct control_conf *conf)
{
    const struct broker_options *ours = d->options->broker;
    struct broker_options celerys;
    broker_options_init(&celerys);
    const unsigned char *steps = celerys.priority_steps;
    size_t count = celerys.priority_count;
    if (conf->priority_count) {
        steps = conf->priority_steps;
        count = conf->priority_count;
    }
    return broker_traits(ours->url)->routed_by_kombu &&
           (count != ours->priority_count || memcmp(steps, ours->priority_steps, count) != 0);
}

static void take(struct doctor *d, const struct celery_reply *reply)
{
    bool conf = kn_str_eq(reply->ticket, KN_STR(TICKET_CONF));
    struct patient *patient = patient_of(d, reply->hostname);
    struct kn_msg_worker_inspect inspect = {0};
    if (!patient || reply->failed)
        return;
    if (conf && control_conf_read(reply->value, &patient->conf) != KN_OK)
        patient->conf.known = false;
    if (conf && patient->conf.known)
        patient->other_steps = has_other_steps(d, &patient->conf);
    if (!conf && celery_inspect_active_queues(reply->value, d->arena, &inspect) == KN_OK)
        patient->queues = inspect.queues;
}

static enum kn_status ask(struct doctor *d, struct control_pidbox *pidbox, const char *method,
                          const char *arguments, const char *ticket, int64_t *ret_receivers)
{
    (void)d;
    const struct control_question_text question = {
        .method = method,
        .arguments = arguments,
        .ticket = kn_str_from(ticket),
        .expires_at = kn_time_now() + d->options->reply_timeout_us,
    };
    return control_pidbox_ask(pidbox, &question, ret_receivers);
}

static enum kn_status gather(struct doctor *d, struct control_pidbox *pidbox, int64_t receivers)
{
    struct kn_arena arena;
    enum kn_status status = KN_OK;
    size_t replies = 0;
    int64_t deadline = kn_time_mono() + d->options->reply_timeout_us;
    kn_arena_init(&arena, d->options->memory_max);
    for (int64_t left; (left = deadline - kn_time_mono()) > 0;) {
        struct celery_reply reply;
        if (receivers >= 0 && replies >= 2 * (size_t)receivers)
            break;
        kn_arena_reset(&arena);
        status = control_pidbox_reply(pidbox, left, &arena, &reply);
        if (control_pidbox_lost(status) || status == KN_TIMEOUT)
            break;
        replies++;
        if (status == KN_OK)
            take(d, &reply);
        else
            d->unread++;
    }
    kn_arena_fini(&arena);
    d->unread_type = control_pidbox_unread(pidbox);
    return control_pidbox_lost(status) ? status : KN_OK;
}

static enum kn_status ask_workers(struct doctor *d, struct control_pidbox *pidbox)
{
    int64_t receivers = -1;
    enum kn_status status = control_pidbox_open(pidbox, d->options->reply_timeout_us);
    if (status == KN_OK)
        status = ask(d, pidbox, "conf", "{\"with_defaults\":false}", TICKET_CONF, &receivers);
    if (status == KN_OK)
        status = ask(d, pidbox, "active_queues", "{}", TICKET_QUEUES, &receivers);
    if (status == KN_OK)
        status = gather(d, pidbox, receivers);
    control_pidbox_close(pidbox);
    return status;
}

/* ---- what the workers lack ------------------------------------------------------------- */

static bool lacks_events(const struct patient *p)
{
    bool said = p->known && p->known->events_enabled.set;
    return said ? p->known->events_enabled.value == 0 : !p->conf.send_task_events;
}

static bool lacks_sent(const struct patient *p)
{
    return !p->conf.send_sent_event;
}

static bool lacks_started(const struct patient *p)
{
    return p->conf.has_backend && !p->conf.track_started;
}

static bool lacks_extended(const struct patient *p)
{
    return p->conf.has_backend && !p->conf.result_extended;
}

static bool lacks_backend(const struct patient *p)
{
    return !p->conf.has_backend;
}

static bool takes_pickle(const struct patient *p)
{
    return p->conf.takes_pickle;
}

static bool has_steps_of_its_own(const struct patient *p)
{
    return p->other_steps;
}

static const struct {
    bool (*holds)(const struct patient *patient);
    enum kn_severity severity;
    const char *code, *text, *remedy;
} matters[] = {
    {lacks_events, KN_SEVERITY_WARNING, "events_disabled", "worker_send_task_events is off",
     "Start the workers with -E, or set worker_send_task_events = True; otherwise they send no "
     "task events. kanchi up enables them, unless enable_events is false or someone disabled "
     "them."},
    {lacks_sent, KN_SEVERITY_INFO, "no_task_sent_event", "task_send_sent_event is off",
     "Set task_send_sent_event = True, for clients too, to see tasks before a worker receives "
     "them, and their queue times."},
    {lacks_started, KN_SEVERITY_INFO, "no_track_started", "task_track_started is off",
     "Set task_track_started = True, so that the result backend shows a running task even if its "
     "event was lost."},
    {lacks_extended, KN_SEVERITY_INFO, "no_result_extended", "result_extended is off",
     "Set result_extended = True, so that the result backend keeps a task's full name and "
     "arguments, which are needed to retry it."},
    {lacks_backend, KN_SEVERITY_INFO, "no_result_backend", "no result backend",
     "Set result_backend. Without it, the outcome of tasks whose events were lost stays unknown."},
    {takes_pickle, KN_SEVERITY_WARNING, "pickle_accepted",
     "pickle messages are accepted, so anyone who can write to the broker can run code",
     "Set task_serializer = \"json\" and accept_content = [\"json\"]; Kanchi never reads pickle."},
    {has_steps_of_its_own, KN_SEVERITY_WARNING, "other_priority_steps",
     "priority_steps in broker_transport_options differ from Kanchi's",
     "Set this broker's priority_steps in Kanchi's configuration to the same value ([0, 3, 6, 9] "
     "if Celery has none); otherwise messages with other priorities are not counted or shown."},
};

static struct kn_str name_them(struct doctor *d, bool (*holds)(const struct patient *),
                               size_t *ret_count)
{
    struct kn_buf out;
    size_t count = 0;
    kn_buf_init(&out, 0);
    for (size_t i = 0; i < d->count; i++) {
        if (!d->patients[i].conf.known || !holds(&d->patients[i]) || ++count > NAMED)
            continue;
        kn_buf_printf(&out, "%s%.*s", count > 1 ? ", " : "", KN_STR_ARG(d->patients[i].name));
    }
    if (count > NAMED)
        kn_buf_printf(&out, " and %zu more", count - NAMED);
    struct kn_str names = kn_arena_str(d->arena, kn_buf_view(&out));
    kn_buf_fini(&out);
    *ret_count = count;
    return names;
}

static void look_at_settings(struct doctor *d)
{
    for (size_t m = 0; m < KN_COUNT_OF(matters); m++) {
        size_t count;
        struct kn_str names = name_them(d, matters[m].holds, &count);
        if (count > 0)
            find(d, matters[m].severity, matters[m].code, names, matters[m].remedy, "%s: %.*s",
                 matters[m].text, KN_STR_ARG(names));
    }
}

/* It is as bad as no answer when none could be read. */
static void tell_unread(struct doctor *d)
{
    enum kn_severity severity = d->count ? KN_SEVERITY_WARNING : KN_SEVERITY_ERROR;
    if (*d->unread_type)
        find(d, severity, "replies_unreadable", KN_STR_ABSENT,
             "Set task_serializer = \"json\" in the workers' configuration; workers use it for "
             "replies. Otherwise Kanchi sees their tasks but not their replies.",
             "Workers replied, but %zu replies are in %s, which Kanchi does not read (it never "
             "unpickles)",
             d->unread, d->unread_type);
    else
        find(d, severity, "replies_unreadable", KN_STR_ABSENT,
             "Workers reply in their task_serializer; Kanchi reads json and msgpack, but not "
             "pickle.",
             "Workers replied, but %zu replies could not be read", d->unread);
}

/* As ingestion measured them; a clock that it could not prove wrong (events may have been on
 * their way) by the newest event of each: its own time, and when it reached us. */
static int64_t clock_ahead(const struct kn_msg_worker *worker)
{
    if (worker->clock_skew.set)
        return (int64_t)(worker->clock_skew.value * (double)KN_SECOND);
    return worker->last_received_at && worker->last_seen
               ? worker->last_seen - worker->last_received_at
               : 0;
}

static void look_at_clocks(struct doctor *d)
{
    for (size_t i = 0; d->options->workers && i < d->options->workers->items.count; i++) {
        const struct kn_msg_worker *worker = &d->options->workers->items.items[i];
        int64_t ahead = clock_ahead(worker);
        bool right = !worker->clock_skew.set && ahead < SKEW_AHEAD_US && -ahead < SKEW_BEHIND_US;
        if (worker->status != KN_WORKER_ONLINE || right)
            continue;
        find(d, KN_SEVERITY_WARNING, "clock_skew", kn_arena_str(d->arena, worker->hostname),
             "Set the clocks of all machines with NTP; Kanchi can correct only measured "
             "differences.",
             worker->clock_skew.set ? "The clock of %.*s is %" PRId64 " seconds %s"
                                    : "The clock of %.*s is %" PRId64
                                      " seconds %s, or its events are late",
             KN_STR_ARG(kn_utf8_head(worker->hostname, 256)),
             (ahead < 0 ? -ahead : ahead) / KN_SECOND, ahead > 0 ? "ahead" : "behind");
    }
}

/* ---- queues ---------------------------------------------------------------------------- */

static bool is_consumed(const struct doctor *d, struct kn_str queue)
{
    for (size_t i = 0; i < d->count; i++)
        for (size_t k = 0; k < d->patients[i].queues.count; k++)
            if (kn_str_eq(d->patients[i].queues.items[k], queue))
                return true;
    return false;
}

static struct kn_strs queue_names(const struct doctor *d)
{
    const struct kn_msg_known_queues *known = d->options->queues;
    size_t n = known ? known->names.count : 0;
    struct kn_strs names = {kn_arena_array(d->arena, n + 1, sizeof *names.items), 0};
    if (!names.items)
        return names;
    for (size_t i = 0; i < n; i++)
        names.items[names.count++] = known->names.items[i];
    names.items[names.count++] = KN_STR("celery"); /* task_default_queue's default */
    return names;
}

static void look_at_queues(struct doctor *d)
{
    struct broker_meter *meter = NULL;
    struct broker_depths depths = {0};
    struct kn_strs names = queue_names(d);
    enum kn_status status = broker_meter_new(d->options->broker, &meter);
    if (status == KN_OK)
        status = broker_meter_measure(meter, names.items, names.count, d->arena, &depths);
    const char *why = meter ? broker_meter_error(meter) : "";
    if (*why) {
        const struct broker_fault *fault =
            broker_fault_of(d->options->broker->url->driver, kn_str_from(why));
        find(d, KN_SEVERITY_WARNING, fault->code, KN_STR_ABSENT, fault->remedy,
             "queues can't be measured: %s", why);
    }
    for (size_t i = 0; status == KN_OK && i < depths.count; i++) {
        const struct broker_depth *one = &depths.items[i];
        if (one->messages == 0 || one->consumers > 0 || is_consumed(d, one->name) ||
            celery_is_delay_queue(one->name))
            continue;
        struct kn_str name = kn_arena_str(d->arena, one->name);
        find(
            d, KN_SEVERITY_ERROR, "queue_without_consumer", name,
            "Start a worker for it (celery -A your_app worker -Q QUEUE), or send add_consumer to a "
            "running worker.",
            "%" PRIu64 " messages are waiting in the queue %.*s, which has no consumers",
            one->messages, KN_STR_ARG(kn_utf8_head(name, 256)));
    }
    broker_meter_free(meter);
}

/* Other databases or virtual hosts of the same server. */
static void look_at_places(struct doctor *d)
{
    const struct broker_host *host = &d->options->broker->url->hosts[0];
    const struct broker_traits *traits = broker_traits(d->options->broker->url);
    struct broker_meter *meter = NULL;
    struct kn_str found[PLACES_MAX];
    struct kn_buf text;
    char db[16];
    size_t count = 0, others = 0;
    kn_buf_init(&text, 0);
    snprintf(db, sizeof db, "%d", host->db);
    struct kn_str ours = kn_str_from(traits->default_vhost ? host->vhost : db);
    enum kn_status status = broker_meter_new(d->options->broker, &meter);
    if (status == KN_OK)
        status = broker_meter_places(meter, d->arena, found, PLACES_MAX, &count);
    for (size_t i = 0; status == KN_OK && i < count; i++)
        if (!kn_str_eq(found[i], ours))
            kn_buf_printf(&text, "%s%.*s", others++ ? ", " : "", KN_STR_ARG(found[i]));
    struct kn_str names = kn_arena_str(d->arena, kn_buf_view(&text));
    struct kn_str shown = kn_utf8_head(names, 512);
    if (others && traits->default_vhost)
        find(d, KN_SEVERITY_INFO, "other_virtual_hosts", names,
             "Each virtual host is a separate broker, selected by the path of the URL.",
             "workers run in other virtual hosts of this %s: %.*s", traits->product,
             KN_STR_ARG(shown));
    else if (others)
        find(d, KN_SEVERITY_INFO, "other_databases", names,
             "Each database is a separate broker, selected by the number at the end of the URL.",
             "workers seem to listen in other databases of this %s: %.*s", traits->product,
             KN_STR_ARG(shown));
    kn_buf_fini(&text);
    broker_meter_free(meter);
}

/* ---- all of it ------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
    const struct patient *x = a, *y = b;
    return kn_str_cmp(x->name, y->name);
}

static size_t count_online(const struct doctor *d)
{
    size_t count = 0;
    for (size_t i = 0; d->options->workers && i < d->options->workers->items.count; i++)
        count += d->options->workers->items.items[i].status == KN_WORKER_ONLINE;
    return count;
}

static void tell_silence(struct doctor *d)
{
    const struct broker_traits *traits = broker_traits(d->options->broker->url);
    size_t online = count_online(d);
    if (traits->routed_by_kombu && online)
        find(d, KN_SEVERITY_ERROR, "no_worker_answered", KN_STR_ABSENT,
             "Their events arrive, but queries or replies get lost. Check that "
             "worker_enable_remote_control is True, and that control_exchange, and fanout_prefix "
             "and sep in broker_transport_options, match this broker's settings (control_exchange, "
             "fanout_prefix, separator).",
             "no worker replied, although %zu %s online according to events", online,
             online == 1 ? "is" : "are");
    else
        find(d, KN_SEVERITY_ERROR, "no_worker_answered", KN_STR_ABSENT,
             traits->default_vhost
                 ? "Check that a worker runs with this broker URL and virtual host (only the "
                   "management API shows other hosts), that its worker_enable_remote_control is "
                   "True, and that its control_exchange matches this broker's."
                 : "Check that a worker runs with this broker URL, that its "
                   "worker_enable_remote_control is True, and that its control_exchange matches "
                   "this broker's.",
             "no worker replied");
}

static void tell_workers(struct doctor *d)
{
    if (d->count)
        qsort(d->patients, d->count, sizeof *d->patients, by_name);
    d->report->workers.items =
        kn_arena_array(d->arena, d->count + 1, sizeof *d->report->workers.items);
    for (size_t i = 0; d->report->workers.items && i < d->count; i++)
        d->report->workers.items[d->report->workers.count++] = d->patients[i].name;
    if (d->unread)
        tell_unread(d);
    else if (d->count == 0)
        tell_silence(d);
}

enum kn_status control_doctor_look(struct control_pidbox *pidbox,
                                   const struct control_doctor_options *options,
                                   struct kn_arena *arena, struct kn_msg_doctor_report *ret)
{
    struct kn_msg_doctor_report report = {.source = kn_str_from(options->source)};
    struct doctor d = {.options = options, .arena = arena, .report = &report};
    report.findings.items = kn_arena_array(arena, FINDINGS_MAX, sizeof *report.findings.items);
    if (!report.findings.items)
        return KN_NOMEM;
    enum kn_status status = ask_workers(&d, pidbox);
    report.reachable = status == KN_OK;
    if (status != KN_OK) {
        const char *why = control_pidbox_error(pidbox);
        const struct broker_fault *fault =
            broker_fault_of(options->broker->url->driver, kn_str_from(why));
        find(&d, KN_SEVERITY_ERROR, fault->code, KN_STR_ABSENT, fault->remedy, "unavailable: %s",
             *why ? why : kn_status_text(status));
        *ret = report;
        return KN_OK;
    }
    tell_workers(&d);
    look_at_settings(&d);
    look_at_clocks(&d);
    look_at_queues(&d);
    look_at_places(&d);
    *ret = report;
    return arena->overflow ? KN_NOMEM : KN_OK;
}
