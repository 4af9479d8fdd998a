#include "services/storage/task/cells.h"

#include "services/common/data/sketch.h"

enum { VERSION = 1, VARINT_MAX = 10 };

int cell_cmp(const struct cell *a, const struct cell *b)
{
    if (a->queue != b->queue)
        return a->queue < b->queue ? -1 : 1;
    if (a->worker != b->worker)
        return a->worker < b->worker ? -1 : 1;
    return (a->status > b->status) - (a->status < b->status);
}

/* ---- reading ------------------------------------------------------------------------- */

static bool get(struct cells_reader *r, uint64_t *ret)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < VARINT_MAX && r->at < r->end; i++) {
        uint8_t byte = (uint8_t)*r->at++;
        if (i == VARINT_MAX - 1 && byte > 1)
            return false;
        value |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (!(byte & 0x80)) {
            *ret = value;
            return true;
        }
    }
    return false;
}

static bool get_bytes(struct cells_reader *r, struct kn_str *ret)
{
    uint64_t len;
    if (!get(r, &len) || len > (uint64_t)(r->end - r->at))
        return false;
    *ret = len ? (struct kn_str){r->at, (size_t)len} : KN_STR_ABSENT;
    r->at += len;
    return true;
}

enum kn_status cells_open(struct kn_str bytes, struct cells_reader *ret)
{
    if (bytes.len && *bytes.ptr != VERSION)
        return KN_VERSION;
    *ret = bytes.len ? (struct cells_reader){bytes.ptr + 1, bytes.ptr + bytes.len}
                     : (struct cells_reader){NULL, NULL};
    return KN_OK;
}

enum kn_status cells_next(struct cells_reader *r, struct cell *ret)
{
    uint64_t queue, worker, count;
    if (r->at == r->end)
        return KN_NOT_FOUND;
    if (!get(r, &queue) || !get(r, &worker) || r->at == r->end)
        return KN_INVALID;
    struct cell cell = {(int64_t)queue, (int64_t)worker, (uint8_t)*r->at++, 0, {0}, {0}};
    if (!get(r, &count) || !get_bytes(r, &cell.runtime) || !get_bytes(r, &cell.wait))
        return KN_INVALID;
    cell.count = (int64_t)(count >> 1) ^ -(int64_t)(count & 1);
    *ret = cell;
    return KN_OK;
}

/* ---- writing ------------------------------------------------------------------------- */

static void put(struct kn_buf *out, uint64_t value)
{
    char bytes[VARINT_MAX];
    size_t n = 0;
    for (; value > 0x7f; value >>= 7)
        bytes[n++] = (char)(0x80 | (value & 0x7f));
    bytes[n++] = (char)value;
    kn_buf_append(out, bytes, n);
}

static void put_cell(struct kn_buf *out, const struct cell *cell)
{
    if (!cell->count && !cell->runtime.len && !cell->wait.len)
        return;
    if (!out->len)
        kn_buf_char(out, VERSION);
    put(out, (uint64_t)cell->queue);
    put(out, (uint64_t)cell->worker);
    kn_buf_char(out, (char)cell->status);
    put(out, (uint64_t)cell->count << 1 ^ (uint64_t)(cell->count >> 63));
    put(out, cell->runtime.len);
    kn_buf_str(out, cell->runtime);
    put(out, cell->wait.len);
    kn_buf_str(out, cell->wait);
}

/* ---- adding -------------------------------------------------------------------------- */

/* A sum of sketches, which is not decoded as long as there is only one. */
struct sum {
    struct kn_str only;
    bool many;
    struct kn_sketch total;
    struct kn_buf bytes; /* of the total */
};

struct adder {
    struct cell cell; /* key and count */
    struct sum runtime, wait;
    struct kn_sketch scratch;
};

