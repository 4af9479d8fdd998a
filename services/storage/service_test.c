/* The real process, over the bus: answers, publishes, is stopped and killed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "proto/bus/feed_reader.h"
#include "services/common/process/log.h"
#include "services/common/text/time.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

struct rig {
    char folder[64];
    char requests[128];
    char feed[128];
    pid_t pid;
    struct kn_bus *bus;
    struct kn_bus_client *client;
    struct kn_arena arena;
};

static void spawn(struct rig *rig)
{
    rig->pid = fork();
    assert_true(rig->pid >= 0);
    if (rig->pid == 0) {
        execl(KANCHI_STORAGE, "kanchi-storage", "--data", rig->folder, "--log.level", "error",
              (char *)NULL);
        _exit(127);
    }
}

/* Ends the process with a signal; its exit code, or -1 when it was killed. */
static int end(struct rig *rig, int sig)
{
    int status;
    kill(rig->pid, sig);
    assert_int_equal(waitpid(rig->pid, &status, 0), rig->pid);
    rig->pid = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int set_up(void **state)
{
    struct rig *rig = calloc(1, sizeof *rig);
    const struct kn_bus_options options = {.sender = "test"};
    strcpy(rig->folder, "/tmp/kanchi-service-XXXXXX");
    assert_non_null(mkdtemp(rig->folder));
    snprintf(rig->requests, sizeof rig->requests, "ipc://%s/bus/storage.ipc", rig->folder);
    snprintf(rig->feed, sizeof rig->feed, "ipc://%s/bus/storage-feed.ipc", rig->folder);
    kn_arena_init(&rig->arena, 0);
    spawn(rig);
    assert_int_equal(kn_bus_new(&options, &rig->bus, NULL), KN_OK);
    assert_int_equal(kn_bus_client_new(rig->bus, rig->requests, &rig->client, NULL), KN_OK);
    *state = rig;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *rig = *state;
    char command[128];
    if (rig->pid)
        end(rig, SIGKILL);
    kn_bus_client_free(rig->client);
    kn_bus_free(rig->bus);
    kn_arena_fini(&rig->arena);
    snprintf(command, sizeof command, "rm -rf %s", rig->folder);
    assert_int_equal(system(command), 0);
    free(rig);
    return 0;
}

static struct kn_bus_message *ask(struct rig *rig, enum kn_kind kind, const void *msg)
{
    struct kn_bus_message *answer = NULL;
    struct kn_buf error;
    kn_buf_init(&error, 0);
    enum kn_status status = kn_bus_request(rig->client, kind, msg, 20 * KN_SECOND, &answer, &error);
    if (status != KN_OK)
        fail_msg("%s: %.*s", kn_status_text(status), KN_STR_ARG(kn_buf_view(&error)));
    return answer;
}

static struct kn_msg_ingest_ack ingest(struct rig *rig, uint64_t seq, const char *id)
{
    struct kn_msg_event event = {.type = KN_EVENT_TASK_STARTED,
                                 .uuid = kn_str_from(id),
                                 .hostname = KN_STR("w@h"),
                                 .timestamp = kn_time_now(),
                                 .clock = seq};
    struct kn_msg_ingest_batch batch = {
        .source = KN_STR("default"), .epoch = 1, .seq = seq, .received = 1};
    batch.events.items = &event;
    batch.events.count = 1;
    struct kn_bus_message *answer = ask(rig, KN_KIND_INGEST_BATCH, &batch);
    assert_int_equal(answer->kind, KN_KIND_INGEST_ACK);
    struct kn_msg_ingest_ack ack = *(const struct kn_msg_ingest_ack *)answer->msg;
    kn_bus_message_free(answer);
    return ack;
}

static size_t count_tasks(struct rig *rig)
{
    const struct kn_msg_tasks_get get = {.limit = 500};
    struct kn_bus_message *answer = ask(rig, KN_KIND_TASKS_GET, &get);
    size_t count = ((const struct kn_msg_task_list *)answer->msg)->items.count;
    kn_bus_message_free(answer);
    return count;
}

static void answers_survive_a_stop_and_a_kill(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(ingest(rig, 1, "a").stored, 1);
    assert_int_equal(end(rig, SIGTERM), 0);
    spawn(rig);
    assert_true(ingest(rig, 1, "a").again);
    assert_int_equal(ingest(rig, 2, "b").stored, 1);
    assert_int_equal(end(rig, SIGKILL), -1);
    spawn(rig);
    assert_true(ingest(rig, 2, "b").again);
    assert_int_equal(count_tasks(rig), 2);
}

static void readers_of_the_feed_see_every_commit_across_a_kill(void **state)
{
    struct rig *rig = *state;
    struct kn_feed_reader *reader;
    struct kn_feed_event event;
    const struct kn_feed_reader_options options = {.feed_url = rig->feed, .storage = rig->client};
    assert_int_equal(kn_feed_reader_new(rig->bus, &options, &reader, NULL), KN_OK);
    uint64_t last = 0;
    for (uint64_t seq = 1; seq <= 20; seq++) {
        ingest(rig, seq, "t");
        if (seq == 10) {
            end(rig, SIGKILL);
            spawn(rig);
        }
    }
    int64_t deadline = kn_time_mono() + 30 * KN_SECOND;
    bool marked = false;
    while (last < 20 || !marked) {
        assert_true(kn_time_mono() < deadline);
        if (kn_feed_reader_next(reader, KN_SECOND, &event) != KN_OK)
            continue;
        assert_int_not_equal(event.item, KN_FEED_REBUILD);
        if (event.item == KN_FEED_COMMIT) {
            assert_int_equal(event.commit->number, last + 1);
            last = event.commit->number;
        } else if (event.item == KN_FEED_MARK) {
            marked = true;
            assert_int_equal(event.mark->services.count, 1);
        }
    }
    kn_feed_reader_free(reader);
}

static void services_that_report_are_in_the_system(void **state)
{
    struct rig *rig = *state;
    struct kn_msg_ingestion_status ingestion = {.source = KN_STR("other"),
                                                .state = KN_LINK_CONNECTED,
                                                .events_received = 7,
                                                .backlog_events = 3,
                                                .spool_bytes = 10,
                                                .spool_max = 100,
                                                .spool_events = 2,
                                                .queue_messages = {5, true}};
    struct kn_msg_service_status status = {.name = KN_STR("ingestion"),
                                           .id = KN_STR("1234"),
                                           .state = KN_SERVICE_READY,
                                           .ingestion = &ingestion};
    kn_bus_message_free(ask(rig, KN_KIND_SERVICE_STATUS, &status));
    ingest(rig, 1, "a");
    const struct kn_msg_system_get get = {0};
    struct kn_bus_message *answer = ask(rig, KN_KIND_SYSTEM_GET, &get);
    const struct kn_msg_system *system = answer->msg;
    bool found = false;
    for (size_t i = 0; i < system->services.count; i++)
        found |= kn_str_eq(system->services.items[i].name, KN_STR("ingestion"));
    assert_true(found);
    assert_int_equal(system->ingestion.count, 2);
    for (size_t i = 0; i < 2; i++) {
        const struct kn_msg_source_status *source = &system->ingestion.items[i];
        if (kn_str_eq(source->source, KN_STR("other"))) {
            assert_int_equal(source->state, KN_LINK_CONNECTED);
            assert_int_equal(source->backlog_events, 3);
            assert_int_equal(source->spool_bytes, 10);
            assert_int_equal(source->spool_max, 100);
            assert_int_equal(source->spool_events, 2);
            assert_true(source->queue_messages.set);
            assert_int_equal(source->queue_messages.value, 5);
        } else {
            assert_int_equal(source->events_stored, 1);
        }
    }
    assert_int_equal(system->storage->tasks, 1);
    kn_bus_message_free(answer);
}

static void what_is_wrong_is_answered_with_a_sentence(void **state)
{
    struct rig *rig = *state;
    const struct kn_msg_tasks_get get = {.limit = 100000};
    const struct kn_msg_done nonsense = {0};
    struct kn_bus_message *answer;
    struct kn_buf error;
    kn_buf_init(&error, 0);
    assert_int_equal(
        kn_bus_request(rig->client, KN_KIND_TASKS_GET, &get, 20 * KN_SECOND, &answer, &error),
        KN_INVALID);
    assert_string_equal(kn_buf_cstr(&error), "limit must be from 1 to 500");
    assert_int_equal(
        kn_bus_request(rig->client, KN_KIND_DONE, &nonsense, 20 * KN_SECOND, &answer, &error),
        KN_UNSUPPORTED);
    kn_buf_fini(&error);
}

static void a_second_process_on_the_same_file_is_refused(void **state)
{
    struct rig *rig = *state;
    char command[512];
    count_tasks(rig);
    snprintf(command, sizeof command,
             "%s --data %s --bus.storage ipc://%s/x --bus.storage_feed ipc://%s/y 2>%s/err",
             KANCHI_STORAGE, rig->folder, rig->folder, rig->folder, rig->folder);
    assert_int_not_equal(system(command), 0);
    snprintf(command, sizeof command, "grep -q 'used by another storage process' %s/err",
             rig->folder);
    assert_int_equal(system(command), 0);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    kn_log_setup("service_test", KN_LOG_OFF, false);
    const struct CMUnitTest tests[] = {
        CASE(answers_survive_a_stop_and_a_kill),
        CASE(readers_of_the_feed_see_every_commit_across_a_kill),
        CASE(services_that_report_are_in_the_system),
        CASE(what_is_wrong_is_answered_with_a_sentence),
        CASE(a_second_process_on_the_same_file_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
