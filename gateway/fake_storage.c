/* What the fake storage answers. */
#include "gateway/fake_storage.h"

#include "services/common/count.h"
#include "services/common/text/time.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum { TASKS = 130 };

atomic_ullong fake_number;

/* ---- made-up things --------------------------------------------------------------------- */

struct kn_str fake_text(struct kn_arena *arena, const char *prefix, size_t i)
{
    char text[64];
    snprintf(text, sizeof text, "%s%zu", prefix, i);
    return kn_arena_str(arena, kn_str_from(text));
}

static const struct kn_str odd_ids[] = {
    {"a/b/events", 10}, {"Grüße €", 11}, {"with space", 10},       {"..", 2},
    {"100%", 4},        {"?x=1&y#z", 8}, {"<script>alert(1)", 16},
};
enum { N_ODD = KN_COUNT_OF(odd_ids) };

static struct kn_str long_text(struct kn_arena *arena, size_t len)
{
    char *text = kn_arena_alloc(arena, len + 2);
    memset(text, 'x', len);
    text[0] = '\'';
    text[len - 1] = '\'';
    return (struct kn_str){text, len};
}

void fake_task(struct kn_arena *arena, size_t i, struct kn_msg_task *task)
{
    *task = (struct kn_msg_task){
        .id = i < N_ODD ? odd_ids[i] : fake_text(arena, "task-", i),
        .name = i % 7 ? KN_STR("shop.tasks.charge") : KN_STR_ABSENT,
        .source = i % 5 ? KN_STR("default") : KN_STR("other"),
        .status = (uint8_t)(i % KN_TASK_STATUS_COUNT),
        .queue = KN_STR("payments"),
        .args_repr = KN_STR("(1042, 'Grüße', None, [1.5, True])"),
        .kwargs_repr = KN_STR("{'a': (1, 2), 'b': {'c': 'd'}}"),
        .result_repr = i % 3 ? KN_STR("<object at 0x7f>") : KN_STR("'cut here...'"),
        .error = i % KN_TASK_STATUS_COUNT == KN_TASK_FAILURE ? KN_STR("ValueError('\xff\xfe')")
                                                             : KN_STR_ABSENT,
        .traceback = KN_STR("Traceback <script>\n\x01 \xf0\x9f\x98\x80"),
        .worker_id = KN_STR("celery@one"),
        .retries = KN_SOME_I64(0),
        .received_at = AT + (int64_t)i * KN_SECOND,
        .failed_at = AT,
        .updated_at = AT + KN_MINUTE,
        .runtime = KN_SOME_F64(0.25),
        .no = i + 1,
    };
    if (i == 10)
        task->result_repr = long_text(arena, 1 << 20);
}

void fake_worker(struct kn_msg_worker *worker, const char *name, const char *source)
{
    static struct kn_str queues[] = {{"payments", 8}}, registered[] = {{"shop.tasks.charge", 17}};
    static double load[] = {0.5, 0.25, 0.125};
    *worker = (struct kn_msg_worker){
        .id = kn_str_from(name),
        .hostname = kn_str_from(name),
        .source = kn_str_from(source),
        .status = KN_WORKER_ONLINE,
        .queues = {queues, 1},
        .concurrency = KN_SOME_I64(4),
        .registered = {registered, 1},
        .load = {load, 3},
        .active = KN_SOME_I64(2),
        .freq = KN_SOME_F64(2),
        .sw_ver = KN_STR("5.6.3"),
        .pid = 4711,
        .events_enabled = KN_SOME_I64(1),
        .conf = KN_STR("{\"task_serializer\":\"json\"}"),
        .last_seen = AT,
    };
}

/* ---- answers ---------------------------------------------------------------------------- */

static bool wanted(const struct kn_msg_tasks_get *get, const struct kn_msg_task *task)
{
    struct kn_str status = kn_str_from(kn_enum_text(&kn_enum_task_status, task->status));
    bool good = get->statuses.count == 0;
    for (size_t i = 0; i < get->statuses.count; i++)
        good = good || kn_str_eq(get->statuses.items[i], status);
    return good;
}

