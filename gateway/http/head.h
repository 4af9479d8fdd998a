/* The head of an HTTP/1.1 request, parsed strictly by RFC 9112. Ambiguous heads are refused, so
 * that a proxy and we never see different requests. No I/O. */
#ifndef KN_GATEWAY_HTTP_HEAD_H
#define KN_GATEWAY_HTTP_HEAD_H

#include "services/common/status.h"
#include "services/common/text/str.h"

enum {
    GW_HEAD_MAX = 32768, /* bytes, with the empty line at its end */
    GW_HEADERS_MAX = 64,
};

struct gw_header {
    struct kn_str name;
    struct kn_str value; /* without the white space around it */
};

/* All texts point into the input. */
struct gw_head {
    struct kn_str method;
    struct kn_str path;  /* begins with "/", still percent-encoded; "*" only with OPTIONS */
    struct kn_str query; /* absent without one */
    int minor;           /* of the version: HTTP/1.1 or HTTP/1.0 */
    struct gw_header headers[GW_HEADERS_MAX];
    size_t n_headers;
    uint64_t content_length; /* 0 if missing */
    bool keep_alive;
    bool expects_continue;
    bool upgrade; /* to WebSocket */

    /* If the request is refused. */
    int status;         /* of HTTP */
    const char *detail; /* static */
};

/* Looks for the end of a growing head, starting at *at, which is 0 at first. OK: *at is its size.
 * AGAIN: more data is needed. INVALID: not the beginning of a head. */
enum kn_status gw_head_end(struct kn_str data, size_t *at) KN_MUST_CHECK;
/* data: a complete head. INVALID: refused with ret->status. */
enum kn_status gw_head_parse(struct kn_str data, struct gw_head *ret) KN_MUST_CHECK;

/* The first header with this name, absent without one. */
struct kn_str gw_head_get(const struct gw_head *head, const char *name);
size_t gw_head_count(const struct gw_head *head, const char *name);
/* Whether a header's list contains this word, in any of its lines. */
bool gw_head_lists(const struct gw_head *head, const char *name, const char *word);

#endif
