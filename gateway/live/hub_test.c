#include "gateway/test.h"

#include "gateway/live/hub.h"
#include "services/common/count.h"
#include "services/common/text/time.h"

#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

static struct gw_hub *new_hub(size_t client_bytes, size_t items_max)
{
    const struct gw_hub_options options = {
        .clients_max = 3,
        .client_bytes = client_bytes,
        .tick_bytes = 1 << 20,
        .tick_changes = 100,
        .items_max = items_max,
        .workers_max = 10,
        .tick_us = 200000,
    };
    struct gw_hub *hub = NULL;
    assert_int_equal(gw_hub_new(&options, &hub), KN_OK);
    return hub;
}

static struct gw_client *join(struct gw_hub *hub, const char *command)
{
    struct gw_client *client = NULL;
    assert_int_equal(gw_hub_join(hub, &client), KN_OK);
    free(gw_client_next(client, 0)); /* hello */
    if (command) {
        gw_hub_command(hub, client, kn_str_from(command));
        free(gw_client_next(client, 0)); /* subscribed */
    }
    return client;
}

/* The next frame; NULL when there is none. Give it to json_decref. */
static json_t *next(struct gw_client *client)
{
    struct gw_frame *frame = gw_client_next(client, 0);
    if (!frame)
        return NULL;
    json_t *json = json_loadb(frame->text, frame->len, 0, NULL);
    assert_non_null(json);
    free(frame);
    return json;
}

/* "task:created a,b +1": type, ids of the items, how many were omitted. "" without a frame. */
static const char *sketch(struct gw_client *client)
{
    static char text[512];
    json_t *json = next(client), *item;
    size_t n;
    struct kn_buf out;
    kn_buf_init(&out, sizeof text);
    json_array_foreach(json_object_get(json, "items"), n, item)
    {
        const char *id = json_string_value(json_object_get(item, "id"));
        const char *name = json_string_value(json_object_get(item, "name"));
        kn_buf_printf(&out, "%s%s", n ? "," : " ", id ? id : name);
    }
    int omitted = (int)json_integer_value(json_object_get(json, "omitted"));
    if (omitted)
        kn_buf_printf(&out, " +%d", omitted);
    const char *type = json_string_value(json_object_get(json, "type"));
    snprintf(text, sizeof text, "%s%.*s", type ? type : "", KN_STR_ARG(kn_buf_view(&out)));
    kn_buf_fini(&out);
    json_decref(json);
    return text;
}

static void change(struct gw_hub *hub, const char *id, enum kn_task_status before,
                   enum kn_task_status status, bool created)
{
    struct kn_msg_task task = {.id = kn_str_from(id),
                               .source = KN_STR("default"),
                               .name = KN_STR("shop.charge"),
                               .queue = KN_STR("payments"),
                               .args_repr = KN_STR("(1, 'Grüße')"),
                               .status = (uint8_t)status,
                               .completed_at = kn_task_is_over(status) ? 1000 * KN_SECOND : 0,
                               .updated_at = 1000 * KN_SECOND};
    struct kn_msg_task_change item = {
        .task = &task, .created = created, .previous_status = (uint8_t)before};
    struct kn_msg_feed commit = {.tasks = {.items = &item, .count = 1}};
    gw_hub_commit(hub, &commit, true);
}

static void create(struct gw_hub *hub, const char *id)
{
    change(hub, id, 0, KN_TASK_RECEIVED, true);
}

static void clients_are_told_when_the_feed_stops_and_when_it_is_back(void **state)
{
    (void)state;
    struct gw_hub *hub = new_hub(1 << 20, 10);
    struct gw_client *client = join(hub, NULL);
    static const struct {
        bool connected;
        const char *told; /* NULL: no frame */
    } steps[] = {
        {true, "connected"}, {true, NULL},        {false, "disconnected"},
        {false, NULL},       {true, "connected"},
    };
    for (size_t i = 0; i < KN_COUNT_OF(steps); i++) {
        gw_hub_feed_state(hub, steps[i].connected);
        json_t *frame = next(client);
        if (steps[i].told) {
            assert_string_equal(json_string_value(json_object_get(frame, "type")), "feed");
            assert_string_equal(json_string_value(json_object_get(frame, "feed")), steps[i].told);
        } else {
            assert_null(frame);
        }
        json_decref(frame);
    }
    gw_hub_leave(hub, client);
    gw_hub_free(hub);
}

