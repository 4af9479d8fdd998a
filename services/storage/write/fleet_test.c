/* Workers, queues and the system; on each database. */
#include "services/storage/store_rig_test.h"

#include "services/common/count.h"

/* ---- workers, queues, system --------------------------------------------------------- */

static void commit_one(struct rig *rig, enum kn_kind kind, const void *msg)
{
    struct store_change change = {.kind = kind, .msg = msg};
    const struct kn_msg_feed *feed;
    assert_int_equal(store_commit(rig->store, &change, 1, &feed), KN_OK);
    assert_int_equal(change.status, KN_OK);
}

static void whether_events_are_on_is_open_again_when_a_worker_was_started_anew(void **state)
{
    struct rig *rig = *state;
    struct kn_msg_event online = event(KN_EVENT_WORKER_ONLINE, NULL, 1),
                        beat = event(KN_EVENT_WORKER_HEARTBEAT, NULL, KN_SECOND);
    const struct kn_msg_worker_inspect off = {.source = KN_STR("default"),
                                              .hostname = KN_STR("w1@h"),
                                              .at = AT + 2 * KN_SECOND,
                                              .events_enabled = KN_SOME_I64(0)};
    rig_ingest(rig, (struct kn_msg_event[]){online, beat}, 2, NULL);
    commit_one(rig, KN_KIND_WORKER_INSPECT, &off);
    assert_true(worker_of(rig, "w1@h").events_enabled.set);
    beat.timestamp = AT + 3 * KN_SECOND;
    online.timestamp = AT; /* late, and older */
    rig_ingest(rig, (struct kn_msg_event[]){beat, online}, 2, NULL);
    assert_true(worker_of(rig, "w1@h").events_enabled.set);
    online.timestamp = AT + 4 * KN_SECOND;
    rig_ingest(rig, &online, 1, NULL);
    assert_false(worker_of(rig, "w1@h").events_enabled.set);
}

static void a_worker_is_what_it_says_unless_it_is_silent(void **state)
{
    struct rig *rig = *state;
    struct kn_msg_event online = event(KN_EVENT_WORKER_ONLINE, NULL, 1),
                        beat = event(KN_EVENT_WORKER_HEARTBEAT, NULL, KN_SECOND),
                        offline = event(KN_EVENT_WORKER_OFFLINE, NULL, 2 * KN_SECOND),
                        late = event(KN_EVENT_TASK_SUCCEEDED, "t", 3 * KN_SECOND);
    double load[] = {0.5, 0.25, 0.125};
    beat.loadavg = (struct kn_f64s){load, 3};
    beat.active = KN_SOME_I64(2);
    beat.freq = online.freq = KN_SOME_F64(2.0);
    struct kn_msg_event both[] = {beat, online};
    assert_int_equal(rig_ingest(rig, both, 2, NULL).stored, 2);
    assert_int_equal(rig_ingest(rig, &beat, 1, NULL).duplicates, 1);
    struct kn_msg_worker worker = worker_of(rig, "w1@h");
    assert_int_equal(worker.status, KN_WORKER_ONLINE);
    assert_int_equal(worker.started_at, AT + 1);
    assert_int_equal(worker.active.value, 2);
    assert_int_equal(worker.load.count, 3);
    struct kn_msg_worker_liveness verdict = {.source = KN_STR("default"),
                                             .hostname = KN_STR("w1@h"),
                                             .status = KN_WORKER_OFFLINE,
                                             .last_seen = AT};
    commit_one(rig, KN_KIND_WORKER_LIVENESS, &verdict);
    assert_int_equal(worker_of(rig, "w1@h").status, KN_WORKER_ONLINE);
    verdict.last_seen = worker.last_seen;
    commit_one(rig, KN_KIND_WORKER_LIVENESS, &verdict);
    assert_int_equal(worker_of(rig, "w1@h").status, KN_WORKER_OFFLINE);
    rig_ingest(rig, &late, 1, NULL);
    assert_int_equal(worker_of(rig, "w1@h").status, KN_WORKER_ONLINE);
    rig_ingest(rig, &offline, 1, NULL);
    assert_int_equal(worker_of(rig, "w1@h").status, KN_WORKER_OFFLINE);
    assert_int_equal(worker_of(rig, "w1@h").last_seen, AT + 3 * KN_SECOND);
    /* events that follow another one closely are not told to who gives the verdict */
    struct kn_msg_event started = event(KN_EVENT_TASK_STARTED, "u", 9 * KN_SECOND),
                        last = event(KN_EVENT_TASK_SUCCEEDED, "u", 9 * KN_SECOND + 5);
    const struct kn_msg_feed *feed;
    online.timestamp = beat.timestamp = AT + 8 * KN_SECOND;
    rig_ingest(rig, (struct kn_msg_event[]){online, started}, 2, &feed);
    verdict.last_seen = feed->workers.items[0].last_seen;
    rig_ingest(rig, &last, 1, &feed);
    assert_int_equal(feed->workers.count, 0);
    commit_one(rig, KN_KIND_WORKER_LIVENESS, &verdict);
    assert_int_equal(worker_of(rig, "w1@h").status, KN_WORKER_OFFLINE);
}

