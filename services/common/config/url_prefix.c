#include "services/common/config/url_prefix.h"

#include <string.h>

static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("-._~", c));
}

static const char *segment_fault(struct kn_str segment)
{
    if (segment.len == 0)
        return "has an empty segment";
    if (kn_str_eq(segment, KN_STR(".")) || kn_str_eq(segment, KN_STR("..")))
        return "has a segment that is \".\" or \"..\"";
    for (size_t i = 0; i < segment.len; i++)
        if (!is_unreserved(segment.ptr[i]))
            return "is not a path of letters, digits and -._~ such as /kanchi";
    return NULL;
}

const char *kn_url_prefix_read(struct kn_str text, struct kn_buf *ret)
{
    const char *at = text.ptr, *end = text.ptr + text.len;
    size_t before = ret->len;
    if (text.len > KN_URL_PREFIX_MAX)
        return "is longer than 200 bytes";
    if (at < end && *at == '/')
        at++;
    while (at < end) {
        const char *slash = memchr(at, '/', (size_t)(end - at));
        struct kn_str segment = {at, (size_t)((slash ? slash : end) - at)};
        const char *fault = segment_fault(segment);
        if (fault) {
            ret->len = before;
            return fault;
        }
        kn_buf_char(ret, '/');
        kn_buf_str(ret, segment);
        at = slash ? slash + 1 : end;
    }
    return NULL;
}
