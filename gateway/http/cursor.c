#include "gateway/http/cursor.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

enum { HEAD = 9, VERSION = 1 };

static void base64_write(struct kn_buf *out, const unsigned char *data, size_t len)
{
    for (size_t i = 0; i < len; i += 3) {
        size_t left = len - i;
        unsigned triple = (unsigned)data[i] << 16 | (left > 1 ? (unsigned)data[i + 1] << 8 : 0) |
                          (left > 2 ? (unsigned)data[i + 2] : 0);
        kn_buf_char(out, alphabet[triple >> 18]);
        kn_buf_char(out, alphabet[triple >> 12 & 63]);
        if (left > 1)
            kn_buf_char(out, alphabet[triple >> 6 & 63]);
        if (left > 2)
            kn_buf_char(out, alphabet[triple & 63]);
    }
}

/* Bytes written to `to`, which has room for text.len of them; -1: not base64url. */
static ptrdiff_t base64_read(struct kn_str text, unsigned char *to)
{
    unsigned bits = 0, have = 0;
    ptrdiff_t n = 0;
    if (text.len % 4 == 1)
        return -1;
    for (size_t i = 0; i < text.len; i++) {
        const char *at = text.ptr[i] ? strchr(alphabet, text.ptr[i]) : NULL;
        if (!at)
            return -1;
        bits = (bits << 6 | (unsigned)(at - alphabet)) & 0xffff;
        have += 6;
        if (have >= 8) {
            have -= 8;
            to[n++] = (unsigned char)(bits >> have);
        }
    }
    return n;
}

void gw_cursor_write(struct kn_buf *out, uint64_t fingerprint, struct kn_str position)
{
    unsigned char data[GW_CURSOR_MAX * 3 / 4];
    if (position.len > sizeof data - HEAD) {
        kn_buf_fail(out, KN_TOO_BIG);
        return;
    }
    data[0] = VERSION;
    for (int i = 0; i < 8; i++)
        data[1 + i] = (unsigned char)(fingerprint >> (8 * i));
    if (position.len)
        memcpy(data + HEAD, position.ptr, position.len);
    base64_write(out, data, HEAD + position.len);
}

enum kn_status gw_cursor_read(struct kn_str text, uint64_t fingerprint, struct kn_arena *arena,
                              struct kn_str *ret_position)
{
    if (text.len > GW_CURSOR_MAX)
        return KN_INVALID;
    unsigned char *data = kn_arena_alloc(arena, text.len + 1);
    if (!data)
        return KN_NOMEM;
    ptrdiff_t n = base64_read(text, data);
    if (n < HEAD || data[0] != VERSION)
        return KN_INVALID;
    uint64_t print = 0;
    for (int i = 0; i < 8; i++)
        print |= (uint64_t)data[1 + i] << (8 * i);
    if (print != fingerprint)
        return KN_CONFLICT;
    *ret_position = (struct kn_str){(const char *)data + HEAD, (size_t)n - HEAD};
    return KN_OK;
}
