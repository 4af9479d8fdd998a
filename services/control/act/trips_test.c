/* How often a retry asks storage, which here counts and answers with one made-up task and worker.
 * Messages go to a private Redis. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "services/broker/rig_test.h"
#include "services/common/text/time.h"
#include "services/control/act/actions.h"
#include "services/control/act/jobs.h"
#include "services/control/find/result_backend.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { ITEMS = 3 };

/* What storage was asked. The thread that keeps pauses asks by itself, and does not count. */
struct counts {
    unsigned all, task, events, workers, begin, end, link;
    unsigned with_workers; /* workers, and events with workers */
    unsigned full;         /* workers with all that they answered */
};

static struct {
    bool old; /* it knows neither with_task nor a link at the end */
    pthread_mutex_t lock;
    pthread_cond_t told; /* of the results of a job */
    struct counts counts;
    unsigned links; /* of tasks, in whatever request */
    bool given;     /* the portion of the job */
    unsigned done;  /* its tasks */
} storage = {.lock = PTHREAD_MUTEX_INITIALIZER, .told = PTHREAD_COND_INITIALIZER};

static struct rig_server redis;
static struct broker_url *url;
static struct broker_options broker;
static char folder[64], storage_url[128], control_url[128];
static struct kn_bus *bus;
static struct kn_bus_server *server;
static struct kn_bus_client *to_storage;
static const struct control_result_settings results = {
    .url = "", .key_prefix = "", .tls_ca = "", .tls_cert = "", .tls_key = ""};
static struct control_call_options options = {.source = "default",
                                              .broker = &broker,
                                              .results = &results,
                                              .reply_timeout_us = KN_SECOND,
                                              .memory_max = 1 << 20,
                                              .request_timeout_us = 20 * KN_SECOND,
                                              .look_max = 100,
                                              .retry_from_repr = true};

/* ---- storage ----------------------------------------------------------------------------- */

static struct kn_msg_task task_of(struct kn_str id)
{
    return (struct kn_msg_task){.id = id,
                                .source = KN_STR("default"),
                                .name = KN_STR("app.add"),
                                .status = KN_TASK_SUCCESS,
                                .worker_id = KN_STR("w@1"),
                                .queue = KN_STR("celery"),
                                .args_repr = KN_STR("(1, 2)"),
                                .kwargs_repr = KN_STR("{}")};
}

static struct kn_msg_event call_of(struct kn_str id)
{
    return (struct kn_msg_event){.type = KN_EVENT_TASK_SENT,
                                 .uuid = id,
                                 .timestamp = KN_SECOND,
                                 .received_at = KN_SECOND,
                                 .name = KN_STR("app.add"),
                                 .queue = KN_STR("celery"),
                                 .exchange = KN_STR(""),
                                 .routing_key = KN_STR("celery"),
                                 .retries = KN_SOME_I64(0),
                                 .args_repr = KN_STR("(1, 2)"),
                                 .kwargs_repr = KN_STR("{}")};
}

static void answer_events(const struct kn_msg_task_events_get *get,
                          struct kn_msg_worker_list *workers, struct kn_bus_reply *reply)
{
    struct kn_msg_event event = call_of(get->id);
    struct kn_msg_task task = task_of(get->id);
    const struct kn_msg_task_event_list list = {
        .items = {&event, 1},
        .task = !storage.old && get->with_task ? &task : NULL,
        .workers = !storage.old && get->with_workers ? workers : NULL};
    storage.counts.events++;
    storage.counts.with_workers += list.workers != NULL;
    kn_bus_reply_set(reply, KN_KIND_TASK_EVENT_LIST, &list);
}

static void answer_take(const struct kn_msg_job_take *take, struct kn_bus_reply *reply)
{
    static struct kn_msg_job_item items[ITEMS];
    static const char *const names[ITEMS][2] = {{"a", "a2"}, {"b", "b2"}, {"c", "c2"}};
    static struct kn_msg_job job = {.id = {"job", 3}, .action = KN_JOB_RETRY, .options = {"{}", 2}};
    struct kn_msg_job_items work = {.wait = KN_SECOND};
    for (size_t i = 0; i < take->results.count; i++)
        storage.done += take->results.items[i].state == KN_ITEM_DONE;
    if (take->results.count)
        pthread_cond_signal(&storage.told);
    if (!storage.given) {
        work.job = &job;
        work.items.items = items;
        work.items.count = ITEMS;
        for (size_t i = 0; i < ITEMS; i++)
            items[i] = (struct kn_msg_job_item){.no = i + 1,
                                                .id = kn_str_from(names[i][0]),
                                                .new_id = kn_str_from(names[i][1]),
                                                .source = KN_STR("default"),
                                                .state = KN_ITEM_BEGUN,
                                                .status = KN_TASK_SUCCESS};
        storage.given = true;
    }
    kn_bus_reply_set(reply, KN_KIND_JOB_ITEMS, &work);
}

