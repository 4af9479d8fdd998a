#include "services/control/ask/inquiry.h"

#include "services/common/text/time.h"

#include <stdio.h>
#include <stdlib.h>

static const int64_t RECEIVE_US = KN_SECOND / 5; /* so that a stop is seen */
/* How long to wait for the answer of another worker with the same name. */
static const int64_t TWIN_US = KN_SECOND / 2;
enum { TICKET_MAX = 64 };

#define QUESTION_MAP(X)                                                                            \
    X(QUERY, "query_task", NULL)                                                                   \
    X(ACTIVE, "active", "{\"safe\":true}")                                                         \
    X(SCHEDULED, "scheduled", "{}")                                                                \
    X(LIMITS, "registered", "{\"taskinfoitems\":[\"rate_limit\"]}")

enum question {
#define X(name, method, arguments) ASK_##name,
    QUESTION_MAP(X)
#undef X
        QUESTION_COUNT
};

/* The tasks of one worker, behind one another in the list. */
struct group {
    struct control_inquiry_task *tasks;
    size_t count;
    unsigned asked, answered; /* sets of questions */
    bool twins;               /* two have answered the same question */
    struct celery_held_tasks held, active, scheduled;
    struct kn_strs limited;
};

struct inquiry {
    struct control_pidbox *pidbox;
    const struct control_inquiry_options *options;
    struct kn_arena arena;
    struct group *groups;
    size_t count;
    size_t expected, replies;
    bool (*stop)(void *arg);
    void *arg;
};

/* ---- whom to ask what -------------------------------------------------------------------- */

static int by_worker(const void *a, const void *b)
{
    const struct control_inquiry_task *x = a, *y = b;
    return kn_str_cmp(x->worker->hostname, y->worker->hostname);
}

static unsigned questions_of(const struct group *group)
{
    unsigned questions = 1u << ASK_QUERY;
    for (size_t i = 0; i < group->count; i++) {
        if (group->tasks[i].doubted)
            questions |= 1u << ASK_ACTIVE | 1u << ASK_SCHEDULED;
        if (group->tasks[i].doubted && !group->tasks[i].started)
            questions |= 1u << ASK_LIMITS;
    }
    return questions;
}

static enum kn_status make_groups(struct inquiry *q, struct control_inquiry_task *tasks,
                                  size_t count)
{
    qsort(tasks, count, sizeof *tasks, by_worker);
    q->groups = kn_arena_array(&q->arena, count, sizeof *q->groups);
    if (!q->groups)
        return KN_NOMEM;
    for (size_t i = 0; i < count; i++) {
        struct group *group = q->count ? &q->groups[q->count - 1] : NULL;
        tasks[i].answer = CONTROL_NOT_SAID;
        if (!group || !kn_str_eq(group->tasks[0].worker->hostname, tasks[i].worker->hostname)) {
            group = &q->groups[q->count++];
            group->tasks = &tasks[i];
        }
        group->count += group->count < CONTROL_INQUIRY_IDS_MAX;
    }
    return KN_OK;
}

static struct kn_str write_ids(const struct group *group, struct kn_buf *out)
{
    kn_buf_clear(out);
    kn_buf_text(out, "{\"ids\":[");
    for (size_t i = 0; i < group->count; i++) {
        kn_buf_text(out, i ? "," : "");
        kn_buf_json_str(out, group->tasks[i].task->id);
    }
    kn_buf_text(out, "]}");
    kn_buf_char(out, '\0');
    return kn_buf_view(out);
}

/* "<ticket>.<group>.<question>" */
static void write_ticket(const struct inquiry *q, size_t group, unsigned question,
                         char ret[TICKET_MAX])
{
    snprintf(ret, TICKET_MAX, "%s.%zu.%u", q->options->ticket, group, question);
}

