/* The JSON object in a request's body, read like parameters: each member by name. The first mistake
 * is kept in x->params.problem. gw_body_ok, called once at the end, also refuses members that were
 * not read. */
#ifndef KN_GATEWAY_HTTP_BODY_H
#define KN_GATEWAY_HTTP_BODY_H

#include "gateway/http/exchange.h"

enum { GW_MEMBERS_MAX = 64, GW_LIST_MAX = 100000 };

/* Reads x->body_in; no body is an object without members. */
void gw_body_read(struct gw_exchange *x);

/* Absent if missing or null; never empty. */
struct kn_str gw_body_text(struct gw_exchange *x, const char *key);
/* Up to GW_LIST_MAX texts. */
struct kn_strs gw_body_texts(struct gw_exchange *x, const char *key);
bool gw_body_flag(struct gw_exchange *x, const char *key, bool fallback);
/* A whole number from least to most; .set is false if missing. */
struct kn_opt_i64 gw_body_i64(struct gw_exchange *x, const char *key, int64_t least, int64_t most);
struct kn_opt_f64 gw_body_f64(struct gw_exchange *x, const char *key, double least, double most);
/* RFC 3339; 0 if missing. */
int64_t gw_body_time(struct gw_exchange *x, const char *key);
/* The member's value as sent by the client; absent if missing. kind: '[' or '{' if it must be an
 * array or object, 0 for anything. */
struct kn_str gw_body_json(struct gw_exchange *x, const char *key, char kind);

/* Records a mistake if there are unread members. */
void gw_body_refuse_rest(struct gw_exchange *x);
/* Whether body and parameters are valid; if not, x is a problem. */
bool gw_body_ok(struct gw_exchange *x);

#endif
