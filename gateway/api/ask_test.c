#include "gateway/test.h"

#include "gateway/api/handler.h"
#include "services/common/text/time.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* A storage that knows some sources, as long as it answers. */
struct storage {
    atomic_uint sources;
    atomic_bool silent;
    atomic_uint asked;
};

static enum kn_status answer(void *arg, const struct kn_bus_message *request,
                             struct kn_bus_reply *reply)
{
    static struct kn_msg_source_status ingestion[] = {{.source = {"default", 7}}};
    static struct kn_msg_service_status services[] = {{.source = {"default", 7}},
                                                      {.source = {"second", 6}}};
    struct storage *storage = arg;
    unsigned sources = atomic_load(&storage->sources);
    if (request->kind != KN_KIND_SYSTEM_GET)
        return KN_UNSUPPORTED;
    atomic_fetch_add(&storage->asked, 1);
    if (atomic_load(&storage->silent))
        return KN_CLOSED;
    const struct kn_msg_system system = {.ingestion = {ingestion, sources ? 1 : 0},
                                         .services = {services, sources}};
    kn_bus_reply_set(reply, KN_KIND_SYSTEM, &system);
    return KN_OK;
}

/* The storage that requests ask, the gateway's live state, and the storage that this follows. */
struct world {
    char folder[64];
    struct kn_bus *bus;
    struct storage asked, followed;
    struct kn_bus_server *servers[2];
    struct kn_bus_client *clients[2];
    struct gw_hub *hub;
    struct gw_app app;
};

static const char *address(const struct world *world, const char *name)
{
    static char url[160];
    snprintf(url, sizeof url, "ipc://%s/%s", world->folder, name);
    return url;
}

static void open_world(struct world *world)
{
    const struct kn_bus_options options = {.sender = "test"};
    const struct gw_hub_options hub = {.clients_max = 1,
                                       .client_bytes = 1 << 16,
                                       .tick_bytes = 1 << 16,
                                       .tick_changes = 10,
                                       .items_max = 10,
                                       .workers_max = 10};
    *world = (struct world){.folder = "/tmp/gateway_ask_test.XXXXXX"};
    assert_non_null(mkdtemp(world->folder));
    assert_int_equal(kn_bus_new(&options, &world->bus, NULL), KN_OK);
    struct storage *storages[] = {&world->asked, &world->followed};
    static const char *const names[] = {"asked", "followed"};
    for (int i = 0; i < 2; i++) {
        const char *url = address(world, names[i]);
        assert_int_equal(
            kn_bus_server_new(world->bus, url, 1, answer, storages[i], &world->servers[i], NULL),
            KN_OK);
        assert_int_equal(kn_bus_client_new(world->bus, url, &world->clients[i], NULL), KN_OK);
    }
    atomic_store(&world->followed.silent, true);
    assert_int_equal(gw_hub_new(&hub, &world->hub), KN_OK);
    const struct gw_live_options live = {.bus = world->bus,
                                         .storage = world->clients[1],
                                         .feed_url = strdup(address(world, "feed")),
                                         .metrics_url = strdup(address(world, "metrics")),
                                         .hub = world->hub,
                                         .tick_us = KN_SECOND / 100};
    assert_int_equal(gw_live_start(&live, &world->app.live, NULL), KN_OK);
    free((void *)(uintptr_t)live.feed_url);
    free((void *)(uintptr_t)live.metrics_url);
    world->app.storage = world->clients[0];
    world->app.query_timeout = 5 * KN_SECOND;
}

static void close_world(struct world *world)
{
    char command[128];
    kn_bus_client_stop(world->clients[1]);
    gw_live_stop(world->app.live);
    gw_hub_free(world->hub);
    for (int i = 0; i < 2; i++) {
        kn_bus_client_free(world->clients[i]);
        kn_bus_server_free(world->servers[i]);
    }
    kn_bus_free(world->bus);
    snprintf(command, sizeof command, "rm -rf %s", world->folder);
    assert_int_equal(system(command), 0);
}

/* The status of a request for this source, NULL: none is named; 200: it is `want`. */
static int status_for(struct world *world, const char *source, const char *want)
{
    struct gw_exchange x;
    struct kn_str found = kn_str_from(source);
    gw_exchange_init(&x, NULL);
    x.app = &world->app;
    if (gw_find_source(&x, &found))
        assert_str(found, want);
    int status = x.status;
    gw_exchange_fini(&x);
    return status;
}

/* Waits until the live state knows the sources of the storage that it follows. */
static void learn(struct world *world, unsigned sources)
{
    static struct gw_sources known;
    atomic_store(&world->followed.sources, sources);
    atomic_store(&world->followed.silent, false);
    while (!gw_live_sources(world->app.live, &known) || known.count != sources)
        usleep(1000);
}

static void a_gateway_that_knows_no_source_yet_asks_storage(void **state)
{
    struct world world;
    (void)state;
    open_world(&world);
    assert_int_equal(status_for(&world, NULL, NULL), 503);
    atomic_store(&world.asked.sources, 1);
    assert_int_equal(status_for(&world, NULL, "default"), 200);
    assert_int_equal(status_for(&world, "default", "default"), 200);
    assert_int_equal(status_for(&world, "second", NULL), 404);
    atomic_store(&world.asked.sources, 2);
    assert_int_equal(status_for(&world, NULL, NULL), 400);
    assert_int_equal(status_for(&world, "second", "second"), 200);
    assert_int_equal(atomic_load(&world.asked.asked), 6);
    close_world(&world);
}

static void a_source_that_the_gateway_knows_needs_no_question(void **state)
{
    struct world world;
    (void)state;
    open_world(&world);
    learn(&world, 1);
    assert_int_equal(status_for(&world, "default", "default"), 200);
    assert_int_equal(status_for(&world, NULL, "default"), 200);
    assert_int_equal(atomic_load(&world.asked.asked), 0);
    close_world(&world);
}

static void a_source_that_came_since_is_found(void **state)
{
    struct world world;
    (void)state;
    open_world(&world);
    atomic_store(&world.asked.sources, 2);
    learn(&world, 1);
    assert_int_equal(status_for(&world, "second", "second"), 200);
    assert_int_equal(status_for(&world, "third", NULL), 404);
    learn(&world, 2);
    assert_int_equal(status_for(&world, NULL, NULL), 400);
    close_world(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_gateway_that_knows_no_source_yet_asks_storage),
        cmocka_unit_test(a_source_that_the_gateway_knows_needs_no_question),
        cmocka_unit_test(a_source_that_came_since_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
