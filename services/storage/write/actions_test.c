/* What is kept of people's actions, on both databases. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "services/storage/rig_test.h"
#include "services/storage/state/state.h"

#include "services/common/process/log.h"
#include "services/common/text/time.h"

#include <stdio.h>

#define AT (INT64_C(1764000000) * KN_SECOND)

static struct rig rig;
static bool on_postgres;

static int setup(void **state)
{
    (void)state;
    rig_init(&rig, on_postgres);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    rig_fini(&rig);
    return 0;
}

static enum kn_status commit(enum kn_kind kind, const void *msg)
{
    const struct kn_msg_feed *feed;
    struct store_change change = {.kind = kind, .msg = msg, .arena = &rig.arena};
    assert_int_equal(store_commit(rig.store, &change, 1, &feed), KN_OK);
    return change.status;
}

static enum kn_status begin(const char *id, const char *attempt, const char *target)
{
    struct kn_msg_audit_entry entry = {
        .id = kn_str_from(id),
        .verb = KN_VERB_RETRY,
        .source = KN_STR("default"),
        .target = kn_str_from(target),
        .actor = KN_STR("an\0na"),
        .request = KN_STR("{\"queue\":\"mail\"}"),
        .begun_at = AT,
    };
    const struct kn_msg_audit_begin msg = {.entry = &entry, .attempt = kn_str_from(attempt)};
    return commit(KN_KIND_AUDIT_BEGIN, &msg);
}

static enum kn_status end(const char *id, enum kn_outcome outcome)
{
    struct kn_msg_audit_entry entry = {.id = kn_str_from(id),
                                       .ended_at = AT + 5,
                                       .outcome = (uint8_t)outcome,
                                       .text = KN_STR("sent")};
    const struct kn_msg_audit_end msg = {.entry = &entry};
    return commit(KN_KIND_AUDIT_END, &msg);
}

static struct kn_msg_audit_list list_of(struct kn_msg_audit_get get)
{
    struct kn_msg_audit_list list;
    assert_int_equal(store_read_audit(rig.reader, &get, &rig.arena, &list), KN_OK);
    return list;
}

static void an_action_is_begun_once(void **state)
{
    (void)state;
    assert_int_equal(begin("a-1", "one", "t-1"), KN_OK);
    assert_int_equal(begin("a-1", "one", "t-1"), KN_OK); /* the request came twice */
    assert_int_equal(begin("a-1", "two", "t-1"), KN_CONFLICT);
    assert_int_equal(begin("", "two", "t-1"), KN_INVALID);
    assert_int_equal(begin("a-2", "two", "t-2"), KN_OK);
    assert_int_equal(list_of((struct kn_msg_audit_get){0}).items.count, 2);
    rig_reopen(&rig);
    assert_int_equal(begin("a-1", "three", "t-1"), KN_CONFLICT);
}

static void the_first_end_stays(void **state)
{
    (void)state;
    assert_int_equal(begin("a-1", "one", "t-1"), KN_OK);
    struct kn_msg_audit_list list = list_of((struct kn_msg_audit_get){.id = KN_STR("a-1")});
    assert_int_equal(list.items.count, 1);
    assert_int_equal(list.items.items[0].outcome, KN_OUTCOME_UNKNOWN);
    assert_int_equal(list.items.items[0].ended_at, 0);
    assert_int_equal(end("a-1", KN_OUTCOME_DONE), KN_OK);
    assert_int_equal(end("a-1", KN_OUTCOME_FAILED), KN_OK);
    assert_int_equal(end("a-9", KN_OUTCOME_DONE), KN_NOT_FOUND);
    list = list_of((struct kn_msg_audit_get){.target = KN_STR("t-1")});
    assert_int_equal(list.items.count, 1);
    const struct kn_msg_audit_entry *entry = &list.items.items[0];
    assert_int_equal(entry->outcome, KN_OUTCOME_DONE);
    assert_int_equal(entry->ended_at, AT + 5);
    assert_true(kn_str_eq(entry->text, KN_STR("sent")));
    assert_true(kn_str_eq(entry->request, KN_STR("{\"queue\":\"mail\"}")));
    assert_true(kn_str_eq(entry->source, KN_STR("default")));
}