static void answer_end(const struct kn_msg_audit_end *end, struct kn_bus_reply *reply)
{
    bool linked = !storage.old && end->link;
    storage.counts.end++;
    storage.links += linked;
    kn_bus_reply_set(reply, KN_KIND_DONE, &(struct kn_msg_done){.linked = linked});
}

static enum kn_status answer(const struct kn_bus_message *request, struct kn_bus_reply *reply)
{
    static struct kn_str names[] = {{"app.add", 7}};
    static struct kn_msg_worker worker = {.hostname = {"w@1", 3},
                                          .status = KN_WORKER_ONLINE,
                                          .registered = {names, 1},
                                          .conf = {"{\"accept_content\":[\"json\"]}", 27}};
    static struct kn_msg_worker_list workers = {.items = {&worker, 1}};
    struct counts *n = &storage.counts;
    switch (request->kind) {
    case KN_KIND_TASK_EVENTS_GET:
        answer_events(request->msg, &workers, reply);
        return KN_OK;
    case KN_KIND_TASK_GET: {
        const struct kn_msg_task task = task_of(((const struct kn_msg_task_get *)request->msg)->id);
        n->task++;
        kn_bus_reply_set(reply, KN_KIND_TASK, &task);
        return KN_OK;
    }
    case KN_KIND_WORKERS_GET:
        n->workers++;
        n->with_workers++;
        n->full += ((const struct kn_msg_workers_get *)request->msg)->full;
        kn_bus_reply_set(reply, KN_KIND_WORKER_LIST, &workers);
        return KN_OK;
    case KN_KIND_AUDIT_END:
        answer_end(request->msg, reply);
        return KN_OK;
    case KN_KIND_JOB_TAKE:
        answer_take(request->msg, reply);
        return KN_OK;
    case KN_KIND_AUDIT_BEGIN:
        n->begin++;
        break;
    case KN_KIND_TASK_LINK:
        n->link++;
        storage.links++;
        break;
    default:
        return KN_UNSUPPORTED;
    }
    kn_bus_reply_set(reply, KN_KIND_DONE, &(struct kn_msg_done){0});
    return KN_OK;
}

static enum kn_status serve(void *arg, const struct kn_bus_message *request,
                            struct kn_bus_reply *reply)
{
    (void)arg;
    if (request->kind == KN_KIND_PAUSES_GET) {
        kn_bus_reply_set(reply, KN_KIND_PAUSE_LIST, &(struct kn_msg_pause_list){0});
        return KN_OK;
    }
    pthread_mutex_lock(&storage.lock);
    storage.counts.all += request->kind != KN_KIND_JOB_TAKE;
    enum kn_status status = answer(request, reply);
    pthread_mutex_unlock(&storage.lock);
    return status;
}

/* ---- a process --------------------------------------------------------------------------- */

