#include "services/common/text/clean.h"

size_t kn_utf8_next(struct kn_str s, uint32_t *ret)
{
    unsigned char c = (unsigned char)s.ptr[0];
    size_t len = c < 0x80 ? 1 : c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc2 ? 2 : 0;
    if (len == 0 || len > s.len || !kn_utf8_valid((struct kn_str){s.ptr, len}))
        return 0;
    *ret = len == 1 ? c : c & (0xffu >> (len + 1));
    for (size_t i = 1; i < len; i++)
        *ret = *ret << 6 | ((unsigned char)s.ptr[i] & 0x3f);
    return len;
}

/* Control characters (C0, DEL, C1), line separators, direction marks, invisible tags. */
static bool is_obeyed(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x61c || (c >= 0x200e && c <= 0x200f) ||
           (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x206f) || c == 0xfeff ||
           (c >= 0xfff9 && c <= 0xfffb) || (c >= 0xe0000 && c <= 0xe007f);
}

static void escape(struct kn_buf *out, uint32_t c, bool json)
{
    if (c > 0xffff && json) /* a surrogate pair */
        kn_buf_printf(out, "\\u%04x\\u%04x", 0xd800 + ((c - 0x10000) >> 10),
                      0xdc00 + ((c - 0x10000) & 0x3ff));
    else if (c > 0xffff)
        kn_buf_printf(out, "\\U%08x", c);
    else
        kn_buf_printf(out, json || c > 0xff ? "\\u%04x" : "\\x%02x", c);
}

static void clean(struct kn_buf *out, struct kn_str text, bool json)
{
    while (text.len > 0) {
        uint32_t c = 0;
        size_t len = kn_utf8_next(text, &c);
        if (len == 0)
            kn_buf_printf(out, json ? "\\ufffd" : "\\x%02x", (unsigned char)text.ptr[0]);
        else if (json && c < 0x20) /* white space between values */
            kn_buf_char(out, c == '\n' ? '\n' : ' ');
        else if (!json && c == '\n')
            kn_buf_text(out, "\\n");
        else if (is_obeyed(c))
            escape(out, c, json);
        else
            kn_buf_append(out, text.ptr, len);
        text.ptr += len ? len : 1;
        text.len -= len ? len : 1;
    }
}

bool kn_clean_is(struct kn_str text)
{
    while (text.len > 0) {
        uint32_t c = 0;
        size_t len = kn_utf8_next(text, &c);
        if (len == 0 || is_obeyed(c))
            return false;
        text.ptr += len;
        text.len -= len;
    }
    return true;
}

void kn_clean(struct kn_buf *out, struct kn_str text)
{
    clean(out, text, false);
}

void kn_clean_lines(struct kn_buf *out, struct kn_str text, const char *indent)
{
    while (text.len > 0) {
        const char *end = memchr(text.ptr, '\n', text.len);
        size_t len = end ? (size_t)(end - text.ptr) : text.len;
        bool crlf = end && len > 0 && text.ptr[len - 1] == '\r';
        kn_buf_printf(out, "\n%s", indent);
        clean(out, (struct kn_str){text.ptr, len - crlf}, false);
        len += end != NULL;
        text.ptr += len;
        text.len -= len;
    }
}

void kn_clean_json(struct kn_buf *out, struct kn_str json)
{
    clean(out, json, true);
}

void kn_clean_json_str(struct kn_buf *out, struct kn_str text)
{
    struct kn_buf json;
    if (kn_clean_is(text)) {
        kn_buf_json_str(out, text);
        return;
    }
    kn_buf_init(&json, 0);
    kn_buf_json_str(&json, text);
    clean(out, kn_buf_view(&json), true);
    kn_buf_fini(&json);
}
