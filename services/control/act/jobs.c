#include "services/control/act/jobs.h"

#include "services/common/process/cond.h"
#include "services/common/process/log.h"
#include "services/common/text/json.h"
#include "services/common/text/time.h"
#include "services/control/act/handlers.h"
#include "services/control/act/removals.h"
#include "services/control/ask/command.h"
#include "services/control/ask/pidbox.h"

#include <jansson.h>
#include <pthread.h>
#include <stdlib.h>

enum { TAKE = 25, MEMORY_MAX = 256 << 20 }; /* few are in doubt when it is killed */
#define PAUSE (KN_SECOND / 2)               /* after storage did not answer */
#define PORTION_US (12 * KN_SECOND)         /* then the rest is given back: storage waits 30 s */

struct control_jobs {
    struct control_call_options options;
    const char *taker;
    struct kn_bus_client *storage;
    struct control_hand hand;
    struct control_learned_sender *learned;
    struct control_removals *removals;
    struct kn_arena arena; /* of the portion at hand */
    struct kn_bus_message *work;
    struct kn_msg_job_take take; /* the results, until storage has them */
    struct kn_log_limit limit;
    pthread_t thread;
    bool started;
    atomic_bool stopping;
    pthread_mutex_t lock; /* of the wake */
    pthread_cond_t wake;
};

static void settle(struct kn_msg_job_item *item, enum kn_item_state state, struct kn_str text)
{
    item->state = (uint8_t)state;
    item->text = text;
}

/* Out of memory after the message or command was sent. */
static enum kn_status of_what_began(const struct control_call *call, enum kn_status status)
{
    return status == KN_NOMEM && call->began ? KN_UNCERTAIN : status;
}

/* ---- revoking -------------------------------------------------------------------------- */

/* {"task_id": [...], "terminate": …, "signal": …}; absent when memory is out. */
static struct kn_str revoke_arguments(struct control_jobs *jobs, const struct kn_msg_job *job,
                                      const struct kn_msg_job_item *items, size_t count)
{
    json_t *root = job->options.len ? kn_json_load(job->options, 0) : json_object();
    json_t *ids = json_array();
    for (size_t i = 0; i < count; i++) {
        if (items[i].state == KN_ITEM_BEGUN)
            json_array_append_new(ids, json_stringn(items[i].id.ptr, items[i].id.len));
    }
    json_object_set_new(root, "task_id", ids);
    char *text = json_dumps(root, JSON_COMPACT);
    struct kn_str copy = kn_arena_str(&jobs->arena, kn_str_from(text));
    free(text);
    json_decref(root);
    return copy;
}

/* What waits on Redis is taken out of its queue: workers forget what was revoked, the sooner
 * the more it is. */
static void remove_messages(struct control_jobs *jobs, struct control_call *call,
                            const struct kn_msg_job *job, struct kn_msg_job_item *items,
                            size_t count)
{
    struct control_removal_task *tasks = kn_arena_array(&jobs->arena, count, sizeof *tasks);
    size_t *places = kn_arena_array(&jobs->arena, count, sizeof *places);
    size_t waiting = 0;
    for (size_t i = 0; tasks && places && i < count; i++) {
        if (items[i].state == KN_ITEM_BEGUN &&
            (items[i].status == KN_TASK_PENDING || items[i].status == KN_TASK_RETRY)) {
            places[waiting] = i;
            tasks[waiting].id = items[i].id;
            tasks[waiting++].again = items[i].text.len > 0; /* storage says why */
        }
    }
    if (waiting)
        control_removals_take(jobs->removals, call, job->id, tasks, waiting);
    for (size_t i = 0; i < waiting; i++) {
        if (tasks[i].gone)
            settle(&items[places[i]], KN_ITEM_DONE,
                   KN_STR("its message was removed from the queue"));
    }
}

/* This job has revoked it, in a process that was killed before it could tell. Storage says in
 * the text that it is begun again. */
static bool is_revoked_by_us(const struct kn_msg_job_item *item)
{
    return item->status == KN_TASK_REVOKED && item->text.len > 0;
}

