/* A growing buffer that remembers its first error: write without checking,
 * and check kn_buf_status once at the end. */
#ifndef KN_COMMON_TEXT_BUF_H
#define KN_COMMON_TEXT_BUF_H

#include "services/common/budget.h"
#include "services/common/status.h"
#include "services/common/text/str.h"

#include <stdarg.h>

struct kn_buf {
    char *data;
    size_t len;
    size_t cap;
    size_t max; /* bytes; more is TOO_BIG */
    enum kn_status status;
    struct kn_budget *budget; /* charged for its memory; exceeding it gives FULL. NULL: none */
};

/* max: maximum size in bytes, 0 for 1 GiB. Allocates nothing yet. Set a budget
 * right after. */
void kn_buf_init(struct kn_buf *buf, size_t max);
/* Frees the data; buf may be used again, with the same max and budget. NULL is allowed. */
void kn_buf_fini(struct kn_buf *buf);
/* Empties it and forgets its error; keeps the memory. */
void kn_buf_clear(struct kn_buf *buf);
/* Returns its memory to the budget and detaches it: the caller accounts for the memory from
 * then on. */
void kn_buf_leave_budget(struct kn_buf *buf);

void kn_buf_str(struct kn_buf *buf, struct kn_str s);
void kn_buf_text(struct kn_buf *buf, const char *text);
void kn_buf_char(struct kn_buf *buf, char c);
void kn_buf_i64(struct kn_buf *buf, int64_t value); /* in decimal */
void kn_buf_u64(struct kn_buf *buf, uint64_t value);
void kn_buf_printf(struct kn_buf *buf, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void kn_buf_vprintf(struct kn_buf *buf, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));
/* Sets an error, unless there is one already. */
void kn_buf_fail(struct kn_buf *buf, enum kn_status status);

/* Room for len more bytes, to be written by the caller and then counted with
 * buf->len += n. NULL on failure (the error is remembered). */
char *kn_buf_reserve(struct kn_buf *buf, size_t len);

static inline void kn_buf_append(struct kn_buf *buf, const void *data, size_t len)
{
    char *to = buf->status == KN_OK && len < buf->cap - buf->len && len <= buf->max - buf->len
                   ? buf->data + buf->len
                   : kn_buf_reserve(buf, len);
    if (!to || len == 0)
        return;
    memcpy(to, data, len);
    buf->len += len;
}

/* OK, or the first error since init or clear. */
enum kn_status kn_buf_status(const struct kn_buf *buf) KN_MUST_CHECK;
/* The contents; valid until the next write. */
struct kn_str kn_buf_view(const struct kn_buf *buf);
/* The same, ended with NUL; NULL when it is empty. */
const char *kn_buf_cstr(struct kn_buf *buf);
/* Hands the data to the caller (free() it), with a NUL after the last byte
 * that is not counted. NULL when there was an error. The buffer is empty then. */
char *kn_buf_take(struct kn_buf *buf, size_t *ret_len);

/* JSON text. kn_buf_json_str writes the quotes too; bytes that are not UTF-8
 * become U+FFFD. An absent string is written as null. */
void kn_buf_json_str(struct kn_buf *buf, struct kn_str s);
/* The shortest text that reads back as the same number; null for inf, nan. */
void kn_buf_json_f64(struct kn_buf *buf, double value);
/* Microseconds since 1970 as "2026-11-23T10:00:00.123456Z"; null for 0. */
void kn_buf_json_time(struct kn_buf *buf, int64_t us);

#endif
