#include "gateway/http/head.h"

#include "services/common/count.h"

/* RFC 9110, section 5.6.2. */
static bool is_token_char(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_token(struct kn_str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!is_token_char((unsigned char)text.ptr[i]))
            return false;
    return text.len > 0;
}

enum kn_status gw_head_end(struct kn_str data, size_t *at)
{
    for (size_t i = *at; i < data.len; i++) {
        unsigned char c = (unsigned char)data.ptr[i];
        bool after_cr = i > 0 && data.ptr[i - 1] == '\r';
        if ((c == '\n') != after_cr || (c < ' ' && !strchr("\r\n\t", c)) || c == 0 || c == 0x7f)
            return KN_INVALID;
        if (c == '\n' && i >= 3 && memcmp(data.ptr + i - 3, "\r\n\r", 3) == 0) {
            *at = i + 1;
            return KN_OK;
        }
        *at = i + 1;
    }
    return KN_AGAIN;
}

static enum kn_status refuse(struct gw_head *head, int status, const char *detail)
{
    head->status = status;
    head->detail = detail;
    return KN_INVALID;
}

/* ---- the first line --------------------------------------------------------------------- */

/* Up to the separator, which is passed over; absent if there is none. */
static struct kn_str cut(struct kn_str *rest, char separator)
{
    const char *end = rest->len ? memchr(rest->ptr, separator, rest->len) : NULL;
    if (!end)
        return KN_STR_ABSENT;
    struct kn_str part = {rest->ptr, (size_t)(end - rest->ptr)};
    rest->ptr = end + 1;
    rest->len -= part.len + 1;
    return part;
}

static enum kn_status read_version(struct gw_head *head, struct kn_str version)
{
    if (version.len != 8 || !kn_str_starts(version, KN_STR("HTTP/")) || version.ptr[6] != '.' ||
        version.ptr[5] < '0' || version.ptr[5] > '9' || version.ptr[7] < '0' ||
        version.ptr[7] > '9')
        return refuse(head, 400, "the first line of a request must be METHOD /path HTTP/1.1");
    if (version.ptr[5] != '1' || version.ptr[7] > '1')
        return refuse(head, 505, "HTTP version not supported: use HTTP/1.1 or HTTP/1.0");
    head->minor = version.ptr[7] - '0';
    return KN_OK;
}

/* "http://host/path", which proxies send: the host is compared with the Host header. */
static bool skip_authority(struct kn_str *target, struct kn_str *ret_authority)
{
    struct kn_str scheme = {target->ptr, target->len < 7 ? target->len : 7};
    if (!kn_str_eq_nocase(scheme, KN_STR("http://")))
        return false;
    size_t end = 7;
    while (end < target->len && !strchr("/?", target->ptr[end]))
        end++;
    *ret_authority = (struct kn_str){target->ptr + 7, end - 7};
    *target = (struct kn_str){target->ptr + end, target->len - end};
    return true;
}

static enum kn_status read_target(struct gw_head *head, struct kn_str target,
                                  struct kn_str *ret_authority)
{
    for (size_t i = 0; i < target.len; i++)
        if ((unsigned char)target.ptr[i] <= ' ' || (unsigned char)target.ptr[i] >= 0x7f ||
            target.ptr[i] == '#')
            return refuse(head, 400, "the path has a character that must be percent-encoded");
    if (kn_str_eq(head->method, KN_STR("CONNECT")))
        return refuse(head, 405, "CONNECT is not supported: this is not a proxy");
    if (kn_str_eq(target, KN_STR("*")) && kn_str_eq(head->method, KN_STR("OPTIONS"))) {
        head->path = target;
        return KN_OK;
    }
    bool absolute = skip_authority(&target, ret_authority);
    if (!target.len || target.ptr[0] != '/') {
        if (!absolute || target.len)
            return refuse(head, 400, "the path must begin with /");
        target = KN_STR("/");
    }
    struct kn_str rest = target;
    struct kn_str path = cut(&rest, '?');
    head->path = path.ptr ? path : target;
    head->query = path.ptr ? rest : KN_STR_ABSENT;
    return KN_OK;
}

static enum kn_status read_first_line(struct gw_head *head, struct kn_str line,
                                      struct kn_str *ret_authority)
{
    struct kn_str method = cut(&line, ' '), target = cut(&line, ' ');
    if (!is_token(method) || !target.len)
        return refuse(head, 400, "the first line of a request must be METHOD /path HTTP/1.1");
    head->method = method;
    enum kn_status status = read_version(head, line);
    return status == KN_OK ? read_target(head, target, ret_authority) : status;
}

/* ---- headers ---------------------------------------------------------------------------- */