static void a_worker_starts_with_its_process_and_not_with_its_connection(void **state)
{
    struct rig *rig = *state;
    static const struct {
        const char *what;
        enum kn_event_type type; /* CUSTOM: an answer */
        int64_t at;              /* seconds */
        uint64_t pid;
        int64_t processed;
        double uptime;
        int64_t want;
    } cases[] = {
        {"it starts", KN_EVENT_WORKER_ONLINE, 0, 7, 0, 0, 0},
        {"it works", KN_EVENT_WORKER_HEARTBEAT, 50, 7, 5, 0, 0},
        {"it has lost its broker, and found it again", KN_EVENT_WORKER_ONLINE, 60, 7, 5, 0, 0},
        {"its answer agrees", KN_EVENT_CUSTOM, 100, 7, 0, 100, 0},
        {"another process, whose start was missed", KN_EVENT_WORKER_HEARTBEAT, 200, 8, 1, 0, 0},
        {"it tells how long it has been up", KN_EVENT_CUSTOM, 205, 8, 0, 15, 190},
        {"in a container, with the same pid", KN_EVENT_WORKER_ONLINE, 300, 8, 0, 0, 300},
        {"a clean stop", KN_EVENT_WORKER_OFFLINE, 400, 8, 0, 0, 300},
        {"and a start with the same pid", KN_EVENT_WORKER_ONLINE, 410, 8, 0, 0, 410},
        {"another worker of this name, which is older", KN_EVENT_CUSTOM, 420, 9, 0, 419, 410},
    };
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++) {
        int64_t at = AT + cases[i].at * KN_SECOND;
        struct kn_msg_event one = event(cases[i].type, NULL, cases[i].at * KN_SECOND);
        struct kn_msg_worker_inspect answer = {.source = KN_STR("default"),
                                               .hostname = KN_STR("w1@h"),
                                               .at = at,
                                               .pid = cases[i].pid,
                                               .uptime = KN_SOME_F64(cases[i].uptime)};
        one.pid = cases[i].pid;
        one.received_at = one.timestamp;
        one.processed = KN_SOME_I64(cases[i].processed);
        if (cases[i].type == KN_EVENT_CUSTOM)
            commit_one(rig, KN_KIND_WORKER_INSPECT, &answer);
        else
            rig_ingest(rig, &one, 1, NULL);
        if (worker_of(rig, "w1@h").started_at != AT + cases[i].want * KN_SECOND)
            fail_msg("%s", cases[i].what);
    }
    /* a connection that was lost and found is no restart, and a start that was missed is one */
    static const struct kn_msg_worker_moment want[] = {
        {AT, KN_WORKER_CHANGE_ONLINE},
        {AT + 190 * KN_SECOND, KN_WORKER_CHANGE_RESTART},
        {AT + 300 * KN_SECOND, KN_WORKER_CHANGE_RESTART},
        {AT + 400 * KN_SECOND, KN_WORKER_CHANGE_OFFLINE},
        {AT + 410 * KN_SECOND, KN_WORKER_CHANGE_ONLINE},
    };
    struct kn_msg_worker_life life;
    const struct kn_msg_worker_life_get get = {
        .id = KN_STR("w1@h"), .from = AT, .to = AT + 500 * KN_SECOND};
    assert_int_equal(store_read_worker_life(rig->reader, &get, &rig->arena, &life), KN_OK);
    assert_int_equal(life.items.count, KN_COUNT_OF(want));
    for (size_t i = 0; i < KN_COUNT_OF(want); i++) {
        assert_int_equal(life.items.items[i].at, want[i].at);
        assert_int_equal(life.items.items[i].change, want[i].change);
    }
}

