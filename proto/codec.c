#include "proto/codec.h"

#include "proto/codec_internal.h"
#include "proto/mp.h"

#include <assert.h>
#include <msgpack/pack.h>

enum { FIELDS_MAX = 255 };

/* ---- write --------------------------------------------------------------- */

static int packer_write(void *data, const char *bytes, size_t len)
{
    kn_buf_append(data, bytes, len);
    return 0;
}

static inline bool is_absent(const struct field *f, const char *at)
{
    switch ((enum field_type)f->type) {
    case TYPE_BOOL:
        return !*(const bool *)at;
    case TYPE_ENUM:
        return !*(const uint8_t *)at;
    case TYPE_U64:
    case TYPE_I64:
    case TYPE_TIME: {
        uint64_t bits;
        memcpy(&bits, at, sizeof bits);
        return bits == 0;
    }
    case TYPE_F64: {
        uint64_t bits;
        memcpy(&bits, at, sizeof bits);
        return bits == 0;
    }
    case TYPE_OPT_I64:
        return !((const struct kn_opt_i64 *)at)->set;
    case TYPE_OPT_F64:
        return !((const struct kn_opt_f64 *)at)->set;
    case TYPE_STR:
    case TYPE_JSON:
    case TYPE_BIN:
        return !((const struct kn_str *)at)->ptr;
    case TYPE_MSG:
        return !*(void *const *)at;
    case TYPE_STRS:
    case TYPE_F64S:
    case TYPE_LIST:
        return ((const struct any_list *)at)->count == 0;
    }
    return true;
}

static void encode_message(msgpack_packer *pk, const struct kn_schema *schema, const char *msg);

static void encode_text(msgpack_packer *pk, struct kn_str s)
{
    msgpack_pack_str(pk, s.len);
    msgpack_pack_str_body(pk, s.ptr, s.len);
}

static void encode_list(msgpack_packer *pk, const struct field *f, const struct any_list *list)
{
    msgpack_pack_array(pk, list->count);
    const struct kn_schema *sub = f->type == TYPE_LIST ? f->sub() : NULL;
    for (size_t i = 0; i < list->count; i++) {
        if (f->type == TYPE_STRS)
            encode_text(pk, ((const struct kn_str *)list->items)[i]);
        else if (f->type == TYPE_F64S)
            msgpack_pack_double(pk, ((const double *)list->items)[i]);
        else
            encode_message(pk, sub, list->items + i * sub->size);
    }
}

static void encode_value(msgpack_packer *pk, const struct field *f, const char *at)
{
    switch ((enum field_type)f->type) {
    case TYPE_BOOL:
        msgpack_pack_true(pk);
        break;
    case TYPE_ENUM:
        msgpack_pack_uint8(pk, *(const uint8_t *)at);
        break;
    case TYPE_U64:
        msgpack_pack_uint64(pk, *(const uint64_t *)at);
        break;
    case TYPE_I64:
    case TYPE_TIME:
        msgpack_pack_int64(pk, *(const int64_t *)at);
        break;
    case TYPE_F64:
        msgpack_pack_double(pk, *(const double *)at);
        break;
    case TYPE_OPT_I64:
        msgpack_pack_int64(pk, ((const struct kn_opt_i64 *)at)->value);
        break;
    case TYPE_OPT_F64:
        msgpack_pack_double(pk, ((const struct kn_opt_f64 *)at)->value);
        break;
    case TYPE_STR:
    case TYPE_JSON:
        encode_text(pk, *(const struct kn_str *)at);
        break;
    case TYPE_BIN: {
        const struct kn_str *s = (const struct kn_str *)at;
        msgpack_pack_bin(pk, s->len);
        msgpack_pack_bin_body(pk, s->ptr, s->len);
        break;
    }
    case TYPE_MSG:
        encode_message(pk, f->sub(), *(const char *const *)at);
        break;
    case TYPE_STRS:
    case TYPE_F64S:
    case TYPE_LIST:
        encode_list(pk, f, (const struct any_list *)at);
        break;
    }
}

