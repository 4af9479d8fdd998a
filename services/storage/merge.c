#include "services/storage/merge.h"

#include "services/common/time.h"

#include <math.h>
#include <stddef.h>

static const struct {
    size_t offset; /* in the event */
    uint8_t types;
} texts[MERGE_TEXT_COUNT] = {
#define F(name, field, of) [MERGE_##name] = {offsetof(struct kn_msg_event, field), of},
    MERGE_TEXT_MAP(F)
#undef F
};

/* celery.states.PRECEDENCE, best first; retried is left out: it overrides. */
static const uint8_t precedence[] = {MERGE_SUCCEEDED, MERGE_FAILED,   MERGE_REVOKED, MERGE_STARTED,
                                     MERGE_RECEIVED,  MERGE_REJECTED, MERGE_SENT};

static int key_cmp(struct merge_key a, struct merge_key b)
{
    if (a.at != b.at)
        return a.at < b.at ? -1 : 1;
    return (a.clock > b.clock) - (a.clock < b.clock);
}

static bool is_standard(const struct kn_msg_event *event)
{
    return event->type >= KN_EVENT_TASK_SENT && event->type <= KN_EVENT_TASK_RETRIED;
}

bool merge_is_learned(const struct kn_msg_event *event)
{
    return event->origin != KN_ORIGIN_EVENTS &&
           (is_standard(event) || event->type == KN_EVENT_TASK_ORPHANED);
}

bool merge_is_task_event(const struct kn_msg_event *event)
{
    return is_standard(event) || merge_is_learned(event) ||
           (event->type == KN_EVENT_CUSTOM && event->uuid.len &&
            kn_str_starts(event->type_name, KN_STR("task-")));
}

enum kn_task_status merge_status_of_type(enum merge_type type)
{
    static const uint8_t statuses[MERGE_LEARNED_COUNT] = {
        [MERGE_SENT] = KN_TASK_PENDING,      [MERGE_RECEIVED] = KN_TASK_RECEIVED,
        [MERGE_STARTED] = KN_TASK_STARTED,   [MERGE_SUCCEEDED] = KN_TASK_SUCCESS,
        [MERGE_FAILED] = KN_TASK_FAILURE,    [MERGE_REJECTED] = KN_TASK_REJECTED,
        [MERGE_REVOKED] = KN_TASK_REVOKED,   [MERGE_RETRIED] = KN_TASK_RETRY,
        [MERGE_ORPHANED] = KN_TASK_ORPHANED,
    };
    return (enum kn_task_status)statuses[type];
}

/* ---- joining ------------------------------------------------------------------------- */

static void join_text(struct merge_task *task, unsigned i, struct kn_str text, struct merge_key key)
{
    if (!text.ptr)
        return;
    if (task->text[i].ptr) {
        int order = key_cmp(key, task->text_key[i]);
        if (order < 0 || (order == 0 && kn_str_cmp(text, task->text[i]) <= 0))
            return;
    }
    task->text[i] = text;
    task->text_key[i] = key;
}

static void join_retries(struct merge_task *task, struct kn_opt_i64 retries, struct merge_key key)
{
    if (!retries.set)
        return;
    int order = task->retries.set ? key_cmp(key, task->retries_key) : 1;
    if (order < 0 || (order == 0 && retries.value <= task->retries.value))
        return;
    task->retries = retries;
    task->retries_key = key;
}

static void join_runtime(struct merge_task *task, struct kn_opt_f64 runtime, struct merge_key key)
{
    if (!runtime.set || !isfinite(runtime.value))
        return;
    int order = task->runtime.set ? key_cmp(key, task->runtime_key) : 1;
    if (order < 0 || (order == 0 && runtime.value <= task->runtime.value))
        return;
    task->runtime = runtime;
    task->runtime_key = key;
}

static void join_type(struct merge_task *task, unsigned type, struct merge_key key, uint8_t origin)
{
    int order = task->types & 1u << type ? key_cmp(key, task->type_key[type]) : 1;
    if (order < 0 || (order == 0 && origin <= task->origins[type]))
        return;
    task->types |= (uint16_t)(1u << type);
    task->type_key[type] = key;
    task->origins[type] = origin;
}