static void commit_verdicts(struct rig *rig, struct kn_str heard, size_t want)
{
    struct store_change changes[4];
    const struct kn_msg_feed *feed;
    const struct kn_strs sources = {&heard, 1};
    size_t count;
    assert_int_equal(store_find_unheard(rig->store, &sources, &rig->arena, changes, 4, &count),
                     KN_OK);
    assert_int_equal(count, want);
    if (count)
        assert_int_equal(store_commit(rig->store, changes, count, &feed), KN_OK);
}

static void assert_life(struct rig *rig, const struct kn_msg_worker_moment *want, size_t count)
{
    struct kn_msg_worker_life life;
    const struct kn_msg_worker_life_get get = {.id = KN_STR("w1@h"), .to = AT + KN_DAY};
    assert_int_equal(store_read_worker_life(rig->reader, &get, &rig->arena, &life), KN_OK);
    assert_int_equal(life.items.count, count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(life.items.items[i].at, want[i].at);
        assert_int_equal(life.items.items[i].change, want[i].change);
    }
}

static void a_worker_that_nobody_could_hear_is_unknown(void **state)
{
    struct rig *rig = *state;
    const struct kn_msg_worker_moment want[] = {{AT + 10, KN_WORKER_CHANGE_ONLINE},
                                                {AT + 20, KN_WORKER_CHANGE_UNKNOWN},
                                                {AT + 30 * KN_SECOND, KN_WORKER_CHANGE_ONLINE}};
    struct kn_msg_event beat = event(KN_EVENT_WORKER_HEARTBEAT, NULL, 10);
    rig_ingest(rig, &beat, 1, NULL);
    beat = event(KN_EVENT_WORKER_HEARTBEAT, NULL, 20);
    rig_ingest(rig, &beat, 1, NULL);
    commit_verdicts(rig, KN_STR("default"), 0);
    commit_verdicts(rig, KN_STR("other"), 1);
    commit_verdicts(rig, KN_STR("other"), 0); /* once */
    struct kn_msg_worker worker = worker_of(rig, "w1@h");
    assert_int_equal(worker.status, KN_WORKER_UNKNOWN);
    assert_int_equal(worker.last_seen, AT + 20);
    struct kn_str word = KN_STR("unknown");
    struct kn_msg_worker_list list;
    const struct kn_msg_workers_get get = {.statuses = {&word, 1}, .limit = 10};
    assert_int_equal(store_read_workers(rig->reader, &get, &rig->arena, &list), KN_OK);
    assert_int_equal(list.items.count, 1);
    beat = event(KN_EVENT_WORKER_HEARTBEAT, NULL, 30 * KN_SECOND);
    rig_ingest(rig, &beat, 1, NULL);
    assert_int_equal(worker_of(rig, "w1@h").status, KN_WORKER_ONLINE);
    assert_life(rig, want, KN_COUNT_OF(want));
}

static void a_task_that_has_not_ended_says_whether_its_worker_is_there(void **state)
{
    struct rig *rig = *state;
    struct kn_msg_event started = event(KN_EVENT_TASK_STARTED, "t", 10),
                        beat = event(KN_EVENT_WORKER_HEARTBEAT, NULL, 20),
                        offline = event(KN_EVENT_WORKER_OFFLINE, NULL, 30),
                        ended = event(KN_EVENT_TASK_SUCCEEDED, "t", 25);
    rig_ingest(rig, (struct kn_msg_event[]){started, beat}, 2, NULL);
    assert_text(task_of(rig, "t").worker_status, "online");
    rig_ingest(rig, &offline, 1, NULL);
    assert_text(task_of(rig, "t").worker_status, "offline");
    assert_int_equal(task_of(rig, "t").worker_seen_at, AT + 30);
    rig_ingest(rig, &ended, 1, NULL);
    assert_null(task_of(rig, "t").worker_status.ptr);
}