static void a_task_is_sent_once_a_tick_in_its_newest_state(void **state)
{
    (void)state;
    struct gw_hub *hub = new_hub(1 << 20, 100);
    struct gw_client *client = join(hub, "{\"type\":\"subscribe\",\"topics\":[\"tasks\"]}");
    create(hub, "a");
    create(hub, "b");
    change(hub, "a", KN_TASK_RECEIVED, KN_TASK_SUCCESS, false);
    change(hub, "c", KN_TASK_STARTED, KN_TASK_FAILURE, false);
    assert_string_equal(sketch(client), "");
    gw_hub_tick(hub);
    json_t *created = next(client);
    json_t *first = json_array_get(json_object_get(created, "items"), 0);
    assert_string_equal(json_string_value(json_object_get(first, "id")), "a");
    assert_string_equal(json_string_value(json_object_get(first, "status")), "success");
    assert_int_equal(json_array_size(json_object_get(first, "args")), 2);
    assert_int_equal(json_array_size(json_object_get(created, "items")), 2);
    json_decref(created);
    assert_string_equal(sketch(client), "task:updated c");
    gw_hub_tick(hub);
    assert_string_equal(sketch(client), "");
    gw_hub_leave(hub, client);
    gw_hub_free(hub);
}

static void filters_let_through_what_the_list_would_show(void **state)
{
    (void)state;
    static const struct {
        const char *filter;
        const char *want;
    } cases[] = {
        {"{}", "task:updated a"},
        {"{\"status\":\"failure\"}", "task:updated a"},
        {"{\"status\":[\"pending\",\"failure\"]}", "task:updated a"},
        {"{\"status\":\"started\"}", "task:updated a"}, /* it was, and is no longer */
        {"{\"status\":\"success\"}", ""},
        {"{\"name\":\"shop.charge\"}", "task:updated a"},
        {"{\"name\":[\"other\"]}", ""},
        {"{\"queue\":\"payments\",\"source\":\"default\"}", "task:updated a"},
        {"{\"queue\":\"payments\",\"source\":\"other\"}", ""},
        {"{\"worker\":\"celery@a\"}", ""},
        {"{\"q\":\"CHARGE\"}", "task:updated a"},
        {"{\"q\":\"Grüße\"}", "task:updated a"},
        {"{\"q\":\"refund\"}", ""},
        {"{\"from\":\"1970-01-01T00:16:40Z\"}", "task:updated a"},
        {"{\"to\":\"1970-01-01T00:16:40Z\"}", ""},
        {"{\"time\":\"ended\"}", "task:updated a"},
        {"{\"time\":\"ended\",\"from\":\"1970-01-01T00:16:40Z\"}", "task:updated a"},
        {"{\"time\":\"ended\",\"to\":\"1970-01-01T00:16:40Z\"}", ""},
        {"{\"time\":\"ended\",\"status\":\"started\"}", ""},
    };
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++) {
        char command[256];
        struct gw_hub *hub = new_hub(1 << 20, 100);
        snprintf(command, sizeof command,
                 "{\"type\":\"subscribe\",\"topics\":[\"tasks\"],\"filter\":%s}", cases[i].filter);
        struct gw_client *client = join(hub, command);
        change(hub, "a", KN_TASK_STARTED, KN_TASK_FAILURE, false);
        gw_hub_tick(hub);
        assert_string_equal(sketch(client), cases[i].want);
        gw_hub_leave(hub, client);
        gw_hub_free(hub);
    }
}

static void what_is_too_much_for_a_tick_is_counted(void **state)
{
    (void)state;
    struct gw_hub *hub = new_hub(1 << 20, 3);
    struct gw_client *client = join(hub, "{\"type\":\"subscribe\",\"topics\":[\"tasks\"]}");
    for (int i = 0; i < 8; i++) {
        char id[2] = {(char)('a' + i), '\0'};
        create(hub, id);
    }
    gw_hub_tick(hub);
    assert_string_equal(sketch(client), "task:created h,g,f +5");
    for (int i = 0; i < 150; i++) { /* 100 fit */
        char id[8];
        snprintf(id, sizeof id, "%d", i);
        change(hub, id, KN_TASK_STARTED, KN_TASK_SUCCESS, false);
    }
    gw_hub_tick(hub);
    assert_string_equal(sketch(client), "task:updated 99,98,97 +147");
    struct gw_hub_counters counters;
    gw_hub_counters(hub, &counters);
    assert_int_equal(counters.changes_dropped, 50);
    gw_hub_leave(hub, client);
    gw_hub_free(hub);
}