static void join_span(struct merge_task *task, int64_t first_at, int64_t latest_at)
{
    bool first = !task->seen;
    if (first || first_at < task->first_at)
        task->first_at = first_at;
    if (first || latest_at > task->latest_at)
        task->latest_at = latest_at;
    task->seen = true;
}

/* The latest key of the types that were seen. False when none was. */
static bool latest_key(const struct merge_task *task, unsigned types, struct merge_key *ret)
{
    bool found = false;
    for (unsigned t = 0; t < MERGE_TYPE_COUNT; t++) {
        if (!(task->types & types & 1u << t))
            continue;
        if (!found || key_cmp(task->type_key[t], *ret) > 0)
            *ret = task->type_key[t];
        found = true;
    }
    return found;
}

/* eta and expires, terminated and expired go together with their event: a task
 * that is sent again without an eta has none. Called before join_type. */
static void join_message(struct merge_task *task, int64_t eta, int64_t expires,
                         struct merge_key key)
{
    struct merge_key have;
    int order = latest_key(task, MERGE_OF_MESSAGE, &have) ? key_cmp(key, have) : 1;
    if (order == 0)
        order = eta != task->eta ? (eta > task->eta ? 1 : -1)
                                 : (expires > task->expires) - (expires < task->expires);
    if (order > 0) {
        task->eta = eta;
        task->expires = expires;
    }
}

static int revoked_cmp(const struct merge_revoked *a, const struct merge_revoked *b)
{
    if (a->terminated != b->terminated)
        return a->terminated ? 1 : -1;
    if (a->expired != b->expired)
        return a->expired ? 1 : -1;
    if (!a->signum.ptr != !b->signum.ptr)
        return a->signum.ptr ? 1 : -1;
    return kn_str_cmp(a->signum, b->signum);
}

static void join_revoked(struct merge_task *task, const struct merge_revoked *revoked,
                         struct merge_key key)
{
    struct merge_key have;
    int order = latest_key(task, MERGE_OF_REVOKED, &have) ? key_cmp(key, have) : 1;
    if (order > 0 || (order == 0 && revoked_cmp(revoked, &task->revoked) > 0))
        task->revoked = *revoked;
}

static unsigned type_of(const struct kn_msg_event *event)
{
    return event->type == KN_EVENT_TASK_ORPHANED ? MERGE_ORPHANED
                                                 : (unsigned)event->type - KN_EVENT_TASK_SENT;
}

static struct merge_key key_of(const struct kn_msg_event *event)
{
    return (struct merge_key){event->timestamp, event->clock};
}

static struct kn_str text_of(const struct kn_msg_event *event, unsigned i)
{
    return *(const struct kn_str *)((const char *)event + texts[i].offset);
}

static struct merge_revoked revoked_of(const struct kn_msg_event *event)
{
    return (struct merge_revoked){event->signum, event->terminated, event->expired};
}

static int opt_cmp(bool a_set, double a, bool b_set, double b)
{
    if (a_set != b_set)
        return a_set ? 1 : -1;
    return a_set ? (a > b) - (a < b) : 0;
}

/* An order over all that a learned event brings into a view. */
static int learned_cmp(const struct kn_msg_event *a, const struct kn_msg_event *b)
{
    struct merge_revoked revoked[] = {revoked_of(a), revoked_of(b)};
    int order = key_cmp(key_of(a), key_of(b));
    if (order == 0)
        order = b->origin - a->origin; /* the backend before a worker */
    for (unsigned i = 0; order == 0 && i < MERGE_TEXT_COUNT; i++) {
        struct kn_str x = text_of(a, i), y = text_of(b, i);
        order = !x.ptr != !y.ptr ? (x.ptr ? 1 : -1) : kn_str_cmp(x, y);
    }
    if (order == 0)
        order = opt_cmp(a->retries.set, (double)a->retries.value, b->retries.set,
                        (double)b->retries.value);
    if (order == 0)
        order = opt_cmp(a->runtime.set && isfinite(a->runtime.value), a->runtime.value,
                        b->runtime.set && isfinite(b->runtime.value), b->runtime.value);
    if (order == 0)
        order = a->eta != b->eta ? (a->eta > b->eta ? 1 : -1)
                                 : (a->expires > b->expires) - (a->expires < b->expires);
    return order ? order : revoked_cmp(&revoked[0], &revoked[1]);
}

