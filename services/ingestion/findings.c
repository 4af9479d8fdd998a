#include "services/ingestion/findings.h"

#include "services/broker/fault.h"
#include "services/common/text/time.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define FINDINGS_MAX (12 + INGEST_WRONG_MAX)
#define UNREAD_LATELY (10 * KN_MINUTE)

struct list {
    const struct ingest_facts *facts;
    struct kn_arena *arena;
    struct kn_msg_finding *items;
    size_t count;
};

__attribute__((format(printf, 5, 6))) static void add(struct list *list, enum kn_severity severity,
                                                      const char *code, const char *remedy,
                                                      const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    list->items[list->count++] = (struct kn_msg_finding){
        .severity = (uint8_t)severity,
        .code = kn_str_from(code),
        .source = list->facts->source,
        .text = kn_arena_str(list->arena, kn_str_from(text)),
        .remedy = kn_arena_str(list->arena, kn_str_from(remedy)),
    };
}

static void add_space(struct list *list)
{
    const struct ingest_spool_status *spool = &list->facts->spool;
    static const char *const remedy =
        "Check why storage is slow or unavailable. ingestion.spool_max sets the limit.";
    long long used = (long long)(spool->bytes >> 20);
    long long most = (long long)(spool->max >> 20);
    if (spool->full && !broker_traits(list->facts->url)->keeps_events)
        add(list, KN_SEVERITY_ERROR, "spool_full", remedy,
            "The spool is full (%lld MB): storage isn't accepting events, so the oldest are being "
            "dropped.",
            most);
    else if (spool->full)
        add(list, KN_SEVERITY_ERROR, "spool_full", remedy,
            "The spool is full (%lld MB): storage isn't accepting events, so they wait in Kanchi's "
            "queue on %s, which drops the oldest once it is full.",
            most, broker_traits(list->facts->url)->product);
    else if (spool->bytes > spool->max / 2)
        add(list, KN_SEVERITY_WARNING, "spool_filling", remedy,
            "The spool holds %lld of %lld MB: storage isn't accepting events.", used, most);
}

static void add_spool(struct list *list)
{
    const struct ingest_spool_status *spool = &list->facts->spool;
    add_space(list);
    if (spool->error) {
        char remedy[512];
        snprintf(remedy, sizeof(remedy), "Free disk space, or check %.400s.", list->facts->dir);
        add(list, KN_SEVERITY_ERROR, "spool_failing", remedy,
            "The spool can't be written: %s. Events that storage does not accept stay in memory.",
            strerror(spool->error));
    }
    if (spool->dropped)
        add(list, KN_SEVERITY_WARNING, "spool_dropped",
            "ingestion.spool_max and ingestion.spool_age set the limits.",
            "%llu events were dropped since ingestion started, because the spool was full, they "
            "were too old, or a file was damaged.",
            (unsigned long long)spool->dropped);
    if (spool->damaged)
        add(list, KN_SEVERITY_WARNING, "spool_damaged", "Check the disk and ingestion's log.",
            "%llu records or files of the spool were damaged.", (unsigned long long)spool->damaged);
}

static void add_unread(struct list *list)
{
    const struct ingest_unread *unread = &list->facts->unread;
    if (unread->messages == 0 || list->facts->now - unread->last_at >= UNREAD_LATELY)
        return;
    add(list, KN_SEVERITY_WARNING, "events_unreadable",
        "Set event_serializer = \"json\" in the Celery configuration of workers and clients.",
        "%llu messages with events arrived in %s since ingestion started. Kanchi does not read "
        "that format (it never unpickles), so these events are missing.",
        (unsigned long long)unread->messages, unread->serializer);
}

static void add_fault(struct list *list, enum kn_severity severity, const char *what,
                      const char *error)
{
    const struct broker_fault *fault =
        broker_fault_of(list->facts->url->driver, kn_str_from(error));
    add(list, severity, fault->code, fault->remedy, "%s: %s", what, error);
}

static void add_clocks(struct list *list)
{
    static const char *const remedy = "Let NTP set the clocks of all machines.";
    const struct ingest_wrong_clocks *clocks = &list->facts->clocks;
    for (size_t i = 0; i < clocks->count; i++) {
        int64_t skew = clocks->items[i].skew;
        struct kn_str hostname = kn_str_from(clocks->items[i].hostname);
        size_t others = i + 1 == INGEST_WRONG_MAX ? clocks->total - clocks->count : 0;
        char more[64] = "";
        if (others)
            snprintf(more, sizeof(more), " %zu other clocks are wrong too.", others);
        add(list, KN_SEVERITY_WARNING, "clock_skew", remedy,
            "The clock of %.*s is %lld seconds %s Kanchi's. Kanchi corrects the times of its "
            "events.%s",
            KN_STR_ARG(kn_utf8_head(hostname, 256)),
            (long long)(((skew < 0 ? -skew : skew) + KN_SECOND / 2) / KN_SECOND),
            skew < 0 ? "behind" : "ahead of", more);
        list->items[list->count - 1].subject = kn_arena_str(list->arena, hostname);
    }
}

void ingest_findings(const struct ingest_facts *facts, struct kn_arena *arena,
                     struct kn_msg_finding **ret, size_t *ret_count)
{
    struct list list = {.facts = facts, .arena = arena};
    list.items = kn_arena_array(arena, FINDINGS_MAX, sizeof(*list.items));
    if (!list.items)
        return;
    if (facts->dir)
        add_spool(&list);
    add_unread(&list);
    if (facts->error && facts->error[0])
        add_fault(&list, KN_SEVERITY_ERROR, "Events can't be received", facts->error);
    else if (facts->unmeasured && facts->unmeasured[0])
        add_fault(&list, KN_SEVERITY_WARNING, "Queues can't be measured", facts->unmeasured);
    add_clocks(&list);
    if (facts->alarm && facts->alarm[0])
        add(&list, KN_SEVERITY_ERROR, "publishers_blocked",
            "Free memory or disk space on the RabbitMQ node, or raise vm_memory_high_watermark or "
            "lower disk_free_limit.",
            "%s blocks publishers: %s. Clients and workers can't send tasks, results or "
            "events until the alarm ends.",
            broker_traits(facts->url)->product, facts->alarm);
    if (facts->note[0])
        add(&list, KN_SEVERITY_WARNING, "broker_note", "see docs/brokers.md", "%s", facts->note);
    *ret = list.items;
    *ret_count = list.count;
}