static enum kn_status sum_add(struct sum *sum, struct kn_str bytes, struct kn_sketch *scratch)
{
    enum kn_status status = KN_OK;
    if (!bytes.len)
        return KN_OK;
    if (!sum->many && !sum->only.len) {
        sum->only = bytes;
        return KN_OK;
    }
    if (!sum->many)
        status = kn_sketch_decode(&sum->total, sum->only);
    sum->many = true;
    if (status == KN_OK)
        status = kn_sketch_decode(scratch, bytes);
    return status == KN_OK ? kn_sketch_merge(&sum->total, scratch) : status;
}

/* Valid until the next begin. */
static struct kn_str sum_bytes(struct sum *sum)
{
    if (!sum->many)
        return sum->only;
    kn_buf_clear(&sum->bytes);
    if (!kn_sketch_is_zero(&sum->total))
        kn_sketch_encode(&sum->total, &sum->bytes);
    return kn_buf_view(&sum->bytes);
}

static void begin(struct adder *a, const struct cell *key)
{
    a->cell = (struct cell){.queue = key->queue, .worker = key->worker, .status = key->status};
    a->runtime.only = a->wait.only = KN_STR_ABSENT;
    a->runtime.many = a->wait.many = false;
}

static enum kn_status add(struct adder *a, const struct cell *cell)
{
    if (__builtin_add_overflow(a->cell.count, cell->count, &a->cell.count))
        return KN_INVALID;
    enum kn_status status = sum_add(&a->runtime, cell->runtime, &a->scratch);
    return status == KN_OK ? sum_add(&a->wait, cell->wait, &a->scratch) : status;
}

static enum kn_status end(struct adder *a, struct kn_buf *out)
{
    a->cell.runtime = sum_bytes(&a->runtime);
    a->cell.wait = sum_bytes(&a->wait);
    enum kn_status status = kn_buf_status(&a->runtime.bytes);
    if (status == KN_OK)
        status = kn_buf_status(&a->wait.bytes);
    if (status == KN_OK)
        put_cell(out, &a->cell);
    return status;
}

static enum kn_status merge(struct adder *a, struct cells_reader *stored, const struct cell *cells,
                            size_t count, struct kn_buf *out)
{
    struct cell old = {0};
    enum kn_status more = cells_next(stored, &old), status = KN_OK;
    for (size_t i = 0; status == KN_OK && (more == KN_OK || (more == KN_NOT_FOUND && i < count));) {
        int order = more != KN_OK ? 1 : i == count ? -1 : cell_cmp(&old, &cells[i]);
        if (order < 0) {
            put_cell(out, &old);
            more = cells_next(stored, &old);
            continue;
        }
        const struct cell *key = &cells[i];
        begin(a, key);
        if (order == 0) {
            status = add(a, &old);
            more = cells_next(stored, &old);
        }
        for (; status == KN_OK && i < count && cell_cmp(key, &cells[i]) == 0; i++)
            status = add(a, &cells[i]);
        if (status == KN_OK)
            status = end(a, out);
    }
    if (status == KN_OK && more != KN_NOT_FOUND)
        status = more;
    return status == KN_OK ? kn_buf_status(out) : status;
}

static void adder_init(struct adder *a)
{
    *a = (struct adder){0};
    kn_sketch_init(&a->runtime.total);
    kn_sketch_init(&a->wait.total);
    kn_sketch_init(&a->scratch);
    kn_buf_init(&a->runtime.bytes, 0);
    kn_buf_init(&a->wait.bytes, 0);
}

static void adder_fini(struct adder *a)
{
    kn_sketch_fini(&a->runtime.total);
    kn_sketch_fini(&a->wait.total);
    kn_sketch_fini(&a->scratch);
    kn_buf_fini(&a->runtime.bytes);
    kn_buf_fini(&a->wait.bytes);
}

enum kn_status cells_add(struct kn_str stored, const struct cell *cells, size_t count,
                         struct kn_buf *out)
{
    struct adder adder;
    struct cells_reader reader;
    enum kn_status status = cells_open(stored, &reader);
    if (status != KN_OK)
        return status;
    adder_init(&adder);
    status = merge(&adder, &reader, cells, count, out);
    adder_fini(&adder);
    return status;
}