static void encode_message(msgpack_packer *pk, const struct kn_schema *schema, const char *msg)
{
    uint8_t present[FIELDS_MAX];
    size_t n = 0;
    assert(schema->count <= FIELDS_MAX);
    for (size_t i = 0; i < schema->count; i++) {
        if (!is_absent(&schema->fields[i], msg + schema->fields[i].offset))
            present[n++] = (uint8_t)i;
    }
    msgpack_pack_map(pk, n);
    for (size_t i = 0; i < n; i++) {
        const struct field *f = &schema->fields[present[i]];
        msgpack_pack_uint16(pk, f->number);
        encode_value(pk, f, msg + f->offset);
    }
}

void kn_msg_encode(struct kn_buf *out, enum kn_kind kind, const void *msg)
{
    const struct kn_schema *schema = kn_schema_of(kind);
    if (!schema) {
        kn_buf_fail(out, KN_INTERNAL);
        return;
    }
    msgpack_packer pk;
    msgpack_packer_init(&pk, out, packer_write);
    encode_message(&pk, schema, msg);
}

static void encode_head(struct kn_buf *out, struct kn_str sender, uint64_t number,
                        enum kn_kind kind)
{
    msgpack_packer pk;
    msgpack_packer_init(&pk, out, packer_write);
    msgpack_pack_array(&pk, 5);
    msgpack_pack_uint8(&pk, KN_ENVELOPE_VERSION);
    msgpack_pack_uint16(&pk, (uint16_t)kind);
    encode_text(&pk, sender);
    msgpack_pack_uint64(&pk, number);
}

void kn_envelope_encode(struct kn_buf *out, struct kn_str sender, uint64_t number,
                        enum kn_kind kind, const void *msg)
{
    encode_head(out, sender, number, kind);
    kn_msg_encode(out, kind, msg);
}

void kn_envelope_encode_body(struct kn_buf *out, struct kn_str sender, uint64_t number,
                             enum kn_kind kind, struct kn_str body)
{
    encode_head(out, sender, number, kind);
    kn_buf_str(out, body);
}

/* ---- read ----------------------------------------------------------------- */

struct decoder {
    struct kn_mp_reader reader;
    struct kn_arena *arena;
    const struct field *without; /* passed over; NULL: none */
};

static enum kn_status decode_message(struct decoder *d, const struct kn_schema *schema, char *msg,
                                     unsigned depth);

static const struct field *find_field(const struct kn_schema *schema, uint64_t number)
{
    /* tables are nearly always numbered 1, 2, 3 … */
    if (number >= 1 && number <= schema->count && schema->fields[number - 1].number == number)
        return &schema->fields[number - 1];
    for (size_t i = 0; i < schema->count; i++) {
        if (schema->fields[i].number == number)
            return &schema->fields[i];
    }
    return NULL;
}

static bool is_int(const struct kn_mp_value *v)
{
    return v->type == KN_MP_INT || (v->type == KN_MP_UINT && v->u64 <= INT64_MAX);
}

static enum kn_status decode_scalar(const struct field *f, const struct kn_mp_value *v, char *at)
{
    switch ((enum field_type)f->type) {
    case TYPE_BOOL:
        if (v->type != KN_MP_BOOL)
            return KN_INVALID;
        *(bool *)at = v->boolean;
        return KN_OK;
    case TYPE_ENUM:
        if (v->type != KN_MP_UINT || v->u64 >= f->en->count)
            return KN_INVALID;
        *(uint8_t *)at = (uint8_t)v->u64;
        return KN_OK;
    case TYPE_U64:
        if (v->type != KN_MP_UINT)
            return KN_INVALID;
        *(uint64_t *)at = v->u64;
        return KN_OK;
    case TYPE_I64:
    case TYPE_TIME:
        if (!is_int(v))
            return KN_INVALID;
        *(int64_t *)at = v->i64;
        return KN_OK;
    case TYPE_OPT_I64:
        if (!is_int(v))
            return KN_INVALID;
        *(struct kn_opt_i64 *)at = KN_SOME_I64(v->i64);
        return KN_OK;
    case TYPE_F64:
        if (v->type != KN_MP_F64)
            return KN_INVALID;
        *(double *)at = v->f64;
        return KN_OK;
    case TYPE_OPT_F64:
        if (v->type != KN_MP_F64)
            return KN_INVALID;
        *(struct kn_opt_f64 *)at = KN_SOME_F64(v->f64);
        return KN_OK;
    case TYPE_STR:
    case TYPE_JSON:
    case TYPE_BIN:
        if (v->type != (f->type == TYPE_BIN ? KN_MP_BIN : KN_MP_STR))
            return KN_INVALID;
        *(struct kn_str *)at = v->str;
        return KN_OK;
    case TYPE_STRS:
    case TYPE_F64S:
    case TYPE_MSG:
    case TYPE_LIST:
        break;
    }
    return KN_INTERNAL;
}

