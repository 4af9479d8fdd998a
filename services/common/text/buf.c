#include "services/common/text/buf.h"

#include "services/common/text/time.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

void kn_buf_init(struct kn_buf *buf, size_t max)
{
    *buf = (struct kn_buf){.max = max ? max : (size_t)1 << 30};
}

void kn_buf_fini(struct kn_buf *buf)
{
    if (!buf)
        return;
    free(buf->data);
    kn_budget_give(buf->budget, buf->cap);
    *buf = (struct kn_buf){.max = buf->max, .budget = buf->budget};
}

void kn_buf_leave_budget(struct kn_buf *buf)
{
    kn_budget_give(buf->budget, buf->cap);
    buf->budget = NULL;
}

void kn_buf_clear(struct kn_buf *buf)
{
    buf->len = 0;
    buf->status = KN_OK;
}

void kn_buf_fail(struct kn_buf *buf, enum kn_status status)
{
    if (buf->status == KN_OK)
        buf->status = status;
}

char *kn_buf_reserve(struct kn_buf *buf, size_t len)
{
    if (buf->status != KN_OK)
        return NULL;
    if (len > buf->max - buf->len) {
        kn_buf_fail(buf, KN_TOO_BIG);
        return NULL;
    }
    /* one byte more than asked for, so that kn_buf_take can end it with NUL */
    size_t need = buf->len + len + 1;
    if (need > buf->cap) {
        size_t cap = buf->cap ? buf->cap : 256;
        while (cap < need)
            cap *= 2;
        if (cap > buf->max + 1)
            cap = buf->max + 1;
        if (!kn_budget_take(buf->budget, cap - buf->cap)) {
            kn_buf_fail(buf, KN_FULL);
            return NULL;
        }
        char *data = realloc(buf->data, cap);
        if (!data) {
            kn_budget_give(buf->budget, cap - buf->cap);
            kn_buf_fail(buf, KN_NOMEM);
            return NULL;
        }
        buf->data = data;
        buf->cap = cap;
    }
    return buf->data + buf->len;
}

void kn_buf_str(struct kn_buf *buf, struct kn_str s)
{
    kn_buf_append(buf, s.ptr, s.len);
}

void kn_buf_text(struct kn_buf *buf, const char *text)
{
    kn_buf_append(buf, text, strlen(text));
}

void kn_buf_char(struct kn_buf *buf, char c)
{
    kn_buf_append(buf, &c, 1);
}

/* The digits of value, right-aligned before end; where they begin. */
static char *digits(char *end, uint64_t value)
{
    do
        *--end = (char)('0' + value % 10);
    while (value /= 10);
    return end;
}

void kn_buf_u64(struct kn_buf *buf, uint64_t value)
{
    char text[20], *end = text + sizeof text, *at = digits(end, value);
    kn_buf_append(buf, at, (size_t)(end - at));
}

void kn_buf_i64(struct kn_buf *buf, int64_t value)
{
    if (value < 0)
        kn_buf_char(buf, '-');
    kn_buf_u64(buf, value < 0 ? -(uint64_t)value : (uint64_t)value);
}

void kn_buf_printf(struct kn_buf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    kn_buf_vprintf(buf, format, args);
    va_end(args);
}

void kn_buf_vprintf(struct kn_buf *buf, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    char *to = n < 0 ? NULL : kn_buf_reserve(buf, (size_t)n);
    if (to) {
        vsnprintf(to, (size_t)n + 1, format, again);
        buf->len += (size_t)n;
    } else {
        kn_buf_fail(buf, KN_INTERNAL);
    }
    va_end(again);
}

enum kn_status kn_buf_status(const struct kn_buf *buf)
{
    return buf->status;
}

struct kn_str kn_buf_view(const struct kn_buf *buf)
{
    return (struct kn_str){buf->data ? buf->data : "", buf->len};
}

const char *kn_buf_cstr(struct kn_buf *buf)
{
    if (buf->len == 0)
        return NULL;
    buf->data[buf->len] = '\0'; /* there is room: kn_buf_reserve */
    return buf->data;
}

char *kn_buf_take(struct kn_buf *buf, size_t *ret_len)
{
    if (!kn_buf_reserve(buf, 0))
        return NULL;
    char *data = buf->data;
    data[buf->len] = '\0';
    if (ret_len)
        *ret_len = buf->len;
    kn_budget_give(buf->budget, buf->cap);
    *buf = (struct kn_buf){.max = buf->max, .budget = buf->budget};
    return data;
}

/* What JSON writes for a byte below 0x80, NULL for the byte itself. */
static const char *json_escape(unsigned char c, char scratch[8])
{
    switch (c) {
    case '"':
        return "\\\"";
    case '\\':
        return "\\\\";
    case '\n':
        return "\\n";
    case '\r':
        return "\\r";
    case '\t':
        return "\\t";
    default:
        if (c >= 0x20)
            return NULL;
        snprintf(scratch, 8, "\\u%04x", c);
        return scratch;
    }
}

void kn_buf_json_str(struct kn_buf *buf, struct kn_str s)
{
    if (!s.ptr) {
        kn_buf_text(buf, "null");
        return;
    }
    bool valid = kn_utf8_valid(s);
    kn_buf_char(buf, '"');
    size_t plain = 0;
    for (size_t i = 0; i < s.len;) {
        char scratch[8];
        unsigned char c = (unsigned char)s.ptr[i];
        const char *instead = c < 0x80 ? json_escape(c, scratch) : NULL;
        size_t step = 1;
        if (c >= 0x80 && !valid) {
            step = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2; /* of this character alone */
            if (step > s.len - i || !kn_utf8_valid((struct kn_str){s.ptr + i, step})) {
                step = 1;
                instead = "\xef\xbf\xbd";
            }
        }
        if (instead) {
            kn_buf_append(buf, s.ptr + plain, i - plain);
            kn_buf_text(buf, instead);
            plain = i + step;
        }
        i += step;
    }
    kn_buf_append(buf, s.ptr + plain, s.len - plain);
    kn_buf_char(buf, '"');
}

/* What has no more than seven decimals, as durations of whole microseconds and the means
 * of two of them: without asking printf and strtod, with the same outcome. */
static bool json_short_f64(struct kn_buf *buf, double value)
{
    enum { DECIMALS = 7, SCALE = 10000000 };
    double size = fabs(value);
    if (!(size >= 1e-4 && size < 1e7))
        return false;
    uint64_t scaled = (uint64_t)(size * SCALE + 0.5);
    if ((double)scaled / SCALE != size)
        return false;
    if (value < 0)
        kn_buf_char(buf, '-');
    kn_buf_u64(buf, scaled / SCALE);
    char text[DECIMALS + 1] = ".0000000", *end = text + sizeof text;
    digits(end, scaled % SCALE);
    while (end[-1] == '0')
        end--;
    kn_buf_append(buf, text, end == text + 1 ? 0 : (size_t)(end - text));
    return true;
}

void kn_buf_json_f64(struct kn_buf *buf, double value)
{
    if (!isfinite(value)) {
        kn_buf_text(buf, "null");
        return;
    }
    if (json_short_f64(buf, value))
        return;
    char text[32];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    kn_buf_text(buf, text);
}

void kn_buf_json_time(struct kn_buf *buf, int64_t us)
{
    if (us == 0) {
        kn_buf_text(buf, "null");
        return;
    }
    char text[KN_TIME_TEXT];
    kn_time_format(us, text);
    kn_buf_char(buf, '"');
    kn_buf_text(buf, text);
    kn_buf_char(buf, '"');
}
