/* For handlers: problems as answers, and the ends of lists. */
#ifndef KN_GATEWAY_HTTP_REPLY_H
#define KN_GATEWAY_HTTP_REPLY_H

#include "gateway/http/exchange.h"

/* Makes x a problem. */
void gw_fail(struct gw_exchange *x, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Makes x a problem: not enough memory for this answer. */
void gw_fail_memory(struct gw_exchange *x);
/* Makes x a problem: an action was sent to its service, and its outcome is unknown. why: text
 * for people. */
void gw_fail_unknown(struct gw_exchange *x, const char *why);
/* Marks the problem of x as one whose outcome is unknown, for programs. */
void gw_tell_unknown(struct gw_exchange *x);
/* Makes x an answer without a body, also when it is a problem by now. */
void gw_answer_nothing(struct gw_exchange *x);
/* True if all parameters are valid; otherwise x is a problem. */
bool gw_params_ok(struct gw_exchange *x);

/* The position in the parameter cursor; absent without one. Mistakes go to x->params. */
struct kn_str gw_read_cursor(struct gw_exchange *x);
/* Appends ],"next_cursor":…} to a list. position absent: the last page. */
void gw_end_list(struct gw_exchange *x, struct kn_str position);
/* The same for positions that are numbers of storage: 0 without a cursor and on the last page. */
uint64_t gw_read_number_cursor(struct gw_exchange *x);
void gw_end_numbered_list(struct gw_exchange *x, uint64_t next);

#endif