static void a_client_that_does_not_read_is_told_to_load_again(void **state)
{
    (void)state;
    struct gw_hub *hub = new_hub(4000, 100);
    struct gw_client *client = join(hub, "{\"type\":\"subscribe\",\"topics\":[\"tasks\"]}");
    for (int i = 0; i < 50; i++) {
        create(hub, "a");
        gw_hub_tick(hub);
    }
    struct gw_hub_counters counters;
    gw_hub_counters(hub, &counters);
    assert_true(counters.frames_dropped > 40);
    int waiting = 0;
    while (strcmp(sketch(client), "task:created a") == 0)
        waiting++;
    assert_in_range(waiting, 1, 8);
    create(hub, "b");
    gw_hub_tick(hub);
    json_t *frame = next(client);
    assert_string_equal(json_string_value(json_object_get(frame, "type")), "resync");
    assert_string_equal(json_string_value(json_object_get(frame, "reason")), "slow_client");
    json_decref(frame);
    assert_string_equal(sketch(client), "task:created b");
    gw_hub_leave(hub, client);
    gw_hub_free(hub);
}

static void worker_frame(struct gw_hub *hub, const char *name, enum kn_worker_status status)
{
    struct kn_msg_worker worker = {.id = kn_str_from(name),
                                   .hostname = kn_str_from(name),
                                   .source = KN_STR("default"),
                                   .status = (uint8_t)status};
    struct kn_msg_feed commit = {.workers = {.items = &worker, .count = 1}};
    gw_hub_commit(hub, &commit, true);
}

static void workers_come_and_go_by_name(void **state)
{
    (void)state;
    struct gw_hub *hub = new_hub(1 << 20, 100);
    struct gw_client *client = join(hub, "{\"type\":\"subscribe\",\"topics\":[\"workers\"]}");
    struct kn_msg_worker known = {
        .hostname = KN_STR("old"), .source = KN_STR("default"), .status = KN_WORKER_ONLINE};
    gw_hub_workers(hub, &(struct kn_msg_worker_list){.items = {.items = &known, .count = 1}});
    worker_frame(hub, "old", KN_WORKER_ONLINE);
    gw_hub_tick(hub);
    assert_string_equal(sketch(client), "worker:updated old");
    worker_frame(hub, "old", KN_WORKER_OFFLINE);
    worker_frame(hub, "new", KN_WORKER_ONLINE);
    worker_frame(hub, "new", KN_WORKER_ONLINE);
    gw_hub_tick(hub);
    assert_string_equal(sketch(client), "worker:online new");
    assert_string_equal(sketch(client), "worker:offline old");
    assert_string_equal(sketch(client), "");
    for (int i = 0; i < 30; i++) { /* 10 are remembered */
        char name[8];
        snprintf(name, sizeof name, "w%d", i);
        worker_frame(hub, name, KN_WORKER_ONLINE);
    }
    gw_hub_tick(hub);
    assert_string_equal(sketch(client), "worker:online w0,w1,w2,w3,w4,w5,w6,w7");
    gw_hub_leave(hub, client);
    gw_hub_free(hub);
}

static void a_gap_asks_for_what_was_missed(void **state)
{
    (void)state;
    struct gw_hub *hub = new_hub(1 << 20, 100);
    struct gw_client *tasks = join(hub, "{\"type\":\"subscribe\",\"topics\":[\"tasks\"]}");
    struct gw_client *metrics = join(hub, "{\"type\":\"subscribe\",\"topics\":[\"metrics\"]}");
    gw_hub_commit(hub, &(struct kn_msg_feed){0}, false);
    gw_hub_tick(hub);
    assert_string_equal(sketch(tasks), "resync");
    assert_string_equal(sketch(metrics), "");
    gw_hub_resync(hub, "feed_restarted");
    gw_hub_metrics(hub, KN_STR("{\"running\":3}"));
    gw_hub_tick(hub);
    assert_string_equal(sketch(tasks), "resync");
    assert_string_equal(sketch(metrics), "resync");
    assert_string_equal(sketch(metrics), "metrics:update");
    gw_hub_leave(hub, tasks);
    gw_hub_leave(hub, metrics);
    gw_hub_free(hub);
}

static void more_clients_than_allowed_are_refused(void **state)
{
    (void)state;
    struct gw_hub *hub = new_hub(1 << 20, 100);
    struct gw_client *clients[3], *more = NULL;
    for (int i = 0; i < 3; i++)
        clients[i] = join(hub, NULL);
    assert_int_equal(gw_hub_join(hub, &more), KN_FULL);
    assert_null(more);
    gw_hub_leave(hub, clients[1]);
    assert_int_equal(gw_hub_join(hub, &clients[1]), KN_OK);
    for (int i = 0; i < 3; i++)
        gw_hub_leave(hub, clients[i]);
    gw_hub_free(hub);
}