/* All at once: workers accept a list of IDs. Ended tasks are skipped. */
static void revoke(struct control_jobs *jobs, struct control_call *call,
                   const struct kn_msg_job *job, struct kn_msg_job_item *items, size_t count)
{
    size_t left = 0;
    struct kn_msg_command_done done = {0};
    for (size_t i = 0; i < count; i++) {
        if (is_revoked_by_us(&items[i]))
            settle(&items[i], KN_ITEM_DONE, KN_STR("the task is revoked"));
        else if (kn_task_has_ended((enum kn_task_status)items[i].status))
            settle(&items[i], KN_ITEM_REFUSED, KN_STR("the task has already finished"));
        else
            left++;
    }
    const struct kn_msg_command command = {
        .method = KN_STR("revoke"),
        .arguments = revoke_arguments(jobs, job, items, count),
    };
    if (!left)
        return;
    enum kn_status status =
        command.arguments.ptr ? control_command(call, &command, &done) : KN_NOMEM;
    status = of_what_began(call, status);
    if (status == KN_OK)
        remove_messages(jobs, call, job, items, count);
    for (size_t i = 0; i < count; i++) {
        if (items[i].state != KN_ITEM_BEGUN)
            continue;
        if (status == KN_AGAIN) /* RabbitMQ is in an alarm, and nothing was sent */
            settle(&items[i], KN_ITEM_WAITING, KN_STR_ABSENT);
        else if (status != KN_OK)
            settle(&items[i], status == KN_UNCERTAIN ? KN_ITEM_UNCERTAIN : KN_ITEM_FAILED,
                   call->text.ptr ? call->text : kn_str_from(kn_status_text(status)));
        else if (!done.replies.count)
            settle(&items[i], KN_ITEM_FAILED, KN_STR("no worker replied"));
        else
            settle(&items[i], KN_ITEM_DONE,
                   done.missing.count ? KN_STR("some workers did not reply") : KN_STR_ABSENT);
    }
}

/* ---- a portion ------------------------------------------------------------------------- */

static struct control_call call_of(struct control_jobs *jobs)
{
    return (struct control_call){
        .options = &jobs->options,
        .storage = jobs->storage,
        .learned = jobs->learned,
        .hand = &jobs->hand,
        .arena = &jobs->arena,
        .stopping = &jobs->stopping,
    };
}

static struct kn_str queue_of(struct control_jobs *jobs, const struct kn_msg_job *job)
{
    json_t *root = kn_json_load(job->options, 0);
    const json_t *queue = json_object_get(root, "queue");
    struct kn_str copy = KN_STR_ABSENT;
    if (json_is_string(queue))
        copy = kn_arena_str(&jobs->arena,
                            (struct kn_str){json_string_value(queue), json_string_length(queue)});
    json_decref(root);
    return copy;
}

/* False: the broker is unavailable. */
static bool retry(struct control_jobs *jobs, const struct kn_msg_job *job, struct kn_str queue,
                  struct control_portion *portion, struct kn_msg_job_item *item)
{
    struct kn_msg_action action = {.id = job->id, .actor = job->actor};
    const struct kn_msg_task_send send = {.action = &action,
                                          .source = kn_str_from(jobs->options.source),
                                          .new_id = item->new_id,
                                          .task_id = item->id,
                                          .queue = queue};
    struct control_call call = call_of(jobs);
    call.action = &action;
    call.msg = &send;
    call.portion = portion;
    enum kn_status status = of_what_began(&call, control_do_send(&call));
    (void)!control_call_link(&call); /* without it the task is sent all the same */
    struct kn_str why = call.text.ptr ? call.text : kn_str_from(kn_status_text(status));
    if (status == KN_OK) {
        settle(item, KN_ITEM_DONE, KN_STR_ABSENT);
        return true;
    }
    if (status == KN_AGAIN) { /* RabbitMQ is in an alarm, and nothing was sent */
        settle(item, KN_ITEM_WAITING, KN_STR_ABSENT);
        return false;
    }
    bool away = control_pidbox_lost(status) || status == KN_TIMEOUT || status == KN_UNCERTAIN;
    settle(item,
           call.outcome == KN_OUTCOME_REFUSED ? KN_ITEM_REFUSED
           : status == KN_UNCERTAIN           ? KN_ITEM_UNCERTAIN
                                              : KN_ITEM_FAILED,
           why);
    return call.outcome == KN_OUTCOME_REFUSED || !away;
}

/* Each in its turn. When that takes long, or the broker is away, the rest is given back. */
static void retry_all(struct control_jobs *jobs, const struct kn_msg_job *job,
                      struct kn_msg_job_item *items, size_t count)
{
    int64_t until = kn_time_mono() + PORTION_US;
    struct kn_str queue = queue_of(jobs, job);
    struct control_portion portion = {0};
    bool go_on = true;
    for (size_t i = 0; i < count; i++) {
        if (!go_on || atomic_load(&jobs->stopping) || kn_time_mono() > until)
            settle(&items[i], KN_ITEM_WAITING, KN_STR_ABSENT);
        else
            go_on = retry(jobs, job, queue, &portion, &items[i]);
    }
}

static void do_portion(struct control_jobs *jobs, const struct kn_msg_job_items *work)
{
    struct kn_msg_job_item *items = kn_arena_array(&jobs->arena, work->items.count, sizeof *items);
    size_t count = items ? work->items.count : 0;
    struct control_call call = call_of(jobs);
    if (count)
        memcpy(items, work->items.items, count * sizeof *items);
    if (work->job->action == KN_JOB_RETRY)
        retry_all(jobs, work->job, items, count);
    else
        revoke(jobs, &call, work->job, items, count);
    for (size_t i = 0; i < count; i++)
        items[i].id = items[i].source = KN_STR_ABSENT; /* its number says which it is */
    jobs->take.job = work->job->id;
    jobs->take.results.items = items;
    jobs->take.results.count = count;
}