static enum kn_status ask(struct inquiry *q, size_t g, unsigned question, struct kn_buf *ids)
{
#define X(name, method, arguments) {method, arguments},
    static const struct {
        const char *method, *arguments;
    } questions[] = {QUESTION_MAP(X)};
#undef X
    char ticket[TICKET_MAX];
    struct group *group = &q->groups[g];
    write_ticket(q, g, question, ticket);
    const char *arguments = questions[question].arguments;
    if (!arguments)
        arguments = write_ids(group, ids).ptr;
    if (kn_buf_status(ids) != KN_OK)
        return kn_buf_status(ids);
    const struct control_question_text text = {
        .method = questions[question].method,
        .arguments = arguments,
        .ticket = kn_str_from(ticket),
        .hostnames = &group->tasks[0].worker->hostname,
        .count = 1,
        .expires_at = kn_time_now() + q->options->reply_timeout_us,
    };
    enum kn_status status = control_pidbox_ask(q->pidbox, &text, NULL);
    group->asked |= status == KN_OK ? 1u << question : 0;
    q->expected += status == KN_OK;
    return status;
}

static enum kn_status ask_all(struct inquiry *q)
{
    struct kn_buf ids;
    enum kn_status status = KN_OK;
    kn_buf_init(&ids, 0);
    for (size_t g = 0; g < q->count && status == KN_OK; g++) {
        unsigned questions = questions_of(&q->groups[g]);
        for (unsigned i = 0; i < QUESTION_COUNT && status == KN_OK; i++) {
            if (questions & 1u << i)
                status = ask(q, g, i, &ids);
        }
    }
    kn_buf_fini(&ids);
    return status;
}

/* ---- replies ----------------------------------------------------------------------------- */

static bool read_ticket(const struct inquiry *q, struct kn_str ticket, size_t *ret_group,
                        unsigned *ret_question)
{
    size_t head = strlen(q->options->ticket) + 1;
    if (ticket.len <= head || !kn_str_starts(ticket, kn_str_from(q->options->ticket)))
        return false;
    const char *dot = memchr(ticket.ptr + head, '.', ticket.len - head);
    if (!dot)
        return false;
    struct kn_str group = {ticket.ptr + head, (size_t)(dot - ticket.ptr) - head};
    struct kn_str question = {dot + 1, ticket.len - (size_t)(dot + 1 - ticket.ptr)};
    uint64_t numbers[2];
    if (!kn_str_to_u64(group, &numbers[0]) || !kn_str_to_u64(question, &numbers[1]) ||
        numbers[0] >= q->count || numbers[1] >= QUESTION_COUNT)
        return false;
    *ret_group = (size_t)numbers[0];
    *ret_question = (unsigned)numbers[1];
    return true;
}

/* With two workers of one name, a task counts as present if either has it. */
static enum kn_status join(struct inquiry *q, const struct celery_held_tasks *more,
                           struct celery_held_tasks *into)
{
    struct celery_held_tasks all = {
        .items = kn_arena_array(&q->arena, into->count + more->count + 1, sizeof *all.items)};
    if (!all.items)
        return KN_NOMEM;
    for (size_t i = 0; i < into->count; i++)
        all.items[all.count++] = into->items[i];
    for (size_t i = 0; i < more->count; i++)
        all.items[all.count++] = more->items[i];
    *into = all;
    return KN_OK;
}

static enum kn_status take_tasks(struct inquiry *q, unsigned question, struct kn_str value,
                                 struct group *group)
{
    struct celery_held_tasks *lists[QUESTION_COUNT] = {[ASK_QUERY] = &group->held,
                                                       [ASK_ACTIVE] = &group->active,
                                                       [ASK_SCHEDULED] = &group->scheduled};
    struct celery_held_tasks more = {0};
    enum kn_status status = question == ASK_QUERY
                                ? celery_inspect_query_task(value, &q->arena, &more)
                                : celery_inspect_tasks(value, &q->arena, &more);
    for (size_t i = 0; status == KN_OK && question == ASK_ACTIVE && i < more.count; i++)
        more.items[i].active = true;
    return status == KN_OK ? join(q, &more, lists[question]) : status;
}

static enum kn_status take_value(struct inquiry *q, unsigned question, struct kn_str value,
                                 struct group *group)
{
    return question == ASK_LIMITS ? celery_inspect_rate_limited(value, &q->arena, &group->limited)
                                  : take_tasks(q, question, value, group);
}

static void take_reply(struct inquiry *q, const struct celery_reply *reply)
{
    size_t g;
    unsigned question;
    enum kn_status status = KN_INVALID;
    if (!read_ticket(q, reply->ticket, &g, &question))
        return;
    struct group *group = &q->groups[g];
    if (!(group->asked & 1u << question) ||
        !kn_str_eq(reply->hostname, group->tasks[0].worker->hostname))
        return;
    bool again = group->answered & 1u << question;
    group->twins |= again;
    q->replies += !again;
    status = take_value(q, question, reply->value, group);
    if (again)
        return;
    if (status == KN_OK && !reply->failed)
        group->answered |= 1u << question;
    else
        group->asked &= ~(1u << question); /* nothing more is to be had */
}