static void answer_tasks(struct kn_arena *arena, const struct kn_msg_tasks_get *get,
                         struct kn_bus_reply *reply)
{
    struct kn_msg_task_list list = {0};
    uint64_t from = 0, i;
    list.items.items = kn_arena_array(arena, TASKS, sizeof *list.items.items);
    if (get->cursor.ptr)
        kn_str_to_u64(get->cursor, &from);
    for (i = from; i < TASKS && list.items.count < get->limit; i++) {
        struct kn_msg_task *task = &list.items.items[list.items.count];
        fake_task(arena, i, task);
        list.items.count += wanted(get, task);
    }
    if (i < TASKS)
        list.next_cursor = fake_text(arena, "", i);
    kn_bus_reply_set(reply, KN_KIND_TASK_LIST, &list);
}

static bool find_task(struct kn_arena *arena, struct kn_str id, struct kn_str source,
                      struct kn_msg_task *task)
{
    for (size_t i = 0; i < TASKS; i++) {
        fake_task(arena, i, task);
        if (kn_str_eq(task->id, id) && (!source.ptr || kn_str_eq(task->source, source)))
            return true;
    }
    return false;
}

static enum kn_status answer_task(struct kn_arena *arena, const struct kn_msg_task_get *get,
                                  struct kn_bus_reply *reply)
{
    struct kn_msg_task task;
    if (kn_str_eq(get->id, KN_STR("huge"))) {
        fake_task(arena, 0, &task);
        task.result_repr = long_text(arena, 12 << 20);
    } else if (!find_task(arena, get->id, get->source, &task)) {
        kn_bus_reply_error(reply, "there is no task with this id");
        return KN_NOT_FOUND;
    }
    kn_bus_reply_set(reply, KN_KIND_TASK, &task);
    return KN_OK;
}

static void answer_events(const struct kn_msg_task_events_get *get, struct kn_bus_reply *reply)
{
    struct kn_msg_event events[] = {
        {.type = KN_EVENT_TASK_RECEIVED,
         .uuid = get->id,
         .hostname = KN_STR("celery@one"),
         .timestamp = AT,
         .received_at = AT,
         .clock = 7,
         .pid = 11,
         .name = KN_STR("shop.tasks.charge"),
         .args_repr = KN_STR("(1042,)"),
         .retries = KN_SOME_I64(0)},
        {.type = KN_EVENT_CUSTOM,
         .type_name = KN_STR("task-progress"),
         .uuid = get->id,
         .timestamp = AT + 1,
         .extra = KN_STR("{\"percent\":50,\"note\":\"half\"}")},
    };
    const struct kn_msg_task_event_list list = {.items = {events, 2}};
    kn_bus_reply_set(reply, KN_KIND_TASK_EVENT_LIST, &list);
}

static void answer_workers(const struct kn_msg_workers_get *get, struct kn_bus_reply *reply)
{
    struct kn_msg_worker workers[3], found[3];
    struct kn_msg_worker_list list = {.items = {found, 0}};
    fake_worker(&workers[0], "celery@two", "default");
    fake_worker(&workers[1], "celery@one", "other");
    fake_worker(&workers[2], "celery@one", "default");
    for (int i = 0; i < 3; i++)
        if ((!get->id.ptr || kn_str_eq(get->id, workers[i].id)) &&
            (!get->statuses.count ||
             kn_str_eq(get->statuses.items[0],
                       kn_str_from(kn_enum_text(&kn_enum_worker_status, workers[i].status)))) &&
            (!get->sources.count || kn_str_eq(get->sources.items[0], workers[i].source)))
            found[list.items.count++] = workers[i];
    kn_bus_reply_set(reply, KN_KIND_WORKER_LIST, &list);
}

static void answer_queues(const struct kn_msg_queues_get *get, struct kn_bus_reply *reply)
{
    static struct kn_str workers[] = {{"celery@one", 10}};
    struct kn_msg_queue_priority priorities[] = {{0, 12}, {3, 5}};
    struct kn_msg_queue_point points[] = {{.at = AT, .messages = 3}};
    struct kn_msg_queue queues[] = {
        {.name = KN_STR("payments"),
         .source = KN_STR("default"),
         .messages = KN_SOME_I64(17),
         .priorities = {priorities, 2},
         .workers = {workers, 1},
         .measured_at = AT,
         .history = {points, get->name.ptr ? 1 : 0}},
        {.name = KN_STR("a/b"), .source = KN_STR("default")},
    };
    struct kn_msg_queue_list list = {.items = {queues, 2}};
    if (get->name.ptr) {
        list.items.count = 0;
        for (int i = 0; i < 2; i++)
            if (kn_str_eq(queues[i].name, get->name))
                list = (struct kn_msg_queue_list){.items = {&queues[i], 1}};
    }
    kn_bus_reply_set(reply, KN_KIND_QUEUE_LIST, &list);
}

