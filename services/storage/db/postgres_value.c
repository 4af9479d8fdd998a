#include "services/storage/db/postgres_value.h"

#include <endian.h>

enum { OID_BYTEA = 17, OID_INT8 = 20, OID_INT4 = 23, OID_TEXT = 25, OID_FLOAT8 = 701 };
enum {
    OID_BYTEA_ARRAY = 1001,
    OID_INT8_ARRAY = 1016,
    OID_TEXT_ARRAY = 1009,
    OID_FLOAT8_ARRAY = 1022
};

static void put_u32(struct kn_buf *out, uint32_t value)
{
    uint32_t big = htobe32(value);
    kn_buf_append(out, &big, sizeof big);
}

static void put_u64(struct kn_buf *out, uint64_t value)
{
    uint64_t big = htobe64(value);
    kn_buf_append(out, &big, sizeof big);
}

/* The server keeps no NUL in text. U+FFFF, which is no character, stands before what
 * stands for one: U+FFFF 0 is NUL, U+FFFF 1 is U+FFFF itself. */
#define ESCAPE "\xef\xbf\xbf"
enum { ESCAPE_LEN = 3 };

static const char *find_escape(const char *text, size_t len)
{
    return memmem(text, len, ESCAPE, ESCAPE_LEN);
}

static void put_escaped(struct kn_buf *out, struct kn_str text)
{
    for (size_t i = 0; i < text.len;) {
        bool nul = text.ptr[i] == '\0';
        bool escape = text.len - i >= ESCAPE_LEN && memcmp(text.ptr + i, ESCAPE, ESCAPE_LEN) == 0;
        if (nul || escape)
            kn_buf_append(out, nul ? ESCAPE "0" : ESCAPE "1", ESCAPE_LEN + 1);
        else
            kn_buf_append(out, text.ptr + i, 1);
        i += escape ? ESCAPE_LEN : 1;
    }
}

/* In place; the new length. */
static size_t unescape(char *text, size_t len)
{
    const char *end = text + len, *at;
    char *to = text;
    for (const char *from = text; from < end; from = at) {
        at = find_escape(from, (size_t)(end - from));
        size_t plain = (size_t)((at ? at : end) - from);
        memmove(to, from, plain);
        to += plain;
        if (!at || end - at <= ESCAPE_LEN)
            break;
        if (at[ESCAPE_LEN] == '0') {
            *to++ = '\0';
        } else {
            memcpy(to, ESCAPE, ESCAPE_LEN);
            to += ESCAPE_LEN;
        }
        at += ESCAPE_LEN + 1;
    }
    return (size_t)(to - text);
}

/* What is not UTF-8 is not kept: U+FFFD stands for it. */
static void put_text(struct kn_buf *out, struct kn_str text)
{
    if (!text.len)
        return;
    if (kn_utf8_valid(text)) {
        if (memchr(text.ptr, 0, text.len) || find_escape(text.ptr, text.len))
            put_escaped(out, text);
        else
            kn_buf_str(out, text);
        return;
    }
    struct kn_arena scratch;
    kn_arena_init(&scratch, 0);
    struct kn_str clean = db_clean_text(&scratch, text);
    if (!clean.ptr)
        kn_buf_fail(out, KN_NOMEM);
    kn_buf_str(out, clean);
    kn_arena_fini(&scratch);
}

void pg_put_value(struct kn_buf *out, const struct db_value *value)
{
    uint64_t bits;
    switch (value->kind) {
    case DB_I64:
        put_u64(out, (uint64_t)value->i64);
        break;
    case DB_F64:
        memcpy(&bits, &value->f64, sizeof bits);
        put_u64(out, bits);
        break;
    case DB_TEXT:
        put_text(out, value->str);
        break;
    case DB_BLOB:
        kn_buf_str(out, value->str);
        break;
    case DB_NULL:
        break;
    }
}

Oid pg_oid_of(char type, bool array)
{
    switch (type) {
    case 'i':
        return array ? OID_INT8_ARRAY : OID_INT8;
    case 'f':
        return array ? OID_FLOAT8_ARRAY : OID_FLOAT8;
    case 'b':
        return array ? OID_BYTEA_ARRAY : OID_BYTEA;
    default:
        return array ? OID_TEXT_ARRAY : OID_TEXT;
    }
}

/* A value behind its length; NULL has the length -1. */
static void put_field(struct kn_buf *out, const struct db_value *value)
{
    size_t at = out->len;
    put_u32(out, UINT32_MAX);
    if (value->kind == DB_NULL || kn_buf_status(out) != KN_OK)
        return;
    pg_put_value(out, value);
    uint32_t len = htobe32((uint32_t)(out->len - at - 4));
    if (kn_buf_status(out) == KN_OK)
        memcpy(out->data + at, &len, sizeof len);
}

/* A column of the rows as an array of one dimension: dimensions, whether there are
 * NULLs, type of the elements, length, lower bound; then each with its length. */
void pg_put_array(struct kn_buf *out, char type, const struct db_value *first, size_t width,
                  size_t count)
{
    put_u32(out, 1);
    put_u32(out, 1);
    put_u32(out, pg_oid_of(type, false));
    put_u32(out, (uint32_t)count);
    put_u32(out, 1);
    for (size_t i = 0; i < count; i++)
        put_field(out, first + i * width);
}

/* Rows as COPY wants them ("Binary Format" in the manual's page on COPY). */
void pg_put_copy(struct kn_buf *out, const struct db_value *values, size_t width, size_t count)
{
    static const char signature[] = "PGCOPY\n\377\r\n"; /* and its NUL */
    const uint16_t fields = htobe16((uint16_t)width), end = UINT16_MAX;
    kn_buf_append(out, signature, sizeof signature);
    put_u32(out, 0); /* flags */
    put_u32(out, 0); /* length of the header's extension */
    for (size_t i = 0; i < count; i++) {
        kn_buf_append(out, &fields, sizeof fields);
        for (size_t c = 0; c < width; c++)
            put_field(out, values + i * width + c);
    }
    kn_buf_append(out, &end, sizeof end);
}

struct db_value pg_get_value(const PGresult *result, int row, int column)
{
    uint64_t bits;
    if (PQgetisnull(result, row, column))
        return db_null();
    char *data = PQgetvalue(result, row, column);
    size_t len = (size_t)PQgetlength(result, row, column);
    switch (PQftype(result, column)) {
    case OID_INT8:
        memcpy(&bits, data, 8);
        return db_i64((int64_t)be64toh(bits));
    case OID_INT4: {
        uint32_t word;
        memcpy(&word, data, 4);
        return db_i64((int32_t)be32toh(word));
    }
    case OID_FLOAT8: {
        double number;
        memcpy(&bits, data, 8);
        bits = be64toh(bits);
        memcpy(&number, &bits, 8);
        return db_f64(number);
    }
    case OID_BYTEA:
        return db_blob((struct kn_str){data, len});
    default:
        if (find_escape(data, len))
            len = unescape(data, len);
        return db_text((struct kn_str){data, len});
    }
}
