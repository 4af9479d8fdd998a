#include "tests/bench/events.h"

#include "services/common/text/time.h"
#include "tests/bench/payload.h"

enum { QUEUES = 6 };

/* What the dice of a task are thrown for. */
enum { FOR_ID, FOR_LIFE, FOR_NAME, FOR_MESSAGE, FOR_RESULT, PURPOSES = 8 };

static const char *const queues[QUEUES] = {"celery",  "default", "mail",
                                           "reports", "images",  "priority"};

const char *load_type_name(enum load_type type)
{
    static const char *const names[] = {
#define X(name, text) text,
        LOAD_TYPE_MAP(X)
#undef X
    };
    return names[type];
}

static struct dice throw_for(uint64_t seed, uint64_t task, unsigned purpose)
{
    return dice_for(seed, task * PURPOSES + purpose);
}

/* --- a task's life --- */

struct life {
    double end, sent, progress;
};

static struct life life_of(const struct load_options *o, uint64_t task)
{
    struct dice dice = throw_for(o->seed, task, FOR_LIFE);
    struct life life;
    life.end = dice_share(&dice);
    life.sent = dice_share(&dice);
    life.progress = dice_share(&dice);
    return life;
}

enum load_type load_event_end(const struct load_options *o, uint64_t task)
{
    double end = life_of(o, task).end;
    if ((end -= o->fail_share) < 0)
        return LOAD_FAILED;
    if ((end -= o->revoke_share) < 0)
        return LOAD_REVOKED;
    return end - o->reject_share < 0 ? LOAD_REJECTED : LOAD_SUCCEEDED;
}

bool load_event_retried(const struct load_options *o, uint64_t task)
{
    return life_of(o, task).end >= 1 - o->retry_share;
}

bool load_event_sent(const struct load_options *o, uint64_t task)
{
    return life_of(o, task).sent < o->sent_share;
}

bool load_event_progress(const struct load_options *o, uint64_t task)
{
    return load_event_end(o, task) == LOAD_SUCCEEDED &&
           life_of(o, task).progress < o->progress_share;
}

unsigned load_event_count(const struct load_options *o, uint64_t task)
{
    unsigned sent = load_event_sent(o, task);
    if (load_event_end(o, task) == LOAD_REVOKED)
        return sent + 2;
    unsigned attempt = sent + 3;
    return load_event_progress(o, task) + (load_event_retried(o, task) ? 2 * attempt : attempt);
}

/* --- values --- */

static void hex(char *out, uint64_t value, size_t digits)
{
    for (size_t i = digits; i-- > 0; value >>= 4)
        out[i] = "0123456789abcdef"[value & 15];
}

void load_event_uuid(struct kn_buf *out, uint64_t seed, uint64_t task)
{
    struct dice dice = throw_for(seed, task, FOR_ID);
    uint64_t high = dice_next(&dice), low = dice_next(&dice);
    char *text = kn_buf_reserve(out, 36);
    if (!text)
        return;
    hex(text, high >> 32, 8);
    hex(text + 9, high >> 16, 4);
    hex(text + 14, (high & 0x0fff) | 0x4000, 4);
    hex(text + 19, (low >> 48 & 0x3fff) | 0x8000, 4);
    hex(text + 24, low, 12);
    text[8] = text[13] = text[18] = text[23] = '-';
    out->len += 36;
}

/* A few names are the most frequent ones, as in real applications. */
static void name(struct kn_buf *out, const struct load_options *o, uint64_t task)
{
    static const char *const rooms[] = {"orders", "mail", "reports", "images", "search"};
    struct dice dice = throw_for(o->seed, task, FOR_NAME);
    double share = dice_share(&dice);
    uint64_t number = (uint64_t)(share * share * o->names);
    kn_buf_text(out, "shop.");
    kn_buf_text(out, rooms[number % 5]);
    kn_buf_text(out, ".step_");
    payload_number(out, number);
}

static const char *queue(const struct load_options *o, uint64_t task)
{
    struct dice dice = throw_for(o->seed, task, FOR_NAME);
    (void)dice_next(&dice);
    return queues[dice_below(&dice, QUEUES)];
}

/* Seconds with six digits of their fraction. */
static void seconds(struct kn_buf *out, int64_t us)
{
    payload_number(out, (uint64_t)(us / KN_SECOND));
    char digits[7] = ".000000";
    int64_t fraction = us % KN_SECOND;
    for (size_t i = 6; i > 0; i--, fraction /= 10)
        digits[i] = (char)('0' + fraction % 10);
    kn_buf_append(out, digits, sizeof digits);
}