static void pages_go_from_the_newest_to_the_oldest(void **state)
{
    (void)state;
    for (int i = 0; i < 7; i++) {
        char id[16];
        snprintf(id, sizeof id, "a-%d", i);
        assert_int_equal(begin(id, "one", i % 2 ? "odd" : "even"), KN_OK);
    }
    struct kn_msg_audit_list page = list_of((struct kn_msg_audit_get){.limit = 4});
    assert_int_equal(page.items.count, 4);
    assert_true(kn_str_eq(page.items.items[0].id, KN_STR("a-6")));
    assert_true(page.next != 0);
    page = list_of((struct kn_msg_audit_get){.limit = 4, .before = page.next});
    assert_int_equal(page.items.count, 3);
    assert_true(kn_str_eq(page.items.items[2].id, KN_STR("a-0")));
    assert_int_equal(page.next, 0);
    page = list_of((struct kn_msg_audit_get){.target = KN_STR("odd"), .limit = 2});
    assert_int_equal(page.items.count, 2);
    assert_true(kn_str_eq(page.items.items[1].id, KN_STR("a-3")));
    page = list_of(
        (struct kn_msg_audit_get){.target = KN_STR("odd"), .limit = 2, .before = page.next});
    assert_int_equal(page.items.count, 1);
    struct kn_str verbs[] = {KN_STR("revoke")};
    assert_int_equal(list_of((struct kn_msg_audit_get){.verbs = {verbs, 1}}).items.count, 0);
}

static void a_pause_is_kept_until_it_is_over(void **state)
{
    (void)state;
    struct kn_msg_pause pause = {.source = KN_STR("default"),
                                 .queue = KN_STR("mail"),
                                 .since = AT,
                                 .by = KN_STR("anna"),
                                 .consumers = KN_STR("{\"a@b\":{}}")};
    struct kn_msg_pause_list list;
    struct kn_msg_queue_list queues;
    assert_int_equal(commit(KN_KIND_PAUSE, &(struct kn_msg_pause){.source = KN_STR("x")}),
                     KN_INVALID);
    assert_int_equal(commit(KN_KIND_PAUSE, &pause), KN_OK);
    pause.by = KN_STR("otto");
    assert_int_equal(commit(KN_KIND_PAUSE, &pause), KN_OK);
    rig_reopen(&rig);
    assert_int_equal(store_read_pauses(rig.reader, KN_STR("other"), &rig.arena, &list), KN_OK);
    assert_int_equal(list.items.count, 0);
    assert_int_equal(store_read_pauses(rig.reader, KN_STR("default"), &rig.arena, &list), KN_OK);
    assert_int_equal(list.items.count, 1);
    assert_true(kn_str_eq(list.items.items[0].consumers, pause.consumers));
    const struct kn_msg_queues_get get = {0};
    assert_int_equal(store_read_queues(rig.reader, &get, &rig.arena, &queues), KN_OK);
    assert_int_equal(queues.items.count, 1);
    assert_true(kn_str_eq(queues.items.items[0].name, KN_STR("mail")));
    assert_true(kn_str_eq(queues.items.items[0].pause->by, KN_STR("otto")));
    pause.resuming = true;
    assert_int_equal(commit(KN_KIND_PAUSE, &pause), KN_OK);
    assert_int_equal(store_read_queues(rig.reader, &get, &rig.arena, &queues), KN_OK);
    assert_int_equal(queues.items.count, 0);
    pause.over = true;
    assert_int_equal(commit(KN_KIND_PAUSE, &pause), KN_OK);
    assert_int_equal(store_read_pauses(rig.reader, KN_STR(""), &rig.arena, &list), KN_OK);
    assert_int_equal(list.items.count, 0);
}

static enum kn_status link_tasks(const char *task, const char *new, int64_t at)
{
    const struct kn_msg_task_link msg = {.source = KN_STR("default"),
                                         .task_id = kn_str_from(task),
                                         .new_id = kn_str_from(new),
                                         .at = at};
    return commit(KN_KIND_TASK_LINK, &msg);
}

static struct kn_msg_task_links links_of(const char *source, const char *task)
{
    struct kn_msg_task_links links;
    const struct kn_msg_task_links_get get = {.source = kn_str_from(source),
                                              .task_id = kn_str_from(task)};
    assert_int_equal(store_read_links(rig.reader, &get, &rig.arena, &links), KN_OK);
    return links;
}