static size_t item_size(const struct field *f)
{
    if (f->type == TYPE_STRS)
        return sizeof(struct kn_str);
    return f->type == TYPE_F64S ? sizeof(double) : f->sub()->size;
}

static enum kn_status decode_item(struct decoder *d, const struct field *f, char *item,
                                  unsigned depth)
{
    if (f->type == TYPE_LIST)
        return decode_message(d, f->sub(), item, depth);
    struct kn_mp_value v;
    enum kn_status status = kn_mp_next(&d->reader, &v);
    if (status != KN_OK)
        return status;
    if (v.type != (f->type == TYPE_STRS ? KN_MP_STR : KN_MP_F64))
        return KN_INVALID;
    if (f->type == TYPE_STRS)
        *(struct kn_str *)item = v.str;
    else
        *(double *)item = v.f64;
    return KN_OK;
}

static enum kn_status decode_list(struct decoder *d, const struct field *f, char *at,
                                  unsigned depth)
{
    struct kn_mp_value head;
    enum kn_status status = kn_mp_next(&d->reader, &head);
    if (status != KN_OK)
        return status;
    if (head.type != KN_MP_ARRAY)
        return KN_INVALID;
    size_t size = item_size(f);
    char *items = kn_arena_array(d->arena, head.count, size);
    if (!items)
        return KN_TOO_BIG;
    for (uint32_t i = 0; i < head.count && status == KN_OK; i++)
        status = decode_item(d, f, items + i * size, depth);
    if (status == KN_OK)
        *(struct any_list *)at = (struct any_list){items, head.count};
    return status;
}

static enum kn_status decode_field(struct decoder *d, const struct field *f, char *at,
                                   unsigned depth)
{
    if (f->type == TYPE_LIST || f->type == TYPE_STRS || f->type == TYPE_F64S)
        return decode_list(d, f, at, depth);
    if (f->type == TYPE_MSG) {
        const struct kn_schema *sub = f->sub();
        char *msg = kn_arena_alloc(d->arena, sub->size);
        enum kn_status status = msg ? decode_message(d, sub, msg, depth) : KN_TOO_BIG;
        if (status == KN_OK)
            *(char **)at = msg;
        return status;
    }
    struct kn_mp_value v;
    enum kn_status status = kn_mp_next(&d->reader, &v);
    if (status != KN_OK)
        return status;
    return decode_scalar(f, &v, at);
}

static enum kn_status decode_message(struct decoder *d, const struct kn_schema *schema, char *msg,
                                     unsigned depth)
{
    struct kn_mp_value v;
    enum kn_status status = kn_mp_next(&d->reader, &v);
    if (status != KN_OK)
        return status;
    if (v.type != KN_MP_MAP)
        return KN_INVALID;
    if (depth == 0)
        return KN_TOO_DEEP;
    for (uint32_t pairs = v.count; pairs && status == KN_OK; pairs--) {
        status = kn_mp_next(&d->reader, &v);
        if (status != KN_OK)
            return status;
        if (v.type != KN_MP_UINT)
            return KN_INVALID;
        const struct field *f = find_field(schema, v.u64);
        status = f && f != d->without ? decode_field(d, f, msg + f->offset, depth - 1)
                                      : kn_mp_skip(&d->reader, KN_DEPTH_MAX);
    }
    return status;
}

static const struct field *find_name(const struct kn_schema *schema, const char *name)
{
    for (size_t i = 0; name && i < schema->count; i++) {
        if (strcmp(schema->fields[i].name, name) == 0)
            return &schema->fields[i];
    }
    return NULL;
}

enum kn_status kn_msg_decode(struct kn_str data, enum kn_kind kind, struct kn_arena *arena,
                             void *msg)
{
    return kn_msg_decode_without(data, kind, NULL, arena, msg);
}

