/* The bytes of a record beside its columns; see merge.h for their format. */
#include "services/storage/task/merge_key.h"

/* Numbers of fields, which are stored: the texts, but for these two between them. */
enum { FIELD_RETRIES = 14, FIELD_RUNTIME, FIELD_COUNT = MERGE_TEXT_COUNT + 2 };
_Static_assert(MERGE_WORKER == 13, "texts are appended");

static unsigned text_of_field(unsigned i)
{
    return i < FIELD_RETRIES ? i : i - 2;
}

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
    if (i == FIELD_RETRIES)
        return task->retries.set ? &task->retries_key : NULL;
    if (i == FIELD_RUNTIME)
        return task->runtime.set ? &task->runtime_key : NULL;
    unsigned text = text_of_field(i);
    return task->text[text].ptr ? &task->text_key[text] : NULL;
}

static unsigned field_types(unsigned i)
{
    if (i == FIELD_RETRIES)
        return MERGE_OF_MESSAGE;
    return i == FIELD_RUNTIME ? MERGE_OF_RESULT : merge_text_types[text_of_field(i)];
}

/* What stands beside the clock of each type. */
enum { ORIGIN_BITS = 15, HAS_PROCESS = 16, SAME_PROCESS = 32, HAS_LAG = 64 };
/* Behind the fields. */
enum { PART_ATTEMPT = 128, PART_RETRIED, PART_SKEW, PART_FIRST };

static uint64_t zigzag(int64_t value)
{
    return (uint64_t)value << 1 ^ (uint64_t)(value >> 63);
}

static int64_t unzigzag(uint64_t value)
{
    return (int64_t)(value >> 1 ^ -(value & 1));
}

static void put_u32(struct kn_buf *out, uint32_t value)
{
    char bytes[] = {(char)value, (char)(value >> 8), (char)(value >> 16), (char)(value >> 24)};
    kn_buf_append(out, bytes, sizeof bytes);
}

static bool get_u32(struct kn_str *in, uint32_t *ret)
{
    const uint8_t *p = (const uint8_t *)in->ptr;
    if (in->len < 4)
        return false;
    *ret = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
    in->ptr += 4;
    in->len -= 4;
    return true;
}

static void put_sender(struct kn_buf *out, uint8_t origin, struct merge_sender sender,
                       uint32_t *last)
{
    bool same = sender.process && sender.process == *last;
    uint8_t flags = (uint8_t)(origin & ORIGIN_BITS);
    if (sender.process)
        flags |= same ? SAME_PROCESS : HAS_PROCESS;
    if (sender.lag_ms)
        flags |= HAS_LAG;
    kn_buf_char(out, (char)flags);
    if (flags & HAS_PROCESS)
        put_u32(out, *last = sender.process);
    if (sender.lag_ms)
        put_varint(out, zigzag(sender.lag_ms));
}

static bool get_sender(struct kn_str *in, uint8_t *ret_origin, struct merge_sender *ret,
                       uint32_t *last)
{
    uint8_t flags;
    uint64_t lag = 0;
    if (!get_byte(in, &flags) || (flags & HAS_PROCESS && !get_u32(in, last)) ||
        (flags & HAS_LAG && !get_varint(in, &lag)))
        return false;
    *ret_origin = flags & ORIGIN_BITS;
    ret->process = flags & (HAS_PROCESS | SAME_PROCESS) ? *last : 0;
    ret->lag_ms = (int32_t)unzigzag(lag);
    return true;
}

static void put_parts(struct kn_buf *out, const struct merge_task *task)
{
    if (task->attempt) {
        kn_buf_char(out, (char)PART_ATTEMPT);
        put_varint(out, (uint64_t)task->attempt);
    }
    if (task->retried.count) {
        kn_buf_char(out, (char)PART_RETRIED);
        kn_buf_char(out, (char)task->retried.count);
        for (size_t i = 0; i < task->retried.count; i++)
            put_u32(out, task->retried.seen[i]);
    }
    if (task->skew) {
        kn_buf_char(out, (char)PART_SKEW);
        put_varint(out, zigzag(task->skew));
    }
    if (task->types & MERGE_OF_STARTED &&
        key_cmp(task->first_started, task->type_key[MERGE_STARTED]) != 0) {
        kn_buf_char(out, (char)PART_FIRST);
        put_varint(out, zigzag(task->first_started.at));
        put_varint(out, task->first_started.clock);
    }
}

static bool get_part(struct kn_str *in, uint8_t part, struct merge_task *task)
{
    uint64_t number;
    if (part == PART_RETRIED) {
        if (!get_byte(in, &task->retried.count) || task->retried.count > MERGE_RETRIED_MAX)
            return false;
        for (size_t i = 0; i < task->retried.count; i++) {
            if (!get_u32(in, &task->retried.seen[i]))
                return false;
        }
        return true;
    }
    if (!get_varint(in, &number))
        return false;
    if (part == PART_ATTEMPT) {
        task->attempt = (int64_t)number;
    } else if (part == PART_SKEW) {
        task->skew = unzigzag(number);
    } else {
        task->first_started.at = unzigzag(number);
        return part == PART_FIRST && get_varint(in, &task->first_started.clock);
    }
    return true;
}

void merge_order_encode(struct kn_buf *out, const struct merge_task *task)
{
    uint32_t last = 0;
    kn_buf_char(out, (char)task->types);
    for (unsigned t = 0; t < MERGE_TYPE_COUNT; t++) {
        if (task->types & 1u << t) {
            put_varint(out, task->type_key[t].clock);
            put_sender(out, task->origins[t], task->sender[t], &last);
        }
    }
    for (unsigned i = 0; i < FIELD_COUNT; i++) {
        const struct merge_key *key = field_key((struct merge_task *)task, i);
        struct merge_key usual;
        if (!key || (latest_key(task, field_types(i), &usual) && key_cmp(usual, *key) == 0))
            continue;
        kn_buf_char(out, (char)(i + 1));
        put_varint(out, zigzag(key->at));
        put_varint(out, key->clock);
    }
    put_parts(out, task);
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

static bool get_field(struct kn_str *in, uint8_t field, struct merge_task *task)
{
    uint64_t at, clock;
    if (field == 0 || field > FIELD_COUNT || !get_varint(in, &at) || !get_varint(in, &clock))
        return false;
    struct merge_key *key = field_key(task, field - 1u);
    if (key)
        *key = (struct merge_key){unzigzag(at), clock};
    return key != NULL;
}

enum kn_status merge_order_decode(struct kn_str order, struct merge_task *task)
{
    uint8_t byte;
    uint32_t last = 0;
    if (!get_byte(&order, &byte))
        return KN_INVALID;
    task->types = byte;
    task->seen = true;
    task->attempt = task->skew = 0;
    task->retried.count = 0;
    for (unsigned t = 0; t < MERGE_TYPE_COUNT; t++) {
        if ((task->types & 1u << t) &&
            (!get_varint(&order, &task->type_key[t].clock) ||
             !get_sender(&order, &task->origins[t], &task->sender[t], &last)))
            return KN_INVALID;
    }
    task->first_started = task->type_key[MERGE_STARTED];
    set_usual_keys(task);
    while (order.len) {
        if (!get_byte(&order, &byte) ||
            !(byte < PART_ATTEMPT ? get_field(&order, byte, task) : get_part(&order, byte, task)))
            return KN_INVALID;
    }
    return KN_OK;
}