static void answer_queue_histories(struct kn_bus_reply *reply)
{
    double depths[] = {-1, 3, 17};
    struct kn_msg_queue_history history = {
        .name = KN_STR("payments"), .source = KN_STR("default"), .messages = {depths, 3}};
    const struct kn_msg_queue_histories list = {.items = {&history, 1}, .complete = true};
    kn_bus_reply_set(reply, KN_KIND_QUEUE_HISTORIES, &list);
}

static void answer_rollups(const struct kn_msg_rollups_get *get, struct kn_bus_reply *reply)
{
    struct kn_msg_event_counts counts = {.received = 10, .started = 9, .success = 7, .failure = 1};
    struct kn_msg_event_counts tasks = {.success = 7, .failure = 1};
    struct kn_msg_quantiles quantiles = {
        .count = 7, .mean = KN_SOME_F64(0.5), .p50 = KN_SOME_F64(0.25), .p95 = KN_SOME_F64(1)};
    struct kn_msg_point points[] = {
        {.at = AT,
         .counts = &counts,
         .tasks = &tasks,
         .runtime = &quantiles,
         .queue_wait = &quantiles},
        {.at = AT + KN_MINUTE, .counts = &counts, .tasks = &tasks},
    };
    struct kn_msg_series series = {.points = {points, get->step ? 2 : 1}};
    if (get->group_by.ptr)
        series.key = KN_STR("shop.tasks.charge");
    const struct kn_msg_series_list list = {
        .from = get->from, .to = get->to, .step = get->step, .series = {&series, 1}};
    kn_bus_reply_set(reply, KN_KIND_SERIES_LIST, &list);
}

static void answer_family(struct kn_arena *arena, const struct kn_msg_family_get *get,
                          struct kn_bus_reply *reply)
{
    struct kn_msg_task tasks[3];
    struct kn_msg_task_list list = {.items = {tasks, 3}};
    for (size_t i = 0; i < 3; i++) {
        fake_task(arena, 20 + i, &tasks[i]);
        tasks[i].root_id = get->id;
    }
    if (!get->cursor.ptr)
        list.next_cursor = KN_STR("22");
    kn_bus_reply_set(reply, KN_KIND_TASK_LIST, &list);
}

static void answer_failures(const struct kn_msg_failures_get *get, struct kn_bus_reply *reply)
{
    struct kn_msg_failure_group group = {.source = KN_STR("default"),
                                         .name = KN_STR("shop.tasks.charge"),
                                         .exception = KN_STR("ValueError"),
                                         .count = 3,
                                         .first_at = get->from,
                                         .last_at = AT,
                                         .last_id = KN_STR("task-9"),
                                         .last_error = KN_STR("ValueError('<script>')")};
    const struct kn_msg_failure_list list = {.items = {&group, 1}, .counted = 3, .complete = true};
    kn_bus_reply_set(reply, KN_KIND_FAILURE_LIST, &list);
}

static void answer_names(struct kn_bus_reply *reply)
{
    struct kn_str names[] = {KN_STR("shop.tasks.charge"), KN_STR("<script>")};
    const struct kn_msg_task_names list = {.items = {names, 2}};
    kn_bus_reply_set(reply, KN_KIND_TASK_NAMES, &list);
}

static enum kn_status answer_life(const struct kn_msg_worker_life_get *get,
                                  struct kn_bus_reply *reply)
{
    struct kn_msg_worker_moment moments[] = {{AT, KN_WORKER_CHANGE_ONLINE},
                                             {AT + KN_MINUTE, KN_WORKER_CHANGE_RESTART}};
    const struct kn_msg_worker_life life = {.source = KN_STR("default"), .items = {moments, 2}};
    if (!kn_str_eq(get->id, KN_STR("celery@one")))
        return KN_NOT_FOUND;
    kn_bus_reply_set(reply, KN_KIND_WORKER_LIFE, &life);
    return KN_OK;
}