static void tasks_are_linked_both_ways(void **state)
{
    (void)state;
    assert_int_equal(link_tasks("t-1", "t-3", AT + 2), KN_OK);
    assert_int_equal(link_tasks("t-1", "t-2", AT + 1), KN_OK);
    assert_int_equal(link_tasks("t-1", "t-2", AT + 1), KN_OK);
    assert_int_equal(link_tasks("t-2", "t-4", AT + 3), KN_OK);
    assert_int_equal(link_tasks("", "t-4", AT), KN_INVALID);
    struct kn_msg_task_links links = links_of("default", "t-1");
    assert_false(links.retry_of.ptr);
    assert_int_equal(links.retried_as.count, 2);
    assert_true(kn_str_eq(links.retried_as.items[0], KN_STR("t-2")));
    links = links_of("default", "t-2");
    assert_true(kn_str_eq(links.retry_of, KN_STR("t-1")));
    assert_int_equal(links.retried_as.count, 1);
    assert_int_equal(links_of("other", "t-1").retried_as.count, 0);
}

static const struct kn_msg_done *end_with_link(const char *id, const char *task, const char *new)
{
    const struct kn_msg_feed *feed;
    struct kn_msg_audit_entry entry = {
        .id = kn_str_from(id), .ended_at = AT + 5, .outcome = KN_OUTCOME_DONE};
    struct kn_msg_task_link link = {.source = KN_STR("default"),
                                    .task_id = kn_str_from(task),
                                    .new_id = kn_str_from(new),
                                    .at = AT};
    const struct kn_msg_audit_end msg = {.entry = &entry, .link = &link};
    struct store_change change = {.kind = KN_KIND_AUDIT_END, .msg = &msg, .arena = &rig.arena};
    assert_int_equal(store_commit(rig.store, &change, 1, &feed), KN_OK);
    return change.status == KN_OK ? change.answer : NULL;
}

static void an_end_links_tasks_and_says_so(void **state)
{
    (void)state;
    assert_int_equal(begin("a-1", "p-1", "t-1"), KN_OK);
    assert_null(end_with_link("a-2", "t-1", "t-2")); /* it was never begun */
    assert_int_equal(links_of("default", "t-1").retried_as.count, 0);
    for (int twice = 0; twice < 2; twice++) {
        const struct kn_msg_done *done = end_with_link("a-1", "t-1", "t-2");
        assert_true(done && done->linked);
        assert_int_equal(links_of("default", "t-1").retried_as.count, 1);
    }
    assert_int_equal(begin("a-3", "p-1", "t-1"), KN_OK);
    assert_null(end_with_link("a-3", "", "t-3")); /* stored, but it can't be a link */
    assert_int_equal(
        list_of((struct kn_msg_audit_get){.id = KN_STR("a-3"), .limit = 1}).items.items[0].outcome,
        KN_OUTCOME_DONE);
}

/* ---- dismissed issues ---------------------------------------------------------------- */

static enum kn_status dismiss(const char *id, struct kn_str key, const char *state, bool undo)
{
    struct kn_msg_action action = {.id = kn_str_from(id), .actor = KN_STR("anna"), .at = AT};
    const struct kn_msg_dismiss msg = {
        .action = &action, .key = key, .state = kn_str_from(state), .undo = undo};
    return commit(KN_KIND_DISMISS, &msg);
}

static struct kn_msg_dismissal_list dismissals(void)
{
    struct kn_msg_dismissal_list list;
    assert_int_equal(store_read_dismissals(rig.reader, &rig.arena, &list), KN_OK);
    return list;
}

static void an_issue_is_dismissed_in_its_latest_state(void **state)
{
    (void)state;
    int64_t before = kn_time_now();
    assert_int_equal(dismiss("d-1", KN_STR("queue:mail"), "1-a", false), KN_OK);
    assert_int_equal(dismiss("d-2", KN_STR("failing"), "80%", false), KN_OK);
    assert_int_equal(dismiss("d-3", KN_STR("queue:mail"), "1-\xc3\xbc", false), KN_OK);
    rig_reopen(&rig);
    struct kn_msg_dismissal_list list = dismissals();
    assert_int_equal(list.items.count, 2);
    const struct kn_msg_dismissal *newest = &list.items.items[0];
    assert_true(kn_str_eq(newest->key, KN_STR("queue:mail")));
    assert_true(kn_str_eq(newest->state, KN_STR("1-\xc3\xbc")));
    assert_true(kn_str_eq(newest->actor, KN_STR("anna")));
    assert_true(newest->at >= before && newest->at <= kn_time_now());
    for (int twice = 0; twice < 2; twice++)
        assert_int_equal(dismiss("d-4", KN_STR("queue:mail"), "", true), KN_OK);
    list = dismissals();
    assert_int_equal(list.items.count, 1);
    assert_true(kn_str_eq(list.items.items[0].key, KN_STR("failing")));
}

