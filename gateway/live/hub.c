#include "gateway/live/hub_internal.h"

#include "services/common/count.h"
#include "services/common/process/cond.h"
#include "services/common/text/time.h"

#include <stdlib.h>

enum { JOBS_MAX = 256 }; /* that change in one tick */

/* Anything that is to be sent once, in the tick that comes. */
struct latest {
    struct kn_buf json;
    bool fresh;
};

struct gw_hub {
    struct gw_hub_options options;
    pthread_mutex_t lock;
    struct gw_client *clients;
    struct gw_hub_counters counters;
    bool connected;
    struct pending_tasks tasks;
    struct entities entities;
    struct entities jobs; /* only for the current tick */
    struct latest metrics;
    struct latest system;
    const char *resync; /* reason; NULL for none */
    unsigned resync_topics;
    struct kn_buf created, updated, frame; /* of the tick */
};

enum kn_status gw_hub_new(const struct gw_hub_options *options, struct gw_hub **ret)
{
    struct gw_hub *hub = calloc(1, sizeof *hub);
    if (!hub)
        return KN_NOMEM;
    hub->options = *options;
    if (pending_tasks_init(&hub->tasks, options->tick_changes, options->tick_bytes) != KN_OK) {
        free(hub);
        return KN_NOMEM;
    }
    hub->entities.max = options->workers_max;
    hub->jobs.max = JOBS_MAX;
    pthread_mutex_init(&hub->lock, NULL);
    kn_buf_init(&hub->created, options->client_bytes);
    kn_buf_init(&hub->updated, options->client_bytes);
    kn_buf_init(&hub->frame, options->client_bytes);
    kn_buf_init(&hub->metrics.json, 1 << 20);
    kn_buf_init(&hub->system.json, 16 << 20);
    *ret = hub;
    return KN_OK;
}

void gw_hub_free(struct gw_hub *hub)
{
    if (!hub)
        return;
    pending_tasks_fini(&hub->tasks);
    entities_fini(&hub->entities);
    entities_fini(&hub->jobs);
    kn_buf_fini(&hub->created);
    kn_buf_fini(&hub->updated);
    kn_buf_fini(&hub->frame);
    kn_buf_fini(&hub->metrics.json);
    kn_buf_fini(&hub->system.json);
    pthread_mutex_destroy(&hub->lock);
    free(hub);
}

void gw_hub_counters(struct gw_hub *hub, struct gw_hub_counters *ret)
{
    pthread_mutex_lock(&hub->lock);
    *ret = hub->counters;
    pthread_mutex_unlock(&hub->lock);
}

/* ---- what happens ----------------------------------------------------------------------- */

static unsigned wanted(const struct gw_hub *hub)
{
    unsigned topics = 0;
    for (const struct gw_client *client = hub->clients; client; client = client->next)
        topics |= client->topics;
    return topics;
}

void gw_hub_commit(struct gw_hub *hub, const struct kn_msg_feed *commit, bool live)
{
    pthread_mutex_lock(&hub->lock);
    unsigned topics = wanted(hub);
    if (!live && !hub->resync) {
        hub->resync = "gap";
        hub->resync_topics = GW_TOPIC_TASKS | GW_TOPIC_WORKERS | GW_TOPIC_QUEUES;
    }
    for (size_t i = 0; (topics & GW_TOPIC_TASKS) && i < commit->tasks.count; i++)
        pending_tasks_add(&hub->tasks, &commit->tasks.items[i]);
    for (size_t i = 0; i < commit->workers.count; i++)
        entities_worker(&hub->entities, &commit->workers.items[i], topics & GW_TOPIC_WORKERS);
    for (size_t i = 0; (topics & GW_TOPIC_QUEUES) && i < commit->queues.count; i++)
        entities_queue(&hub->entities, &commit->queues.items[i]);
    for (size_t i = 0; (topics & GW_TOPIC_JOBS) && i < commit->jobs.count; i++)
        entities_job(&hub->jobs, &commit->jobs.items[i]);
    hub->counters.changes += commit->tasks.count;
    pthread_mutex_unlock(&hub->lock);
}