static bool any_doubted(const struct inquiry *q)
{
    for (size_t g = 0; g < q->count; g++)
        for (size_t i = 0; i < q->groups[g].count; i++)
            if (q->groups[g].tasks[i].doubted)
                return true;
    return false;
}

static enum kn_status gather(struct inquiry *q)
{
    struct kn_arena scratch;
    enum kn_status status = KN_OK;
    int64_t deadline = kn_time_mono() + q->options->reply_timeout_us;
    bool complete = false;
    kn_arena_init(&scratch, q->options->memory_max);
    while (!control_pidbox_lost(status) && !q->stop(q->arg)) {
        struct celery_reply reply;
        int64_t now = kn_time_mono();
        if (!complete && q->replies >= q->expected) {
            complete = true;
            deadline = now + (any_doubted(q) ? TWIN_US : 0);
        }
        int64_t left = deadline - now;
        if (left <= 0)
            break;
        kn_arena_reset(&scratch);
        status = control_pidbox_reply(q->pidbox, left < RECEIVE_US ? left : RECEIVE_US, &scratch,
                                      &reply);
        if (status == KN_OK)
            take_reply(q, &reply);
    }
    kn_arena_fini(&scratch);
    return control_pidbox_lost(status) ? status : KN_OK;
}

/* ---- what follows ------------------------------------------------------------------------ */

static const struct celery_held_task *find(const struct celery_held_tasks *list, struct kn_str id)
{
    for (size_t i = 0; i < list->count; i++) {
        if (kn_str_eq(list->items[i].id, id))
            return &list->items[i];
    }
    return NULL;
}

static bool is_limited(const struct group *group, struct kn_str name)
{
    for (size_t i = 0; i < group->limited.count; i++) {
        if (kn_str_eq(group->limited.items[i], name))
            return true;
    }
    return name.len == 0;
}

/* Of a task that query_task did not tell. */
static enum control_inquiry_answer judge(const struct group *group,
                                         const struct control_inquiry_task *one)
{
    unsigned needed =
        1u << ASK_ACTIVE | 1u << ASK_SCHEDULED | (one->started ? 0 : 1u << ASK_LIMITS);
    if (group->twins)
        return CONTROL_NOT_SAID;
    if (!one->doubted)
        return CONTROL_MISSING;
    if ((group->answered & needed) != needed)
        return CONTROL_NOT_SAID;
    return !one->started && is_limited(group, one->task->name) ? CONTROL_HELD : CONTROL_MISSING;
}

static void conclude(const struct group *group)
{
    if (!(group->answered & 1u << ASK_QUERY))
        return;
    for (size_t i = 0; i < group->count; i++) {
        struct control_inquiry_task *one = &group->tasks[i];
        const struct celery_held_task *held = find(&group->held, one->task->id);
        if (!held)
            held = find(&group->active, one->task->id);
        if (!held)
            held = find(&group->scheduled, one->task->id);
        if (held) {
            one->answer = held->active ? CONTROL_ACTIVE : CONTROL_HELD;
            one->started_at = held->started_at;
        } else {
            one->answer = judge(group, one);
        }
    }
}

enum kn_status control_inquire(struct control_pidbox *pidbox,
                               const struct control_inquiry_options *options,
                               struct control_inquiry_task *tasks, size_t count,
                               bool (*stop)(void *arg), void *arg)
{
    struct inquiry q = {.pidbox = pidbox, .options = options, .stop = stop, .arg = arg};
    kn_arena_init(&q.arena, options->memory_max);
    enum kn_status status = make_groups(&q, tasks, count);
    if (status == KN_OK)
        status = control_pidbox_open(pidbox, options->reply_timeout_us);
    if (status == KN_OK)
        status = ask_all(&q);
    if (status == KN_OK)
        status = gather(&q);
    control_pidbox_close(pidbox);
    for (size_t g = 0; g < q.count && status == KN_OK; g++)
        conclude(&q.groups[g]);
    kn_arena_fini(&q.arena);
    return status;
}