static void a_dismissal_is_audited(void **state)
{
    (void)state;
    assert_int_equal(dismiss("d-1", KN_STR("failing"), "8\"0%", false), KN_OK);
    assert_int_equal(dismiss("d-2", KN_STR("failing"), "", true), KN_OK);
    struct kn_msg_audit_list list = list_of((struct kn_msg_audit_get){.target = KN_STR("failing")});
    assert_int_equal(list.items.count, 2);
    assert_true(kn_str_eq(list.items.items[0].request, KN_STR("{\"dismissed\":false}")));
    const struct kn_msg_audit_entry *first = &list.items.items[1];
    assert_int_equal(first->verb, KN_VERB_DISMISS);
    assert_int_equal(first->outcome, KN_OUTCOME_DONE);
    assert_true(kn_str_eq(first->actor, KN_STR("anna")));
    assert_true(kn_str_eq(first->request, KN_STR("{\"dismissed\":true,\"state\":\"8\\\"0%\"}")));
}

static void a_wrong_dismissal_changes_nothing(void **state)
{
    (void)state;
    char text[201];
    memset(text, 'x', sizeof text);
    const struct kn_str longest = {text, 200}, longer = {text, 201};
    assert_int_equal(dismiss("", KN_STR("failing"), "80%", false), KN_INVALID);
    assert_int_equal(dismiss("d-1", KN_STR(""), "80%", false), KN_INVALID);
    assert_int_equal(dismiss("d-1", KN_STR("failing"), "", false), KN_INVALID);
    assert_int_equal(dismiss("d-1", longer, "80%", false), KN_INVALID);
    assert_int_equal(dismiss("d-1", longer, "", true), KN_INVALID);
    assert_int_equal(dismissals().items.count, 0);
    assert_int_equal(list_of((struct kn_msg_audit_get){0}).items.count, 0);
    assert_int_equal(dismiss("d-1", longest, "80%", false), KN_OK);
    assert_int_equal(dismissals().items.count, 1);
}

static void the_newest_thousand_dismissals_are_kept_for_a_month(void **state)
{
    (void)state;
    char text[200];
    const int64_t age = kn_time_now() - 30 * KN_DAY;
    bool more = true;
    for (int i = 0; i < STORE_DISMISSALS_MAX + 1; i++) {
        snprintf(text, sizeof text,
                 "INSERT INTO dismissals (key, state, at) VALUES ('k%d', 's', %lld)", i,
                 (long long)(i < 500 ? age - i : age + KN_MINUTE * (i - 499)));
        assert_int_equal(db_script(rig.store->db, text), KN_OK);
    }
    assert_int_equal(dismiss("d-1", KN_STR("failing"), "80%", false), KN_OK);
    struct kn_msg_dismissal_list list = dismissals();
    assert_int_equal(list.items.count, STORE_DISMISSALS_MAX);
    assert_true(kn_str_eq(list.items.items[0].key, KN_STR("failing")));
    assert_true(kn_str_eq(list.items.items[STORE_DISMISSALS_MAX - 1].key, KN_STR("k497")));
    while (more)
        assert_int_equal(store_retain(rig.store, &more), KN_OK);
    list = dismissals();
    assert_int_equal(list.items.count, 502);
    assert_true(kn_str_eq(list.items.items[501].key, KN_STR("k500")));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    kn_log_setup("actions_test", KN_LOG_WARN, false);
    const struct CMUnitTest tests[] = {
        CASE(an_action_is_begun_once),
        CASE(the_first_end_stays),
        CASE(pages_go_from_the_newest_to_the_oldest),
        CASE(a_pause_is_kept_until_it_is_over),
        CASE(tasks_are_linked_both_ways),
        CASE(an_end_links_tasks_and_says_so),
        CASE(an_issue_is_dismissed_in_its_latest_state),
        CASE(a_dismissal_is_audited),
        CASE(a_wrong_dismissal_changes_nothing),
        CASE(the_newest_thousand_dismissals_are_kept_for_a_month),
    };
    return RIG_RUN(tests, &on_postgres);
}