static void frames_of_clients_are_answered(void **state)
{
    (void)state;
    static const struct {
        const char *frame;
        const char *type;
    } cases[] = {
        {"{\"type\":\"ping\"}", "pong"},
        {"{\"type\":\"ping\",\"id\":7}", "pong"},
        {"{\"type\":\"ping\",\"id\":\"x\"}", "pong"},
        {"{\"type\":\"ping\",\"id\":[]}", "error"},
        {"{\"type\":\"subscribe\",\"topics\":[]}", "subscribed"},
        {"{\"type\":\"subscribe\",\"topics\":[\"tasks\",\"system\"],\"filter\":null}",
         "subscribed"},
        {"{\"type\":\"subscribe\"}", "error"},
        {"{\"type\":\"subscribe\",\"topics\":[\"nope\"]}", "error"},
        {"{\"type\":\"subscribe\",\"topics\":[7]}", "error"},
        {"{\"type\":\"subscribe\",\"topics\":\"tasks\"}", "error"},
        {"{\"type\":\"subscribe\",\"topics\":[\"tasks\"],\"filter\":[]}", "error"},
        {"{\"type\":\"subscribe\",\"topics\":[\"tasks\"],\"filter\":{\"x\":1}}", "error"},
        {"{\"type\":\"subscribe\",\"topics\":[\"tasks\"],\"filter\":{\"status\":\"x\"}}", "error"},
        {"{\"type\":\"subscribe\",\"topics\":[\"tasks\"],\"filter\":{\"status\":[{}]}}", "error"},
        {"{\"type\":\"subscribe\",\"topics\":[\"tasks\"],\"filter\":{\"q\":\"\"}}", "error"},
        {"{\"type\":\"subscribe\",\"topics\":[\"tasks\"],\"filter\":{\"from\":\"x\"}}", "error"},
        {"{\"type\":\"subscribe\",\"topics\":[\"tasks\"],\"filter\":{\"time\":\"sent\"}}", "error"},
        {"{\"type\":\"unsubscribe\"}", "subscribed"},
        {"{\"type\":\"unsubscribe\",\"topics\":[\"tasks\"]}", "subscribed"},
        {"{\"type\":\"shutdown\"}", "error"},
        {"{\"type\":7}", "error"},
        {"{}", "error"},
        {"[]", "error"},
        {"7", "error"},
        {"", "error"},
        {"{\"type\":\"ping\"} x", "error"},
        {"{\"type\":\"ping\",\"type\":\"ping\"}", "error"},
        {"{\"type\":\"ping\",\"id\":\"\\u0000\"}", "error"},
    };
    struct gw_hub *hub = new_hub(1 << 20, 100);
    struct gw_client *client = join(hub, NULL);
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++) {
        gw_hub_command(hub, client, kn_str_from(cases[i].frame));
        assert_string_equal(sketch(client), cases[i].type);
    }
    gw_hub_leave(hub, client);
    gw_hub_free(hub);
}

struct race {
    struct gw_hub *hub;
    atomic_bool stop;
};

static void *come_and_go(void *arg)
{
    struct race *race = arg;
    while (!race->stop) {
        struct gw_client *client;
        if (gw_hub_join(race->hub, &client) != KN_OK)
            continue;
        gw_hub_command(race->hub, client,
                       KN_STR("{\"type\":\"subscribe\",\"topics\":[\"tasks\",\"workers\"]}"));
        for (int i = 0; i < 5; i++)
            free(gw_client_next(client, 1000));
        gw_client_close(client);
        assert_null(gw_client_next(client, KN_MINUTE));
        gw_hub_leave(race->hub, client);
    }
    return NULL;
}

static void clients_come_and_go_while_changes_are_sent(void **state)
{
    (void)state;
    struct race race = {.hub = new_hub(1 << 16, 10)};
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, come_and_go, &race), 0);
    for (int i = 0; i < 300; i++) {
        create(race.hub, "a");
        change(race.hub, "b", KN_TASK_STARTED, KN_TASK_SUCCESS, false);
        worker_frame(race.hub, "w", i % 2 ? KN_WORKER_ONLINE : KN_WORKER_OFFLINE);
        gw_hub_metrics(race.hub, KN_STR("{}"));
        gw_hub_tick(race.hub);
    }
    race.stop = true;
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    gw_hub_free(race.hub);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clients_are_told_when_the_feed_stops_and_when_it_is_back),
        cmocka_unit_test(a_task_is_sent_once_a_tick_in_its_newest_state),
        cmocka_unit_test(filters_let_through_what_the_list_would_show),
        cmocka_unit_test(what_is_too_much_for_a_tick_is_counted),
        cmocka_unit_test(a_client_that_does_not_read_is_told_to_load_again),
        cmocka_unit_test(workers_come_and_go_by_name),
        cmocka_unit_test(a_gap_asks_for_what_was_missed),
        cmocka_unit_test(more_clients_than_allowed_are_refused),
        cmocka_unit_test(frames_of_clients_are_answered),
        cmocka_unit_test(clients_come_and_go_while_changes_are_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