void gw_hub_workers(struct gw_hub *hub, const struct kn_msg_worker_list *list)
{
    pthread_mutex_lock(&hub->lock);
    for (size_t i = 0; i < list->items.count; i++)
        entities_worker(&hub->entities, &list->items.items[i], false);
    hub->entities.primed = true;
    pthread_mutex_unlock(&hub->lock);
}

void gw_hub_resync(struct gw_hub *hub, const char *reason)
{
    pthread_mutex_lock(&hub->lock);
    hub->resync = reason;
    hub->resync_topics = GW_TOPICS_ALL;
    pthread_mutex_unlock(&hub->lock);
}

static void set_latest(struct gw_hub *hub, struct latest *latest, struct kn_str json)
{
    pthread_mutex_lock(&hub->lock);
    kn_buf_clear(&latest->json);
    kn_buf_str(&latest->json, json);
    latest->fresh = kn_buf_status(&latest->json) == KN_OK;
    pthread_mutex_unlock(&hub->lock);
}

void gw_hub_metrics(struct gw_hub *hub, struct kn_str json)
{
    set_latest(hub, &hub->metrics, json);
}

void gw_hub_system(struct gw_hub *hub, struct kn_str json)
{
    set_latest(hub, &hub->system, json);
}

static void push(struct gw_hub *hub, struct gw_client *client, struct kn_buf *frame)
{
    bool pushed = kn_buf_status(frame) == KN_OK && client_push(client, kn_buf_view(frame));
    if (pushed)
        hub->counters.frames++;
    else
        hub->counters.frames_dropped++;
}

static const char *feed_name(const struct gw_hub *hub)
{
    return hub->connected ? "connected" : "disconnected";
}

/* Each client knows the state from hello; afterwards it is told of every change. */
void gw_hub_feed_state(struct gw_hub *hub, bool connected)
{
    pthread_mutex_lock(&hub->lock);
    bool changed = hub->connected != connected;
    hub->connected = connected;
    for (struct gw_client *client = hub->clients; changed && client; client = client->next) {
        kn_buf_clear(&hub->frame);
        kn_buf_printf(&hub->frame, "{\"type\":\"feed\",\"feed\":\"%s\"}", feed_name(hub));
        push(hub, client, &hub->frame);
    }
    pthread_mutex_unlock(&hub->lock);
}

/* ---- the tick --------------------------------------------------------------------------- */

static void begin_items(struct kn_buf *frame, const char *type)
{
    kn_buf_clear(frame);
    kn_buf_printf(frame, "{\"type\":\"%s\",\"items\":[", type);
}

static void add_item(struct kn_buf *frame, struct kn_str json, size_t *count)
{
    if ((*count)++)
        kn_buf_char(frame, ',');
    kn_buf_str(frame, json);
}

static void push_items(struct gw_hub *hub, struct gw_client *client, struct kn_buf *frame,
                       size_t count, uint64_t omitted)
{
    if (!count && !omitted)
        return;
    kn_buf_printf(frame, "],\"omitted\":%llu}", (unsigned long long)omitted);
    push(hub, client, frame);
}

/* Whether the client is to see the change: the task has what is asked for, or had
 * it before, by its status. */
static bool is_for(const struct gw_client *client, const struct task_entry *entry)
{
    return gw_filter_matches(&client->filter, entry->task, entry->task->status) ||
           gw_filter_matches(&client->filter, entry->task, entry->previous);
}

static void tick_tasks(struct gw_hub *hub, struct gw_client *client)
{
    size_t created = 0, updated = 0;
    uint64_t more_created = 0, more_updated = hub->tasks.dropped;
    begin_items(&hub->created, "task:created");
    begin_items(&hub->updated, "task:updated");
    for (size_t i = 0; i < hub->tasks.count; i++) {
        struct task_entry *entry = &hub->tasks.entries[i];
        bool is_new = entry->previous == KN_TASK_STATUS_COUNT;
        if (!is_for(client, entry))
            continue;
        struct kn_str json = KN_STR_ABSENT;
        if (created + updated < hub->options.items_max)
            json = pending_tasks_json(&hub->tasks, entry);
        if (!json.ptr && is_new)
            more_created++;
        else if (!json.ptr)
            more_updated++;
        else
            add_item(is_new ? &hub->created : &hub->updated, json, is_new ? &created : &updated);
    }
    push_items(hub, client, &hub->created, created, more_created);
    push_items(hub, client, &hub->updated, updated, more_updated);
}