enum kn_status kn_msg_decode_without(struct kn_str data, enum kn_kind kind, const char *without,
                                     struct kn_arena *arena, void *msg)
{
    const struct kn_schema *schema = kn_schema_of(kind);
    if (!schema)
        return KN_UNSUPPORTED;
    memset(msg, 0, schema->size);
    struct decoder d = {kn_mp_reader(data), arena, find_name(schema, without)};
    enum kn_status status = decode_message(&d, schema, msg, KN_DEPTH_MAX);
    if (status == KN_OK && !kn_mp_at_end(&d.reader))
        return KN_INVALID;
    return status;
}

static enum kn_status take(struct kn_mp_reader *r, enum kn_mp_type type, struct kn_mp_value *ret)
{
    enum kn_status status = kn_mp_next(r, ret);
    return status != KN_OK || ret->type == type ? status : KN_INVALID;
}

enum kn_status kn_envelope_decode(struct kn_str data, struct kn_envelope *ret)
{
    struct kn_mp_reader r = kn_mp_reader(data);
    struct kn_mp_value array, version, kind, sender, number;
    enum kn_status status;
    if ((status = take(&r, KN_MP_ARRAY, &array)) != KN_OK ||
        (status = take(&r, KN_MP_UINT, &version)) != KN_OK)
        return status;
    if (version.u64 != KN_ENVELOPE_VERSION)
        return KN_VERSION;
    if (array.count != 5)
        return KN_INVALID;
    if ((status = take(&r, KN_MP_UINT, &kind)) != KN_OK ||
        (status = take(&r, KN_MP_STR, &sender)) != KN_OK ||
        (status = take(&r, KN_MP_UINT, &number)) != KN_OK)
        return status;
    if (sender.str.len > KN_SENDER_MAX)
        return KN_TOO_BIG;
    if (kind.u64 >= KN_KIND_COUNT || !kn_schema_of((enum kn_kind)kind.u64))
        return KN_UNSUPPORTED;
    ret->kind = (enum kn_kind)kind.u64;
    ret->sender = sender.str;
    ret->number = number.u64;
    ret->body = (struct kn_str){(const char *)r.at, (size_t)(r.end - r.at)};
    return KN_OK;
}

/* ---- copy ------------------------------------------------------------------ */

static void copy_into(struct kn_arena *arena, const struct kn_schema *schema, char *msg);

static void copy_list(struct kn_arena *arena, const struct field *f, struct any_list *list)
{
    size_t size = item_size(f);
    const char *from = list->items;
    char *items = kn_arena_array(arena, list->count, size);
    if (!items) {
        *list = (struct any_list){NULL, 0};
        return;
    }
    if (list->count)
        memcpy(items, from, list->count * size);
    list->items = items;
    for (size_t i = 0; i < list->count && f->type != TYPE_F64S; i++) {
        if (f->type == TYPE_LIST)
            copy_into(arena, f->sub(), items + i * size);
        else
            ((struct kn_str *)items)[i] = kn_arena_str(arena, ((struct kn_str *)items)[i]);
    }
}

/* Gives msg, a flat copy, its own texts and lists. */
static void copy_into(struct kn_arena *arena, const struct kn_schema *schema, char *msg)
{
    for (size_t i = 0; i < schema->count; i++) {
        const struct field *f = &schema->fields[i];
        char *at = msg + f->offset;
        if (f->type == TYPE_STR || f->type == TYPE_JSON || f->type == TYPE_BIN)
            *(struct kn_str *)at = kn_arena_str(arena, *(struct kn_str *)at);
        else if (f->type == TYPE_STRS || f->type == TYPE_F64S || f->type == TYPE_LIST)
            copy_list(arena, f, (struct any_list *)at);
        else if (f->type == TYPE_MSG && *(char **)at) {
            const struct kn_schema *sub = f->sub();
            char *copy = kn_arena_alloc(arena, sub->size);
            if (copy) {
                memcpy(copy, *(char **)at, sub->size);
                copy_into(arena, sub, copy);
            }
            *(char **)at = copy;
        }
    }
}

void *kn_msg_copy(struct kn_arena *arena, enum kn_kind kind, const void *msg)
{
    const struct kn_schema *schema = kn_schema_of(kind);
    char *copy = schema ? kn_arena_alloc(arena, schema->size) : NULL;
    if (!copy)
        return NULL;
    memcpy(copy, msg, schema->size);
    copy_into(arena, schema, copy);
    return arena->overflow ? NULL : copy;
}