static void a_worker_that_lost_its_broker_did_not_go(void **state)
{
    struct rig *rig = *state;
    struct kn_msg_event beat = event(KN_EVENT_WORKER_HEARTBEAT, NULL, 20),
                        offline = event(KN_EVENT_WORKER_OFFLINE, NULL, 30),
                        online = event(KN_EVENT_WORKER_ONLINE, NULL, 20 * KN_SECOND);
    rig_ingest(rig, &beat, 1, NULL);
    commit_verdicts(rig, KN_STR("other"), 1);
    offline.received_at = AT + 20 * KN_SECOND;
    rig_ingest(rig, &offline, 1, NULL);
    assert_int_equal(worker_of(rig, "w1@h").status, KN_WORKER_UNKNOWN);
    rig_ingest(rig, &online, 1, NULL);
    const struct kn_msg_worker_moment want[] = {{AT + 20, KN_WORKER_CHANGE_ONLINE},
                                                {AT + 20, KN_WORKER_CHANGE_UNKNOWN},
                                                {AT + 20 * KN_SECOND, KN_WORKER_CHANGE_ONLINE}};
    assert_life(rig, want, KN_COUNT_OF(want));
}

static void an_unknown_worker_that_died_is_offline_since_its_last_heartbeat(void **state)
{
    struct rig *rig = *state;
    const struct kn_msg_worker_moment want[] = {{AT + 20, KN_WORKER_CHANGE_ONLINE},
                                                {AT + 20, KN_WORKER_CHANGE_OFFLINE}};
    struct kn_msg_event beat = event(KN_EVENT_WORKER_HEARTBEAT, NULL, 20);
    rig_ingest(rig, &beat, 1, NULL);
    commit_verdicts(rig, KN_STR("other"), 1);
    const struct kn_msg_worker_liveness verdict = {.source = KN_STR("default"),
                                                   .hostname = KN_STR("w1@h"),
                                                   .status = KN_WORKER_OFFLINE,
                                                   .last_seen = AT + 20};
    commit_one(rig, KN_KIND_WORKER_LIVENESS, &verdict);
    assert_int_equal(worker_of(rig, "w1@h").status, KN_WORKER_OFFLINE);
    assert_life(rig, want, KN_COUNT_OF(want));
}

static void a_silence_that_nobody_judged_is_unknown(void **state)
{
    struct rig *rig = *state;
    const int64_t hour = AT + 20 + KN_HOUR;
    const struct kn_msg_worker_moment want[] = {{AT + 10, KN_WORKER_CHANGE_ONLINE},
                                                {AT + 20, KN_WORKER_CHANGE_UNKNOWN},
                                                {hour, KN_WORKER_CHANGE_ONLINE}};
    struct kn_msg_event beats[] = {event(KN_EVENT_WORKER_HEARTBEAT, NULL, 10),
                                   event(KN_EVENT_WORKER_HEARTBEAT, NULL, 20),
                                   event(KN_EVENT_WORKER_HEARTBEAT, NULL, 20 + KN_HOUR),
                                   event(KN_EVENT_WORKER_HEARTBEAT, NULL, 21 + KN_HOUR)};
    for (size_t i = 0; i < KN_COUNT_OF(beats); i++)
        rig_ingest(rig, beats + i, 1, NULL);
    assert_life(rig, want, KN_COUNT_OF(want));
}

static void two_workers_that_take_turns_are_noticed(void **state)
{
    struct rig *rig = *state;
    static const struct {
        enum kn_event_type type;
        int64_t at; /* seconds */
        uint64_t pid;
        int64_t twins_at; /* seconds; 0: none */
    } cases[] = {
        {KN_EVENT_WORKER_ONLINE, 1, 7, 0},       {KN_EVENT_WORKER_HEARTBEAT, 2, 7, 0},
        {KN_EVENT_WORKER_ONLINE, 3, 8, 0}, /* restarted, and the old process says that it goes */
        {KN_EVENT_WORKER_OFFLINE, 4, 7, 0},      {KN_EVENT_WORKER_ONLINE, 5, 9, 0},
        {KN_EVENT_WORKER_HEARTBEAT, 6, 9, 0},    {KN_EVENT_WORKER_ONLINE, 7, 10, 0},
        {KN_EVENT_WORKER_HEARTBEAT, 8, 9, 8},    {KN_EVENT_WORKER_HEARTBEAT, 9, 9, 8},
        {KN_EVENT_WORKER_HEARTBEAT, 10, 10, 10},
    };
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++) {
        struct kn_msg_event one = event(cases[i].type, NULL, cases[i].at * KN_SECOND);
        one.pid = cases[i].pid;
        one.received_at = one.timestamp;
        rig_ingest(rig, &one, 1, NULL);
        assert_int_equal(worker_of(rig, "w1@h").twins_at,
                         cases[i].twins_at ? AT + cases[i].twins_at * KN_SECOND : 0);
    }
}