static struct kn_str trim(struct kn_str s)
{
    while (s.len && (*s.ptr == ' ' || *s.ptr == '\t'))
        s = (struct kn_str){s.ptr + 1, s.len - 1};
    while (s.len && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t'))
        s.len--;
    return s;
}

static enum kn_status read_header(struct gw_head *head, struct kn_str line)
{
    if (line.ptr[0] == ' ' || line.ptr[0] == '\t')
        return refuse(head, 400, "a header may not continue on the next line");
    if (head->n_headers == GW_HEADERS_MAX)
        return refuse(head, 431, "a request may have at most 64 headers");
    struct kn_str name = cut(&line, ':');
    if (!is_token(name))
        return refuse(head, 400,
                      "a header must be a name, a colon without a space before it, and a value");
    head->headers[head->n_headers++] = (struct gw_header){name, trim(line)};
    return KN_OK;
}

static enum kn_status read_lines(struct gw_head *head, struct kn_str data,
                                 struct kn_str *ret_authority)
{
    enum kn_status status = KN_OK;
    for (bool first = true; status == KN_OK; first = false) {
        struct kn_str line = cut(&data, '\r');
        if (!line.ptr || !data.len || data.ptr[0] != '\n')
            return refuse(head, 400, "each line of a request's head must end with CR LF");
        data = (struct kn_str){data.ptr + 1, data.len - 1};
        if (!first && line.len == 0)
            return data.len ? refuse(head, 400, "the request's head is incomplete") : KN_OK;
        status = first ? read_first_line(head, line, ret_authority) : read_header(head, line);
    }
    return status;
}

struct kn_str gw_head_get(const struct gw_head *head, const char *name)
{
    for (size_t i = 0; i < head->n_headers; i++)
        if (kn_str_eq_nocase(head->headers[i].name, kn_str_from(name)))
            return head->headers[i].value;
    return KN_STR_ABSENT;
}

size_t gw_head_count(const struct gw_head *head, const char *name)
{
    size_t count = 0;
    for (size_t i = 0; i < head->n_headers; i++)
        count += kn_str_eq_nocase(head->headers[i].name, kn_str_from(name));
    return count;
}

bool gw_head_lists(const struct gw_head *head, const char *name, const char *word)
{
    for (size_t i = 0; i < head->n_headers; i++) {
        struct kn_str rest = head->headers[i].value, item;
        if (!kn_str_eq_nocase(head->headers[i].name, kn_str_from(name)))
            continue;
        while ((item = cut(&rest, ',')).ptr)
            if (kn_str_eq_nocase(trim(item), kn_str_from(word)))
                return true;
        if (kn_str_eq_nocase(trim(rest), kn_str_from(word)))
            return true;
    }
    return false;
}

/* ---- what they say ---------------------------------------------------------------------- */

/* Headers that two programs could read differently if given twice. */
static const char *const once[] = {
    "Host",   "Content-Length", "Content-Type",   "Transfer-Encoding", "Origin",
    "Expect", "Upgrade",        "Sec-Fetch-Site", "Sec-WebSocket-Key", "Sec-WebSocket-Version"};

static enum kn_status check_once(struct gw_head *head)
{
    for (size_t i = 0; i < KN_COUNT_OF(once); i++)
        if (gw_head_count(head, once[i]) > 1)
            return refuse(head, 400, "a single-value header is given twice");
    return KN_OK;
}

static enum kn_status read_length(struct gw_head *head)
{
    struct kn_str coding = gw_head_get(head, "Transfer-Encoding");
    struct kn_str length = gw_head_get(head, "Content-Length");
    if (coding.ptr && (length.ptr || head->minor == 0))
        return refuse(head, 400,
                      "Transfer-Encoding is not allowed with Content-Length or HTTP/1.0");
    if (coding.ptr && kn_str_eq_nocase(coding, KN_STR("chunked")))
        return refuse(head, 411, "a request body requires a Content-Length");
    if (coding.ptr)
        return refuse(head, 501, "Transfer-Encoding is not supported: send a Content-Length");
    for (size_t i = 0; length.ptr && i < length.len; i++)
        if (length.ptr[i] < '0' || length.ptr[i] > '9')
            return refuse(head, 400, "Content-Length must be a number");
    if (length.ptr && !length.len)
        return refuse(head, 400, "Content-Length must be a number");
    if (length.ptr && !kn_str_to_u64(length, &head->content_length))
        head->content_length = UINT64_MAX;
    return KN_OK;
}

static enum kn_status read_meaning(struct gw_head *head, struct kn_str authority)
{
    struct kn_str host = gw_head_get(head, "Host"), expect = gw_head_get(head, "Expect");
    if (!host.ptr && head->minor > 0)
        return refuse(head, 400, "the Host header is missing");
    if (authority.ptr && host.ptr && !kn_str_eq_nocase(authority, host))
        return refuse(head, 400, "the Host header and the host in the request line differ");
    if (expect.ptr && !kn_str_eq_nocase(expect, KN_STR("100-continue")))
        return refuse(head, 417, "unknown Expect: only 100-continue is allowed");
    head->expects_continue = expect.ptr && head->minor > 0;
    head->keep_alive = head->minor > 0 && !gw_head_lists(head, "Connection", "close");
    struct kn_str upgrade = gw_head_get(head, "Upgrade");
    head->upgrade = upgrade.ptr && kn_str_eq_nocase(upgrade, KN_STR("websocket")) &&
                    gw_head_lists(head, "Connection", "upgrade");
    return KN_OK;
}

enum kn_status gw_head_parse(struct kn_str data, struct gw_head *ret)
{
    struct kn_str authority = KN_STR_ABSENT;
    ret->method = ret->path = ret->query = KN_STR_ABSENT;
    ret->n_headers = 0;
    ret->content_length = 0;
    ret->minor = ret->status = 0;
    ret->keep_alive = ret->expects_continue = ret->upgrade = false;
    ret->detail = NULL;
    size_t end = 0;
    if (data.len > GW_HEAD_MAX)
        return refuse(ret, 431, "the request line and headers may have at most 32768 bytes");
    if (gw_head_end(data, &end) != KN_OK || end != data.len)
        return refuse(ret, 400, "the request line or a header has a byte that is not allowed");
    enum kn_status status = read_lines(ret, data, &authority);
    if (status == KN_OK)
        status = check_once(ret);
    if (status == KN_OK)
        status = read_length(ret);
    return status == KN_OK ? read_meaning(ret, authority) : status;
}