static void join_learned(struct merge_task *task, const struct kn_msg_event *event)
{
    const struct kn_msg_event **have = &task->learned[type_of(event)];
    if (!*have || learned_cmp(event, *have) > 0)
        *have = event;
}

void merge_event(struct merge_task *task, const struct kn_msg_event *event)
{
    struct merge_key key = key_of(event);
    join_span(task, event->timestamp, event->timestamp);
    if (merge_is_learned(event)) {
        join_learned(task, event);
        return;
    }
    if (!is_standard(event)) {
        if (event->hostname.len)
            join_text(task, MERGE_WORKER, event->hostname, key);
        return;
    }
    unsigned type = type_of(event);
    unsigned bit = 1u << type;
    for (unsigned i = 0; i < MERGE_TEXT_COUNT; i++) {
        if (texts[i].types & bit)
            join_text(task, i, text_of(event, i), key);
    }
    if (bit & MERGE_OF_MESSAGE) {
        join_retries(task, event->retries, key);
        join_message(task, event->eta, event->expires, key);
    }
    if (bit & MERGE_OF_RESULT)
        join_runtime(task, event->runtime, key);
    if (bit & MERGE_OF_REVOKED)
        join_revoked(
            task, &(struct merge_revoked){event->signum, event->terminated, event->expired}, key);
    join_type(task, type, key, KN_ORIGIN_EVENTS);
}

void merge_join(struct merge_task *into, const struct merge_task *other)
{
    if (merge_is_empty(other))
        return;
    struct merge_key key;
    join_span(into, other->first_at, other->latest_at);
    for (unsigned i = 0; i < MERGE_TEXT_COUNT; i++)
        join_text(into, i, other->text[i], other->text_key[i]);
    join_retries(into, other->retries, other->retries_key);
    join_runtime(into, other->runtime, other->runtime_key);
    if (latest_key(other, MERGE_OF_MESSAGE, &key))
        join_message(into, other->eta, other->expires, key);
    if (latest_key(other, MERGE_OF_REVOKED, &key))
        join_revoked(into, &other->revoked, key);
    for (unsigned t = 0; t < MERGE_TYPE_COUNT; t++) {
        if (other->types & 1u << t)
            join_type(into, t, other->type_key[t], other->origins[t]);
    }
    for (unsigned t = 0; t < MERGE_LEARNED_COUNT; t++) {
        if (other->learned[t])
            join_learned(into, other->learned[t]);
    }
}

/* ---- what was learned ------------------------------------------------------------------ */

bool merge_learned_counts(const struct merge_task *task, enum merge_type type)
{
    return task->learned[type] && !(task->types & 1u << type);
}

static bool fills_in(unsigned i)
{
    return i == MERGE_NAME || i == MERGE_ARGS || i == MERGE_KWARGS || i == MERGE_WORKER;
}

static void view_learned(struct merge_task *view, const struct kn_msg_event *event)
{
    struct merge_key key = key_of(event);
    unsigned type = type_of(event), bit = 1u << type;
    for (unsigned i = 0; i < MERGE_TEXT_COUNT; i++) {
        if (fills_in(i) ? !view->text[i].ptr && text_of(event, i).len : (texts[i].types & bit) != 0)
            join_text(view, i, text_of(event, i), key);
    }
    if (!view->retries.set)
        join_retries(view, event->retries, key);
    if (bit & MERGE_OF_RESULT)
        join_runtime(view, event->runtime, key);
    if (bit & MERGE_OF_REVOKED)
        view->revoked = revoked_of(event);
    if (bit & MERGE_OF_MESSAGE && !(view->types & MERGE_OF_MESSAGE)) {
        view->eta = event->eta;
        view->expires = event->expires;
    }
    join_type(view, type, key, event->origin);
}