static void tick_entities(struct gw_hub *hub, struct gw_client *client)
{
    const struct {
        const char *frame;
        unsigned topic;
        const struct entities *entities;
    } frames[] = {{"worker:online", GW_TOPIC_WORKERS, &hub->entities},
                  {"worker:offline", GW_TOPIC_WORKERS, &hub->entities},
                  {"worker:updated", GW_TOPIC_WORKERS, &hub->entities},
                  {"queue:updated", GW_TOPIC_QUEUES, &hub->entities},
                  {"job:updated", GW_TOPIC_JOBS, &hub->jobs}};
    for (size_t f = 0; f < KN_COUNT_OF(frames); f++) {
        size_t count = 0;
        if (!(client->topics & frames[f].topic))
            continue;
        begin_items(&hub->frame, frames[f].frame);
        for (size_t i = 0; i < frames[f].entities->count; i++) {
            const struct entity *entity = &frames[f].entities->items[i];
            if (entity->frame && strcmp(entity->frame, frames[f].frame) == 0 &&
                kn_buf_status(&entity->json) == KN_OK)
                add_item(&hub->frame, kn_buf_view(&entity->json), &count);
        }
        push_items(hub, client, &hub->frame, count, 0);
    }
}

static void tick_latest(struct gw_hub *hub, struct gw_client *client, const struct latest *latest,
                        unsigned topic, const char *name)
{
    if (!latest->fresh || !(client->topics & topic))
        return;
    kn_buf_clear(&hub->frame);
    kn_buf_printf(&hub->frame, "{\"type\":\"%s:update\",\"%s\":", name, name);
    kn_buf_str(&hub->frame, kn_buf_view(&latest->json));
    kn_buf_char(&hub->frame, '}');
    push(hub, client, &hub->frame);
}

static void tick_resync(struct gw_hub *hub, struct gw_client *client)
{
    unsigned topics = hub->resync_topics & client->topics;
    if (!hub->resync || !topics)
        return;
    kn_buf_clear(&hub->frame);
    kn_buf_printf(&hub->frame, "{\"type\":\"resync\",\"reason\":\"%s\",\"topics\":", hub->resync);
    gw_topics_json(&hub->frame, topics);
    kn_buf_char(&hub->frame, '}');
    push(hub, client, &hub->frame);
}

void gw_hub_tick(struct gw_hub *hub)
{
    pthread_mutex_lock(&hub->lock);
    pending_tasks_sort(&hub->tasks);
    hub->counters.changes_dropped += hub->tasks.dropped;
    for (struct gw_client *client = hub->clients; client; client = client->next) {
        tick_resync(hub, client);
        if (client->topics & GW_TOPIC_TASKS)
            tick_tasks(hub, client);
        tick_entities(hub, client);
        tick_latest(hub, client, &hub->metrics, GW_TOPIC_METRICS, "metrics");
        tick_latest(hub, client, &hub->system, GW_TOPIC_SYSTEM, "system");
    }
    hub->resync = NULL;
    hub->resync_topics = 0;
    hub->metrics.fresh = false;
    hub->system.fresh = false;
    pending_tasks_clear(&hub->tasks);
    entities_sent(&hub->entities);
    entities_fini(&hub->jobs);
    pthread_mutex_unlock(&hub->lock);
}

/* ---- clients ---------------------------------------------------------------------------- */

static void say_hello(struct gw_hub *hub, struct gw_client *client)
{
    struct kn_buf out;
    kn_buf_init(&out, 1024);
    kn_buf_text(&out, "{\"type\":\"hello\",\"version\":1,\"server_version\":\"" KANCHI_VERSION
                      "\",\"time\":");
    kn_buf_json_time(&out, kn_time_now());
    kn_buf_printf(&out, ",\"tick_ms\":%lld,\"max_items\":%zu,\"feed\":\"%s\"}",
                  (long long)(hub->options.tick_us / 1000), hub->options.items_max, feed_name(hub));
    push(hub, client, &out);
    kn_buf_fini(&out);
}