/* datetime.isoformat() */
static void iso(struct kn_buf *out, int64_t us)
{
    char text[KN_TIME_TEXT];
    kn_time_format(us, text);
    kn_buf_printf(out, "\"%.26s+00:00\"", text);
}

/* --- parts of events --- */

static void text(struct kn_buf *out, const char *literal)
{
    kn_buf_append(out, literal, strlen(literal));
}

static void ids(struct kn_buf *out, const struct load_options *o, uint64_t task)
{
    text(out, "\"root_id\": \"");
    load_event_uuid(out, o->seed, task);
    text(out, "\", \"parent_id\": null, ");
}

static void message(struct kn_buf *out, const struct load_options *o, uint64_t task)
{
    struct dice dice = throw_for(o->seed, task, FOR_MESSAGE);
    text(out, "\"name\": \"");
    name(out, o, task);
    text(out, "\", \"args\": \"");
    payload_args(out, &dice, o->payload, task);
    text(out, "\", \"kwargs\": \"");
    payload_kwargs(out, &dice, o->payload);
    text(out, "\", ");
}

static void attempt(struct kn_buf *out, const struct load_event *e)
{
    text(out, e->again ? "\"retries\": 1, \"eta\": " : "\"retries\": 0, \"eta\": ");
    if (e->again)
        iso(out, e->at_us);
    else
        text(out, "null");
    text(out, ", \"expires\": null, ");
}

static void sent(struct kn_buf *out, const struct load_options *o, const struct load_event *e)
{
    ids(out, o, e->task);
    message(out, o, e->task);
    attempt(out, e);
    text(out, "\"queue\": \"");
    text(out, queue(o, e->task));
    text(out, "\", \"exchange\": \"\", \"routing_key\": \"");
    text(out, queue(o, e->task));
    text(out, "\", ");
}

static void received(struct kn_buf *out, const struct load_options *o, const struct load_event *e)
{
    message(out, o, e->task);
    ids(out, o, e->task);
    attempt(out, e);
}

static void succeeded(struct kn_buf *out, const struct load_options *o, const struct load_event *e)
{
    struct dice dice = throw_for(o->seed, e->task, FOR_RESULT);
    text(out, "\"result\": \"");
    payload_result(out, &dice, o->payload);
    text(out, "\", \"runtime\": ");
    seconds(out, e->runtime_us);
    text(out, ", ");
}

static void error(struct kn_buf *out, const struct load_options *o, const struct load_event *e)
{
    struct dice dice = throw_for(o->seed, e->task, FOR_RESULT);
    text(out, "\"exception\": \"");
    payload_error(out, &dice, o->payload);
    text(out, "\", ");
}

static void of_task(struct kn_buf *out, const struct load_options *o, const struct load_event *e)
{
    text(out, "\"uuid\": \"");
    load_event_uuid(out, o->seed, e->task);
    text(out, "\", ");
    if (e->type == LOAD_SENT)
        sent(out, o, e);
    else if (e->type == LOAD_RECEIVED)
        received(out, o, e);
    else if (e->type == LOAD_SUCCEEDED)
        succeeded(out, o, e);
    else if (e->type == LOAD_FAILED || e->type == LOAD_RETRIED)
        error(out, o, e);
    else if (e->type == LOAD_REVOKED)
        text(out, "\"terminated\": false, \"signum\": null, \"expired\": true, ");
    else if (e->type == LOAD_REJECTED)
        text(out, "\"requeue\": false, ");
    else if (e->type == LOAD_PROGRESS)
        text(out, "\"percent\": 50, ");
}

static void of_worker(struct kn_buf *out, const struct load_node *node, const struct load_event *e)
{
    kn_buf_printf(out,
                  "\"freq\": 2.0, \"active\": %u, \"processed\": %llu, \"loadavg\": [0.38, 0.22, "
                  "0.13], \"sw_ident\": \"py-celery\", \"sw_ver\": \"5.6.3\", \"sw_sys\": "
                  "\"Linux\", ",
                  e->active, (unsigned long long)node->processed);
}

void load_event_write(struct kn_buf *out, const struct load_options *o, struct load_node *node,
                      const struct load_event *e)
{
    text(out, "{\"hostname\": \"");
    text(out, node->hostname);
    text(out, "\", \"utcoffset\": 0, \"pid\": ");
    payload_number(out, node->pid);
    text(out, ", \"clock\": ");
    payload_number(out, ++node->clock);
    text(out, ", ");
    if (e->type >= LOAD_ONLINE)
        of_worker(out, node, e);
    else
        of_task(out, o, e);
    text(out, "\"timestamp\": ");
    seconds(out, e->at_us);
    text(out, ", \"type\": \"");
    text(out, load_type_name(e->type));
    text(out, "\"}");
}