const struct merge_task *merge_view(const struct merge_task *task, struct merge_task *room)
{
    const struct merge_task *view = task;
    for (unsigned t = 0; t < MERGE_LEARNED_COUNT; t++) {
        if (!merge_learned_counts(task, (enum merge_type)t))
            continue;
        if (view == task)
            *room = *task;
        view = room;
        view_learned(room, task->learned[t]);
    }
    return view;
}

/* ---- reading ------------------------------------------------------------------------- */

bool merge_is_empty(const struct merge_task *task)
{
    return !task->seen;
}

/* Whether a worker's word that it does not know the task is the latest about it. */
static bool is_orphaned(const struct merge_task *task, unsigned type)
{
    struct merge_key taken = {0};
    return task->types & 1u << MERGE_ORPHANED &&
           (type == MERGE_RECEIVED || type == MERGE_STARTED) &&
           latest_key(task, 1u << MERGE_RECEIVED | 1u << MERGE_STARTED, &taken) &&
           key_cmp(taken, task->type_key[MERGE_ORPHANED]) <= 0;
}

/* The type of an event that decides; MERGE_TYPE_COUNT when there is none. */
static unsigned deciding_event(const struct merge_task *task)
{
    bool retried = task->types & 1u << MERGE_RETRIED;
    for (size_t i = 0; i < sizeof precedence; i++) {
        unsigned type = precedence[i];
        if (!(task->types & 1u << type))
            continue;
        if (!retried || key_cmp(task->type_key[type], task->type_key[MERGE_RETRIED]) > 0)
            return type;
    }
    return retried ? MERGE_RETRIED : MERGE_TYPE_COUNT;
}

enum { NO_TYPE = MERGE_LEARNED_COUNT };

static unsigned deciding_type(const struct merge_task *task)
{
    unsigned type = deciding_event(task);
    if (type == MERGE_TYPE_COUNT)
        return NO_TYPE;
    return is_orphaned(task, type) ? MERGE_ORPHANED : type;
}

enum kn_task_status merge_status(const struct merge_task *task, enum kn_origin *ret_origin)
{
    unsigned type = deciding_type(task);
    if (type == NO_TYPE) {
        *ret_origin = KN_ORIGIN_EVENTS;
        return KN_TASK_PENDING;
    }
    *ret_origin = (enum kn_origin)task->origins[type];
    return merge_status_of_type((enum merge_type)type);
}

bool merge_status_is_final(enum kn_task_status status)
{
    return status == KN_TASK_SUCCESS || status == KN_TASK_FAILURE || status == KN_TASK_REVOKED ||
           status == KN_TASK_REJECTED || status == KN_TASK_ORPHANED;
}

int64_t merge_time(const struct merge_task *task, enum merge_type type)
{
    return task->types & 1u << type ? task->type_key[type].at : 0;
}

int64_t merge_completed_at(const struct merge_task *task)
{
    unsigned type = deciding_type(task);
    if (type == NO_TYPE || type == MERGE_ORPHANED ||
        !merge_status_is_final(merge_status_of_type((enum merge_type)type)))
        return 0;
    return task->type_key[type].at;
}

bool merge_queue_wait(const struct merge_task *task, double *ret)
{
    if (!(task->types & 1u << MERGE_STARTED))
        return false;
    static const uint8_t begins[] = {MERGE_SENT, MERGE_RECEIVED};
    for (size_t i = 0; i < sizeof begins; i++) {
        int64_t wait;
        if ((task->types & 1u << begins[i]) &&
            !__builtin_sub_overflow(task->type_key[MERGE_STARTED].at, task->type_key[begins[i]].at,
                                    &wait) &&
            wait >= 0) {
            *ret = (double)wait / (double)KN_SECOND;
            return true;
        }
    }
    return false;
}

