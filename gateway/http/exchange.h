/* One request and its answer, independent of the connection. */
#ifndef KN_GATEWAY_HTTP_EXCHANGE_H
#define KN_GATEWAY_HTTP_EXCHANGE_H

#include "gateway/http/params.h"
#include "gateway/http/problem.h"
#include "services/common/data/arena.h"
#include "services/common/text/buf.h"

struct gw_app;
struct gw_member;

enum {
    GW_PATH_MAX = 16384,             /* bytes of an encoded path: an ID has up to 4,096 */
    GW_PREFIX_MAX = 1024,            /* bytes of the prefix of a path */
    GW_BODY_MAX = 64 << 20,          /* bytes of an answer */
    GW_REQUEST_ARENA_MAX = 64 << 20, /* bytes */
};

struct gw_exchange {
    struct gw_app *app; /* for the handlers */
    /* The request. All texts are valid as long as the exchange. */
    struct kn_str method;
    struct kn_str path;  /* still percent-encoded; the prefix is removed once it is found */
    struct kn_str query; /* absent without one */
    struct kn_str arg;   /* the variable part of the route's path, decoded */
    struct kn_str accept_encoding;
    struct kn_str if_none_match;
    struct kn_str forwarded_prefix; /* X-Forwarded-Prefix; absent without one */
    bool head;             /* the method is HEAD: answer as for GET; the body is not sent */
    struct kn_str body_in; /* of a request that has a body */
    struct kn_str agent;   /* User-Agent */
    struct kn_str user;    /* from the header gateway.user_header; absent without one */
    char remote[64];       /* address of the client */
    struct kn_str prefix;  /* of the browser's paths: "" or "/kanchi" */
    struct gw_params params;
    const char *body_names;    /* allowed members of the body, separated by spaces; NULL: any */
    struct gw_member *members; /* of the body, body.h */
    size_t n_members;
    struct kn_arena arena;
    bool changes;         /* the request is an action and not a dry run */
    bool acted;           /* the action was sent to its service, which may have carried it out */
    struct kn_str new_id; /* of the task that the action sends; absent if none */

    /* The answer. */
    int status;
    const char *type;     /* Content-Type, static */
    const char *cache;    /* Cache-Control, static; NULL: no-store */
    const char *encoding; /* Content-Encoding, static; NULL for none */
    const char *allow;    /* Allow, static; NULL for none */
    int retry_after;      /* seconds; 0 for none */
    bool page;            /* a page of the dashboard: gets a Content-Security-Policy */
    char etag[40];        /* with quotes; "" for none */
    struct kn_buf body;   /* the body, unless stored is set */
    struct kn_str stored; /* a body owned by someone else */
    struct gw_problem problem;
};

/* memory: budget for the answer; NULL: unlimited. */
void gw_exchange_init(struct gw_exchange *x, struct kn_budget *memory);
void gw_exchange_fini(struct gw_exchange *x);

/* Makes the answer the problem document of x->problem, which must be set. */
void gw_exchange_fail(struct gw_exchange *x);
/* The body to send. */
struct kn_str gw_exchange_body(const struct gw_exchange *x);
/* Gives an answer with status 200 an ETag based on its body; changes the status to 304 if the
 * client already has that body. */
void gw_exchange_tag(struct gw_exchange *x);
/* True if a tag in an If-None-Match header matches etag (weak comparison). */
bool gw_etag_matches(struct kn_str header, const char *etag);

#endif