static void events_come_with_their_task_and_its_workers(void **state)
{
    struct rig *rig = *state;
    struct kn_msg_event sent = event(KN_EVENT_TASK_SENT, "t", 100);
    struct kn_msg_task_events_get get = {.id = KN_STR("t")};
    struct kn_msg_task_event_list list;
    const char *why;
    const struct kn_msg_worker_inspect inspect = {.source = KN_STR("default"),
                                                  .hostname = KN_STR("w1@h"),
                                                  .at = 100,
                                                  .conf = KN_STR("{\"a\":1}"),
                                                  .stats = KN_STR("{\"b\":2}")};
    rig_ingest(rig, &sent, 1, NULL);
    commit_one(rig, KN_KIND_WORKER_INSPECT, &inspect);
    assert_int_equal(store_read_events(rig->reader, &get, &rig->arena, &list, &why), KN_OK);
    assert_true(!list.task && !list.workers);
    get.with_task = get.with_workers = true;
    assert_int_equal(store_read_events(rig->reader, &get, &rig->arena, &list, &why), KN_OK);
    assert_int_equal(list.items.count, 1);
    assert_text(list.task->id, "t");
    assert_text(list.task->source, "default");
    assert_int_equal(list.workers->items.count, 1);
    assert_text(list.workers->items.items[0].conf, "{\"a\":1}");
    assert_false(list.workers->items.items[0].stats.ptr);
    get.id = KN_STR("nobody");
    assert_int_equal(store_read_events(rig->reader, &get, &rig->arena, &list, &why), KN_NOT_FOUND);
    assert_null(why);
}

static void answers_of_a_worker_leave_what_they_do_not_say(void **state)
{
    struct rig *rig = *state;
    struct kn_str queues[] = {KN_STR("celery"), KN_STR("fast")};
    struct kn_msg_worker_inspect answer = {.source = KN_STR("default"),
                                           .hostname = KN_STR("w1@h"),
                                           .at = AT + 5 * KN_SECOND,
                                           .pool = KN_STR("prefork"),
                                           .concurrency = KN_SOME_I64(4),
                                           .uptime = KN_SOME_F64(5),
                                           .conf = KN_STR("{}"),
                                           .queues = {queues, 2},
                                           .has_queues = true};
    commit_one(rig, KN_KIND_WORKER_INSPECT, &answer);
    answer = (struct kn_msg_worker_inspect){.source = KN_STR("default"),
                                            .hostname = KN_STR("w1@h"),
                                            .at = AT + 6 * KN_SECOND,
                                            .cpu_percent = KN_SOME_F64(12.5)};
    commit_one(rig, KN_KIND_WORKER_INSPECT, &answer);
    rig_reopen(rig);
    struct kn_msg_worker worker = worker_of(rig, "w1@h");
    assert_text(worker.pool, "prefork");
    assert_text(worker.conf, "{}");
    assert_int_equal(worker.concurrency.value, 4);
    assert_true(worker.cpu_percent.value == 12.5);
    assert_int_equal(worker.queues.count, 2);
    assert_int_equal(worker.started_at, AT);
    assert_int_equal(worker.status, KN_WORKER_ONLINE);
    struct kn_msg_known_queues known;
    assert_int_equal(store_read_known_queues(rig->reader, KN_STR("default"), &rig->arena, &known),
                     KN_OK);
    assert_int_equal(known.names.count, 2);
    assert_text(known.names.items[1], "fast");
    struct kn_msg_queue_list list;
    const struct kn_msg_queues_get get = {0};
    assert_int_equal(store_read_queues(rig->reader, &get, &rig->arena, &list), KN_OK);
    assert_int_equal(list.items.count, 2);
    assert_text(list.items.items[0].workers.items[0], "w1@h");
}