static int set_up_all(void **state)
{
    (void)state;
    rig_dir(&redis, "trips", false);
    rig_redis_start(&redis, NULL);
    url = rig_url("redis://127.0.0.1:%d/0", redis.port);
    broker_options_init(&broker);
    broker.url = url;
    strcpy(folder, "/tmp/kanchi-trips-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(storage_url, sizeof storage_url, "ipc://%s/storage", folder);
    snprintf(control_url, sizeof control_url, "ipc://%s/control", folder);
    assert_int_equal(kn_bus_new(&(struct kn_bus_options){.sender = "test"}, &bus, NULL), KN_OK);
    assert_int_equal(kn_bus_server_new(bus, storage_url, 4, serve, NULL, &server, NULL), KN_OK);
    assert_int_equal(kn_bus_client_new(bus, storage_url, &to_storage, NULL), KN_OK);
    return 0;
}

static int tear_down_all(void **state)
{
    (void)state;
    char path[128];
    kn_bus_client_free(to_storage);
    kn_bus_server_free(server);
    kn_bus_free(bus);
    snprintf(path, sizeof path, "%s/storage", folder);
    unlink(path);
    snprintf(path, sizeof path, "%s/control", folder);
    unlink(path);
    rmdir(folder);
    broker_url_free(url);
    rig_stop(&redis, SIGTERM);
    rig_dir_remove(&redis);
    return 0;
}

static int forget(void **state)
{
    (void)state;
    storage.old = storage.given = false;
    storage.counts = (struct counts){0};
    storage.links = storage.done = 0;
    return 0;
}

/* Asks new actions, which must answer with that status. The caller frees the answer. */
static struct kn_bus_message *ask(enum kn_kind kind, const void *msg, enum kn_status wanted)
{
    struct control_actions *actions;
    struct kn_bus_client *client;
    struct kn_bus_message *answer = NULL;
    struct kn_buf error;
    kn_buf_init(&error, 0);
    assert_int_equal(
        control_actions_start(&options, bus, control_url, to_storage, &actions, &error), KN_OK);
    assert_int_equal(kn_bus_client_new(bus, control_url, &client, NULL), KN_OK);
    enum kn_status status = kn_bus_request(client, kind, msg, 30 * KN_SECOND, &answer, &error);
    if (wanted == KN_OK)
        assert_null(kn_buf_cstr(&error));
    kn_buf_fini(&error);
    assert_int_equal(status, wanted);
    kn_bus_client_free(client);
    control_actions_stop(actions);
    return answer;
}

static void retry(const char *id)
{
    struct kn_msg_action action = {.id = kn_str_from(id), .at = kn_time_now()};
    const struct kn_msg_task_send send = {.action = &action,
                                          .source = KN_STR("default"),
                                          .task_id = KN_STR("first"),
                                          .new_id = kn_str_from(id)};
    struct kn_bus_message *answer = ask(KN_KIND_TASK_SEND, &send, KN_OK);
    const struct kn_msg_task_sent *sent = answer->msg;
    assert_true(kn_str_eq(sent->arguments_from, KN_STR("repr")));
    for (size_t i = 0; i < sent->warnings.count; i++)
        assert_false(kn_str_starts(sent->warnings.items[i], KN_STR("sent, but")));
    kn_bus_message_free(answer);
}

/* ---- what holds -------------------------------------------------------------------------- */

static void a_retry_asks_storage_three_times(void **state)
{
    (void)state;
    retry("r1");
    assert_int_equal(storage.counts.begin, 1);
    assert_int_equal(storage.counts.events, 1);
    assert_int_equal(storage.counts.end, 1);
    assert_int_equal(storage.counts.all, 3);
    assert_int_equal(storage.links, 1);
}

static void an_older_storage_is_asked_for_each_part(void **state)
{
    (void)state;
    storage.old = true;
    retry("r2");
    assert_int_equal(storage.counts.task, 1);
    assert_int_equal(storage.counts.workers, 1);
    assert_int_equal(storage.counts.link, 1);
    assert_int_equal(storage.counts.all, 6);
    assert_int_equal(storage.links, 1);
}

static void a_result_needs_the_configurations_alone(void **state)
{
    (void)state;
    const struct kn_msg_task_result_get get = {.source = KN_STR("default"),
                                               .task_id = KN_STR("first")};
    /* no worker names a result backend */
    assert_null(ask(KN_KIND_TASK_RESULT_GET, &get, KN_CONFLICT));
    assert_int_equal(storage.counts.workers, 1);
    assert_int_equal(storage.counts.full, 0);
}

static void a_bulk_portion_looks_at_the_workers_once(void **state)
{
    struct control_jobs *jobs;
    (void)state;
    assert_int_equal(control_jobs_start(&options, "test", to_storage, &jobs), KN_OK);
    pthread_mutex_lock(&storage.lock);
    while (!storage.done)
        pthread_cond_wait(&storage.told, &storage.lock);
    pthread_mutex_unlock(&storage.lock);
    control_jobs_stop(jobs);
    assert_int_equal(storage.done, ITEMS);
    assert_int_equal(storage.links, ITEMS);
    assert_int_equal(storage.counts.with_workers, 1);
    assert_int_equal(storage.counts.all, 2 * ITEMS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_retry_asks_storage_three_times, forget),
        cmocka_unit_test_setup(an_older_storage_is_asked_for_each_part, forget),
        cmocka_unit_test_setup(a_result_needs_the_configurations_alone, forget),
        cmocka_unit_test_setup(a_bulk_portion_looks_at_the_workers_once, forget),
    };
    return cmocka_run_group_tests(tests, set_up_all, tear_down_all);
}
