#include "services/broker/redis/resp.h"

/* Longest line of a number or a simple reply. */
#define LINE_MAX_BYTES 4096

/* The line that begins at *at, without its end; *at moves behind it. */
static enum kn_status line(struct kn_str data, size_t *at, struct kn_str *ret)
{
    const char *begin = data.ptr + *at;
    size_t left = data.len - *at;
    const char *end =
        left ? memchr(begin, '\n', left < LINE_MAX_BYTES ? left : LINE_MAX_BYTES) : NULL;
    if (!end)
        return left < LINE_MAX_BYTES ? KN_AGAIN : KN_INVALID;
    if (end == begin || end[-1] != '\r')
        return KN_INVALID;
    *ret = (struct kn_str){begin, (size_t)(end - begin) - 1};
    *at += ret->len + 2;
    return KN_OK;
}

static enum kn_status length(struct kn_str text, int64_t max, int64_t *ret)
{
    if (!kn_str_to_i64(text, ret) || *ret < -1 || *ret > max)
        return KN_INVALID;
    return KN_OK;
}

/* The bytes of a bulk string whose length line has been read. */
static enum kn_status bulk(struct kn_str data, size_t *at, struct kn_str len_text,
                           struct kn_str *ret, size_t *ret_end)
{
    int64_t len = 0;
    /* 512 MB is the protocol's own limit */
    if (length(len_text, INT64_C(512) << 20, &len) != KN_OK)
        return KN_INVALID;
    *ret = KN_STR_ABSENT;
    if (len < 0) {
        *ret_end = *at;
        return KN_OK;
    }
    *ret_end = *at + (size_t)len + 2;
    *ret = (struct kn_str){data.ptr + *at, (size_t)len};
    if (*ret_end > data.len)
        return KN_AGAIN;
    if (memcmp(ret->ptr + ret->len, "\r\n", 2) != 0)
        return KN_INVALID;
    *at = *ret_end;
    return KN_OK;
}

static enum kn_status item(struct kn_str data, size_t *at, bool last, size_t item_max,
                           struct kn_str *ret, size_t *ret_size)
{
    struct kn_str text;
    size_t start = *at;
    enum kn_status status = line(data, &start, &text);
    if (status != KN_OK)
        return status;
    char type = text.len ? text.ptr[0] : '\0';
    text = (struct kn_str){text.ptr + 1, text.len ? text.len - 1 : 0};
    if (type == '+' || type == '-' || type == ':') {
        *ret = text;
        *at = start;
        return KN_OK;
    }
    if (type != '$')
        return KN_INVALID;
    status = bulk(data, &start, text, ret, ret_size);
    if (status != KN_INVALID && ret->ptr && ret->len > item_max)
        return last ? KN_TOO_BIG : KN_INVALID;
    if (status == KN_OK)
        *at = start;
    return status;
}

enum kn_status broker_resp_next(struct kn_str data, size_t item_max, struct broker_resp *ret)
{
    ret->size = data.len + 1;
    ret->count = 0;
    if (data.len == 0)
        return KN_AGAIN;
    size_t at = 0;
    int64_t count = 1;
    ret->type = data.ptr[0];
    if (ret->type == '*') {
        struct kn_str text;
        enum kn_status status = line(data, &at, &text);
        if (status != KN_OK)
            return status;
        text = (struct kn_str){text.ptr + 1, text.len - 1};
        if (length(text, BROKER_RESP_ITEMS, &count) != KN_OK)
            return KN_INVALID;
    }
    for (int64_t i = 0; i < count; i++) {
        enum kn_status status =
            item(data, &at, i + 1 == count, item_max, &ret->items[i], &ret->size);
        if (status == KN_AGAIN && ret->size <= data.len)
            ret->size = data.len + 1;
        if (status != KN_OK)
            return status;
        ret->count++;
    }
    ret->size = at;
    return KN_OK;
}