static struct gw_client *client_new(struct gw_hub *hub)
{
    struct gw_client *client = calloc(1, sizeof *client);
    if (!client)
        return NULL;
    client->hub = hub;
    client->bytes_max = hub->options.client_bytes;
    kn_arena_init(&client->arena, 1 << 20);
    pthread_mutex_init(&client->lock, NULL);
    kn_cond_init(&client->wake);
    return client;
}

enum kn_status gw_hub_join(struct gw_hub *hub, struct gw_client **ret)
{
    struct gw_client *client = client_new(hub);
    if (!client)
        return KN_NOMEM;
    pthread_mutex_lock(&hub->lock);
    bool full = hub->counters.clients >= hub->options.clients_max;
    if (full) {
        hub->counters.refused++;
    } else {
        hub->counters.clients++;
        hub->counters.joined++;
        say_hello(hub, client);
        client->next = hub->clients;
        hub->clients = client;
    }
    pthread_mutex_unlock(&hub->lock);
    if (full) {
        gw_hub_leave(NULL, client);
        return KN_FULL;
    }
    *ret = client;
    return KN_OK;
}

void gw_hub_leave(struct gw_hub *hub, struct gw_client *client)
{
    if (!client)
        return;
    if (hub) {
        pthread_mutex_lock(&hub->lock);
        struct gw_client **at = &hub->clients;
        while (*at != client)
            at = &(*at)->next;
        *at = client->next;
        hub->counters.clients--;
        pthread_mutex_unlock(&hub->lock);
    }
    while (client->first) {
        struct gw_frame *frame = client->first;
        client->first = frame->next;
        free(frame);
    }
    kn_arena_fini(&client->arena);
    pthread_cond_destroy(&client->wake);
    pthread_mutex_destroy(&client->lock);
    free(client);
}

static void answer(struct gw_hub *hub, struct gw_client *client, const struct gw_command *command)
{
    struct kn_buf out;
    kn_buf_init(&out, 1024);
    if (command->type == GW_COMMAND_PING) {
        kn_buf_text(&out, "{\"type\":\"pong\",\"time\":");
        kn_buf_json_time(&out, kn_time_now());
        kn_buf_text(&out, ",\"id\":");
        kn_buf_str(&out, command->id.ptr ? command->id : KN_STR("null"));
    } else {
        kn_buf_text(&out, "{\"type\":\"subscribed\",\"topics\":");
        gw_topics_json(&out, client->topics);
    }
    kn_buf_char(&out, '}');
    push(hub, client, &out);
    kn_buf_fini(&out);
}

static void refuse(struct gw_hub *hub, struct gw_client *client, const struct gw_problem *problem)
{
    struct kn_buf out;
    kn_buf_init(&out, 4096);
    kn_buf_text(&out, "{\"type\":\"error\",\"detail\":");
    kn_buf_json_str(&out, kn_str_from(problem->detail));
    kn_buf_char(&out, '}');
    push(hub, client, &out);
    kn_buf_fini(&out);
}

void gw_hub_command(struct gw_hub *hub, struct gw_client *client, struct kn_str text)
{
    struct gw_command command;
    struct gw_problem problem = {0};
    struct kn_arena arena;
    kn_arena_init(&arena, 1 << 20);
    enum kn_status status = gw_frame_parse(text, &arena, &command, &problem);
    pthread_mutex_lock(&hub->lock);
    if (status != KN_OK) {
        refuse(hub, client, &problem);
    } else {
        if (command.type == GW_COMMAND_UNSUBSCRIBE)
            client->topics &= ~command.topics;
        if (command.type == GW_COMMAND_SUBSCRIBE) {
            struct kn_arena old = client->arena;
            client->arena = arena;
            arena = old;
            client->topics = command.topics;
            client->filter = gw_filter_of(&command.filter);
        }
        answer(hub, client, &command);
    }
    pthread_mutex_unlock(&hub->lock);
    kn_arena_fini(&arena);
}