static void answer_system(struct kn_bus_reply *reply)
{
    struct kn_msg_service_status services[] = {
        {.name = KN_STR("storage"), .id = KN_STR("s1"), .state = KN_SERVICE_READY, .rss_bytes = 1},
        {.name = KN_STR("ingestion"),
         .id = KN_STR("i1"),
         .source = KN_STR("default"),
         .state = KN_SERVICE_AWAY,
         .pid = 7,
         .started_at = AT},
    };
    struct kn_msg_gap gaps[] = {{.source = KN_STR("default"), .from = AT, .to = AT + KN_SECOND}};
    struct kn_msg_source_status sources[] = {{.source = KN_STR("default \"x\""),
                                              .state = KN_LINK_CONNECTED,
                                              .events_received = 100,
                                              .gaps = {gaps, 1}}};
    struct kn_msg_finding findings[] = {
        {.severity = KN_SEVERITY_WARNING, .code = KN_STR("x"), .text = KN_STR("something")}};
    struct kn_msg_storage_status storage = {.backend = KN_STR("sqlite"), .tasks = TASKS};
    struct kn_msg_status_count counts[] = {
        {.source = KN_STR("default"), .status = KN_TASK_SUCCESS, .count = 90},
        {.source = KN_STR("other"), .status = KN_TASK_SUCCESS, .count = 10}};
    const struct kn_msg_system system = {.at = AT,
                                         .services = {services, 2},
                                         .ingestion = {sources, 1},
                                         .findings = {findings, 1},
                                         .storage = &storage,
                                         .counts = {counts, 2}};
    kn_bus_reply_set(reply, KN_KIND_SYSTEM, &system);
}

static void answer_audit(struct kn_bus_reply *reply)
{
    struct kn_msg_audit_entry items[] = {
        {.id = KN_STR("a-1"),
         .verb = KN_VERB_COMMAND,
         .method = KN_STR("pool_grow"),
         .source = KN_STR("default"),
         .target = KN_STR("celery@one"),
         .request = KN_STR("{\"n\":1}"),
         .begun_at = AT,
         .ended_at = AT + 1,
         .outcome = KN_OUTCOME_DONE,
         .no = 2},
        {.id = KN_STR("a-0"), .verb = KN_VERB_RETRY, .begun_at = AT - 1, .no = 1},
    };
    const struct kn_msg_audit_list list = {.items = {items, 2}, .next = 1};
    kn_bus_reply_set(reply, KN_KIND_AUDIT_LIST, &list);
}

static struct kn_msg_job made_up_job(void)
{
    return (struct kn_msg_job){.id = KN_STR("j-1"),
                               .action = KN_JOB_RETRY,
                               .rate = 20,
                               .request = KN_STR("{\"ids\":2}"),
                               .created_at = AT,
                               .total = 2,
                               .waiting = 1,
                               .done = 1,
                               .no = 7};
}

static enum kn_status answer_jobs(const struct kn_msg_jobs_get *get, struct kn_bus_reply *reply)
{
    struct kn_msg_job job = made_up_job();
    struct kn_msg_job_item items[] = {
        {.no = 1,
         .id = KN_STR("task-1"),
         .source = KN_STR("default"),
         .state = KN_ITEM_DONE,
         .new_id = KN_STR("task-2"),
         .at = AT},
        {.no = 2, .id = KN_STR("task-3"), .source = KN_STR("default")},
    };
    const struct kn_msg_job_list list = {.items = {&job, 1}, .next = get->id.ptr ? 0 : 7};
    const struct kn_msg_job_items tasks = {.job = &job, .items = {items, 2}, .next = 2};
    if (get->id.ptr && !kn_str_eq(get->id, job.id))
        return KN_NOT_FOUND;
    if (get->items)
        kn_bus_reply_set(reply, KN_KIND_JOB_ITEMS, &tasks);
    else
        kn_bus_reply_set(reply, KN_KIND_JOB_LIST, &list);
    return KN_OK;
}

/* Of a new one, how many tasks would be in it; else the one that there is. */
static void answer_job(const struct kn_msg_job_create *create, struct kn_bus_reply *reply)
{
    struct kn_msg_job_count failure = {KN_STR("failure"), 2}, name = {KN_STR("a \"b\""), 2};
    struct kn_msg_job job = made_up_job();
    if (create && create->dry_run) {
        job.by_status.items = &failure;
        job.by_name.items = &name;
        job.by_status.count = job.by_name.count = 1;
    } else if (create) {
        job.id = create->action->id;
        job.options = create->options;
        job.request = create->request;
    }
    kn_bus_reply_set(reply, KN_KIND_JOB, &job);
}