static void queues_keep_their_latest_depth_and_a_history(void **state)
{
    struct rig *rig = *state;
    struct kn_msg_queue_priority priorities[] = {{0, 3}, {9, 2}};
    struct kn_msg_queue_depth depths[] = {
        {.name = KN_STR("celery"), .at = AT + 2, .messages = 5, .unacked = KN_SOME_I64(1)},
        {.name = KN_STR("celery"), .at = AT + 1, .messages = 9},
        {.name = KN_STR("other"), .at = AT + 1, .messages = 1}};
    depths[0].priorities.items = priorities;
    depths[0].priorities.count = 2;
    struct kn_msg_gap gap = {.from = AT, .to = AT + 5, .reason = KN_STR("connection lost")};
    struct kn_msg_ingest_batch batch = {
        .source = KN_STR("s"), .epoch = 1, .seq = 1, .received = 10, .invalid = 2, .lost = 3};
    batch.queues.items = depths;
    batch.queues.count = 3;
    batch.gaps.items = &gap;
    batch.gaps.count = 1;
    commit_one(rig, KN_KIND_INGEST_BATCH, &batch);
    struct kn_msg_queue_list list;
    const struct kn_msg_queues_get get = {
        .name = KN_STR("celery"), .from = AT, .to = AT + KN_MINUTE};
    assert_int_equal(store_read_queues(rig->reader, &get, &rig->arena, &list), KN_OK);
    assert_int_equal(list.items.count, 1);
    const struct kn_msg_queue *queue = &list.items.items[0];
    assert_int_equal(queue->messages.value, 5);
    assert_int_equal(queue->unacked.value, 1);
    assert_int_equal(queue->priorities.count, 2);
    assert_int_equal(queue->history.count, 1);
    assert_int_equal(queue->history.items[0].messages, 9);
    assert_int_equal(queue->history.items[0].lowest.value, 5);
    struct kn_msg_system system = system_of(rig);
    assert_int_equal(system.ingestion.count, 1);
    assert_int_equal(system.ingestion.items[0].events_lost, 3);
    assert_int_equal(system.ingestion.items[0].gaps.count, 1);
    assert_text(system.ingestion.items[0].gaps.items[0].reason, "connection lost");
}

static void the_history_of_all_queues_has_a_value_for_each_step(void **state)
{
    struct rig *rig = *state;
    enum { POINTS = 6 };
    struct kn_msg_queue_depth depths[] = {{.name = KN_STR("b"), .at = AT + 1, .messages = 4},
                                          {.name = KN_STR("b"), .at = AT + 9, .messages = 5},
                                          {.name = KN_STR("b"), .at = AT + 35, .messages = 0},
                                          {.name = KN_STR("a"), .at = AT + 60, .messages = 1},
                                          {.name = KN_STR("a"), .at = AT + 59, .messages = 7}};
    struct kn_msg_ingest_batch batch = {.source = KN_STR("s"), .epoch = 1, .seq = 1};
    batch.queues.items = depths;
    batch.queues.count = KN_COUNT_OF(depths);
    commit_one(rig, KN_KIND_INGEST_BATCH, &batch);
    struct kn_msg_queue_histories list;
    const char *why;
    struct kn_msg_queue_histories_get get = {.from = AT, .to = AT + 60, .points = POINTS};
    assert_int_equal(store_read_queue_histories(rig->reader, &get, &rig->arena, &list, &why),
                     KN_OK);
    assert_true(list.complete);
    assert_int_equal(list.items.count, 2);
    static const double want[][POINTS] = {{-1, -1, -1, -1, -1, 7}, {5, -1, -1, 0, -1, -1}};
    for (size_t i = 0; i < 2; i++) {
        assert_text(list.items.items[i].name, i ? "b" : "a");
        assert_text(list.items.items[i].source, "s");
        assert_int_equal(list.items.items[i].messages.count, POINTS);
        assert_memory_equal(list.items.items[i].messages.items, want[i], sizeof want[i]);
    }
    get.points = 61;
    assert_int_equal(store_read_queue_histories(rig->reader, &get, &rig->arena, &list, &why),
                     KN_INVALID);
}

/* What nobody was there to receive: from where the source was complete to where the next
 * process began. */