/* ---- the thread ------------------------------------------------------------------------ */

static bool sleep_for(struct control_jobs *jobs, int64_t us)
{
    int64_t mono = kn_time_mono() + us;
    pthread_mutex_lock(&jobs->lock);
    while (!atomic_load(&jobs->stopping) && kn_cond_wait_until(&jobs->wake, &jobs->lock, mono))
        continue;
    pthread_mutex_unlock(&jobs->lock);
    return atomic_load(&jobs->stopping);
}

/* Tells the results, and takes the next portion. */
static enum kn_status ask(struct control_jobs *jobs, uint64_t limit)
{
    struct kn_bus_message *answer;
    uint64_t skipped;
    jobs->take.source = kn_str_from(jobs->options.source);
    jobs->take.taker = kn_str_from(jobs->taker);
    jobs->take.limit = limit;
    enum kn_status status =
        kn_bus_ask(jobs->storage, KN_KIND_JOB_TAKE, &jobs->take, jobs->options.request_timeout_us,
                   KN_KIND_JOB_ITEMS, &answer, NULL);
    if (status != KN_OK) {
        if (jobs->take.results.count && kn_log_allow(&jobs->limit, &skipped))
            KN_WARN("job.results_not_stored", KN_F_TEXT("reason", kn_status_text(status)),
                    KN_F_I64("skipped", skipped));
        return status;
    }
    kn_bus_message_free(jobs->work);
    jobs->work = answer;
    jobs->take = (struct kn_msg_job_take){0};
    kn_arena_reset(&jobs->arena);
    return KN_OK;
}

static void *run(void *arg)
{
    struct control_jobs *jobs = arg;
    int64_t wait = 0;
    while (!sleep_for(jobs, wait)) {
        wait = PAUSE;
        if (ask(jobs, TAKE) != KN_OK)
            continue;
        const struct kn_msg_job_items *work = jobs->work->msg;
        wait = work->wait > 0 && work->wait < KN_SECOND ? work->wait : KN_SECOND;
        if (!work->job || !work->items.count)
            continue;
        do_portion(jobs, work);
        wait = 0;
    }
    if (jobs->take.results.count && ask(jobs, 0) != KN_OK)
        KN_WARN("job.results_lost", KN_F_I64("tasks", jobs->take.results.count));
    return NULL;
}

/* ---- life ------------------------------------------------------------------------------ */

enum kn_status control_jobs_start(const struct control_call_options *options, const char *taker,
                                  struct kn_bus_client *storage, struct control_jobs **ret)
{
    struct control_jobs *jobs = calloc(1, sizeof *jobs);
    if (!jobs)
        return KN_NOMEM;
    jobs->options = *options;
    jobs->taker = taker;
    jobs->storage = storage;
    kn_arena_init(&jobs->arena, MEMORY_MAX);
    pthread_mutex_init(&jobs->lock, NULL);
    kn_cond_init(&jobs->wake);
    jobs->learned =
        control_learned_sender_new(options->source, storage, options->request_timeout_us);
    jobs->removals = control_removals_new(jobs->learned);
    enum kn_status status = jobs->learned && jobs->removals ? KN_OK : KN_NOMEM;
    if (status == KN_OK)
        status = control_pidbox_new(options->broker, &jobs->hand.pidbox);
    if (status == KN_OK)
        status = broker_session_new(options->broker, &jobs->hand.session);
    if (status == KN_OK) {
        jobs->started = pthread_create(&jobs->thread, NULL, run, jobs) == 0;
        status = jobs->started ? KN_OK : KN_INTERNAL;
    }
    if (status == KN_OK)
        *ret = jobs;
    else
        control_jobs_stop(jobs);
    return status;
}

void control_jobs_stop(struct control_jobs *jobs)
{
    if (!jobs)
        return;
    pthread_mutex_lock(&jobs->lock);
    atomic_store(&jobs->stopping, true);
    pthread_cond_signal(&jobs->wake);
    pthread_mutex_unlock(&jobs->lock);
    if (jobs->started)
        pthread_join(jobs->thread, NULL);
    kn_bus_message_free(jobs->work);
    control_removals_free(jobs->removals);
    control_learned_sender_free(jobs->learned);
    control_pidbox_free(jobs->hand.pidbox);
    broker_session_free(jobs->hand.session);
    pthread_cond_destroy(&jobs->wake);
    pthread_mutex_destroy(&jobs->lock);
    kn_arena_fini(&jobs->arena);
    free(jobs);
}