static void answer_links(struct kn_bus_reply *reply)
{
    static struct kn_str again[] = {{"task-10", 7}};
    const struct kn_msg_task_links links = {.retried_as = {again, 1}};
    kn_bus_reply_set(reply, KN_KIND_TASK_LINKS, &links);
}

static void answer_dismissals(struct kn_bus_reply *reply)
{
    struct kn_msg_dismissal one = {.key = KN_STR("failing"), .state = KN_STR("80%"), .at = AT};
    const struct kn_msg_dismissal_list list = {.items = {&one, 1}};
    kn_bus_reply_set(reply, KN_KIND_DISMISSAL_LIST, &list);
}

static void answer_feed(const struct kn_msg_feed_get *get, struct kn_bus_reply *reply)
{
    static struct kn_msg_feed items[100];
    struct kn_msg_feed_list list = {
        .feed = KN_STR("fake"), .oldest = 1, .newest = fake_number, .items = {items, 0}};
    for (uint64_t n = get->from; n <= fake_number && list.items.count < 100; n++)
        items[list.items.count++] = (struct kn_msg_feed){.feed = KN_STR("fake"), .number = n};
    kn_bus_reply_set(reply, KN_KIND_FEED_LIST, &list);
}

static enum kn_status answer_about_jobs(const struct kn_bus_message *request,
                                        struct kn_bus_reply *reply)
{
    switch (request->kind) {
    case KN_KIND_JOBS_GET:
        return answer_jobs(request->msg, reply);
    case KN_KIND_JOB_CREATE:
        answer_job(request->msg, reply);
        return KN_OK;
    case KN_KIND_JOB_CANCEL:
        answer_job(NULL, reply);
        return KN_OK;
    default:
        return KN_UNSUPPORTED;
    }
}

enum kn_status fake_handle(void *arg, const struct kn_bus_message *request,
                           struct kn_bus_reply *reply)
{
    const struct kn_msg_done done = {0};
    enum kn_status status = KN_OK;
    struct kn_arena arena;
    (void)arg;
    kn_arena_init(&arena, 0);
    switch (request->kind) {
    case KN_KIND_TASKS_GET:
        answer_tasks(&arena, request->msg, reply);
        break;
    case KN_KIND_TASK_GET:
        status = answer_task(&arena, request->msg, reply);
        break;
    case KN_KIND_TASK_EVENTS_GET:
        answer_events(request->msg, reply);
        break;
    case KN_KIND_WORKERS_GET:
        answer_workers(request->msg, reply);
        break;
    case KN_KIND_QUEUES_GET:
        answer_queues(request->msg, reply);
        break;
    case KN_KIND_QUEUE_HISTORIES_GET:
        answer_queue_histories(reply);
        break;
    case KN_KIND_ROLLUPS_GET:
        answer_rollups(request->msg, reply);
        break;
    case KN_KIND_FAMILY_GET:
        answer_family(&arena, request->msg, reply);
        break;
    case KN_KIND_FAILURES_GET:
        answer_failures(request->msg, reply);
        break;
    case KN_KIND_TASK_NAMES_GET:
        answer_names(reply);
        break;
    case KN_KIND_WORKER_LIFE_GET:
        status = answer_life(request->msg, reply);
        break;
    case KN_KIND_SYSTEM_GET:
        answer_system(reply);
        break;
    case KN_KIND_AUDIT_GET:
        answer_audit(reply);
        break;
    case KN_KIND_TASK_LINKS_GET:
        answer_links(reply);
        break;
    case KN_KIND_FEED_GET:
        answer_feed(request->msg, reply);
        break;
    case KN_KIND_DISMISSALS_GET:
        answer_dismissals(reply);
        break;
    case KN_KIND_RESOLVE:
    case KN_KIND_DISMISS:
    case KN_KIND_SERVICE_STATUS:
        kn_bus_reply_set(reply, KN_KIND_DONE, &done);
        break;
    default:
        status = answer_about_jobs(request, reply);
        if (status == KN_UNSUPPORTED)
            status = fake_control(&arena, request, reply);
    }
    kn_arena_fini(&arena);
    return status;
}