/* ---- the bytes beside the columns ---------------------------------------------------- */

enum { FIELD_RETRIES = MERGE_TEXT_COUNT, FIELD_RUNTIME, FIELD_COUNT };

static void put_varint(struct kn_buf *out, uint64_t value)
{
    char bytes[10];
    size_t n = 0;
    for (; value >= 0x80; value >>= 7)
        bytes[n++] = (char)(value | 0x80);
    bytes[n++] = (char)value;
    kn_buf_append(out, bytes, n);
}

static bool get_varint(struct kn_str *in, uint64_t *ret)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (!in->len)
            return false;
        uint8_t byte = (uint8_t)*in->ptr;
        in->ptr++;
        in->len--;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            *ret = value;
            return true;
        }
    }
    return false;
}

static bool get_byte(struct kn_str *in, uint8_t *ret)
{
    if (!in->len)
        return false;
    *ret = (uint8_t)*in->ptr;
    in->ptr++;
    in->len--;
    return true;
}

/* Where the key of field i is, or NULL when the field has no value. */
static struct merge_key *field_key(struct merge_task *task, unsigned i)
{
    if (i < MERGE_TEXT_COUNT)
        return task->text[i].ptr ? &task->text_key[i] : NULL;
    if (i == FIELD_RETRIES)
        return task->retries.set ? &task->retries_key : NULL;
    return task->runtime.set ? &task->runtime_key : NULL;
}

static unsigned field_types(unsigned i)
{
    if (i < MERGE_TEXT_COUNT)
        return texts[i].types;
    return i == FIELD_RETRIES ? MERGE_OF_MESSAGE : MERGE_OF_RESULT;
}

void merge_order_encode(struct kn_buf *out, const struct merge_task *task)
{
    kn_buf_char(out, (char)task->types);
    for (unsigned t = 0; t < MERGE_TYPE_COUNT; t++) {
        if (task->types & 1u << t) {
            put_varint(out, task->type_key[t].clock);
            kn_buf_char(out, (char)task->origins[t]);
        }
    }
    for (unsigned i = 0; i < FIELD_COUNT; i++) {
        const struct merge_key *key = field_key((struct merge_task *)task, i);
        struct merge_key usual;
        if (!key || (latest_key(task, field_types(i), &usual) && key_cmp(usual, *key) == 0))
            continue;
        kn_buf_char(out, (char)(i + 1));
        put_varint(out, (uint64_t)key->at << 1 ^ (uint64_t)(key->at >> 63));
        put_varint(out, key->clock);
    }
}

/* Sets the keys that are not written: those of the latest event that could bring
 * the field. */
static void set_usual_keys(struct merge_task *task)
{
    for (unsigned i = 0; i < FIELD_COUNT; i++) {
        struct merge_key *key = field_key(task, i), usual;
        if (key && latest_key(task, field_types(i), &usual))
            *key = usual;
    }
}

enum kn_status merge_order_decode(struct kn_str order, struct merge_task *task)
{
    uint8_t types;
    if (!get_byte(&order, &types))
        return KN_INVALID;
    task->types = types;
    task->seen = true;
    for (unsigned t = 0; t < MERGE_TYPE_COUNT; t++) {
        if ((task->types & 1u << t) &&
            (!get_varint(&order, &task->type_key[t].clock) || !get_byte(&order, &task->origins[t])))
            return KN_INVALID;
    }
    set_usual_keys(task);
    while (order.len) {
        uint8_t field;
        uint64_t at, clock;
        if (!get_byte(&order, &field) || field == 0 || field > FIELD_COUNT ||
            !get_varint(&order, &at) || !get_varint(&order, &clock))
            return KN_INVALID;
        struct merge_key *key = field_key(task, field - 1u);
        if (!key)
            return KN_INVALID;
        *key = (struct merge_key){(int64_t)(at >> 1 ^ -(at & 1)), clock};
    }
    return KN_OK;
}