static void an_ingestion_that_begins_late_leaves_a_gap(void **state)
{
    struct rig *rig = *state;
    const int64_t t = kn_time_now() - KN_HOUR;
    static const struct {
        uint64_t epoch, seq;
        int64_t begins, to; /* seconds after t; 0: not said */
        size_t gaps;
        int64_t from;
    } cases[] = {
        {1, 1, 10, 20, 0, 0},  /* the first of all */
        {11, 1, 11, 19, 0, 0}, /* one that began beside it, and says so late */
        {1, 2, 10, 30, 0, 0},
        {1, 4, 10, 50, 0, 0}, /* batch 3 is missing: complete to 30 only */
        {2, 1, 60, 0, 0, 0},  /* the next process */
        {2, 2, 60, 64, 1, 30},
        {2, 3, 60, 65, 1, 30},
        {1, 3, 10, 40, 1, 30}, /* from a spool, late */
        {3, 1, 63, 70, 1, 30}, /* another one, while the second goes on */
        {2, 4, 60, 72, 1, 30},
        {4, 1, 80, 90, 2, 72},   /* after both have ended */
        {5, 1, 0, 95, 2, 72},    /* RabbitMQ: it has missed nothing */
        {6, 1, 0, 90000, 2, 72}, /* a clock that is wrong by a day */
        {7, 1, 96, 100, 2, 72},  /* and was put right: nobody knows */
        {8, 1, 110, 120, 3, 100},
        {9, 1, 130, 0, 3, 100},   /* killed before it said more */
        {9, 2, 130, 132, 3, 100}, /* another one may have been there */
        {10, 1, 140, 143, 4, 120},
    };
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++) {
        const struct kn_msg_ingest_batch batch = {
            .source = KN_STR("s"),
            .epoch = cases[i].epoch,
            .seq = cases[i].seq,
            .begins_at = cases[i].begins ? t + cases[i].begins * KN_SECOND : 0,
            .complete_to = cases[i].to ? t + cases[i].to * KN_SECOND : 0};
        commit_one(rig, KN_KIND_INGEST_BATCH, &batch);
        struct kn_msg_system system = system_of(rig);
        const struct kn_msg_source_status *source = &system.ingestion.items[0];
        assert_int_equal(source->gaps.count, cases[i].gaps);
        if (cases[i].gaps)
            assert_int_equal(source->gaps.items[0].from, t + cases[i].from * KN_SECOND);
        if (cases[i].gaps == 1)
            assert_int_equal(source->gaps.items[0].to, t + 60 * KN_SECOND);
    }
}

/* The one that is given up is the one that never came; those behind it still count. */
static void a_batch_that_never_comes_takes_no_other_with_it(void **state)
{
    struct rig *rig = *state;
    enum { LAST = 1030 };
    for (uint64_t seq = 1; seq <= LAST; seq++) {
        if (seq <= 3 || seq == 6)
            continue; /* 1 and 2 come late, 3 never does */
        struct kn_msg_ingest_batch batch = {.source = KN_STR("s"), .epoch = 1, .seq = seq};
        commit_one(rig, KN_KIND_INGEST_BATCH, &batch);
        if (seq == 5 + 1023) { /* now it holds as many as it can */
            for (uint64_t late = 1; late <= 2; late++) {
                batch.seq = late;
                struct store_change change = {.kind = KN_KIND_INGEST_BATCH, .msg = &batch};
                const struct kn_msg_feed *feed;
                assert_int_equal(store_commit(rig->store, &change, 1, &feed), KN_OK);
                assert_false(change.ack.again);
            }
        }
    }
    struct kn_msg_ingest_batch batch = {.source = KN_STR("s"), .epoch = 1, .seq = 6};
    struct store_change change = {.kind = KN_KIND_INGEST_BATCH, .msg = &batch};
    const struct kn_msg_feed *feed;
    assert_int_equal(store_commit(rig->store, &change, 1, &feed), KN_OK);
    assert_false(change.ack.again);
}

/* ---- the program --------------------------------------------------------------------- */

int main(void)
{
    kn_log_setup("store_test_fleet", KN_LOG_WARN, false);
    const struct CMUnitTest tests[] = {
        CASE(events_come_with_their_task_and_its_workers),
        CASE(a_worker_is_what_it_says_unless_it_is_silent),
        CASE(a_worker_starts_with_its_process_and_not_with_its_connection),
        CASE(whether_events_are_on_is_open_again_when_a_worker_was_started_anew),
        CASE(a_worker_that_nobody_could_hear_is_unknown),
        CASE(a_task_that_has_not_ended_says_whether_its_worker_is_there),
        CASE(a_worker_that_lost_its_broker_did_not_go),
        CASE(an_unknown_worker_that_died_is_offline_since_its_last_heartbeat),
        CASE(a_silence_that_nobody_judged_is_unknown),
        CASE(two_workers_that_take_turns_are_noticed),
        CASE(answers_of_a_worker_leave_what_they_do_not_say),
        CASE(queues_keep_their_latest_depth_and_a_history),
        CASE(the_history_of_all_queues_has_a_value_for_each_step),
        CASE(an_ingestion_that_begins_late_leaves_a_gap),
        CASE(a_batch_that_never_comes_takes_no_other_with_it),
    };
    return RIG_RUN(tests, &on_postgres);
}
