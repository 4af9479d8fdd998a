/* What went wrong with a request, as people and programs are told: RFC 9457. */
#ifndef KN_GATEWAY_HTTP_PROBLEM_H
#define KN_GATEWAY_HTTP_PROBLEM_H

#include "services/common/text/buf.h"

struct gw_problem {
    int status; /* of HTTP; 0: nothing went wrong */
    char parameter[64];
    char detail[1024];
    const char *code; /* for programs, static; NULL: the status says it all */
    char new_id[64];  /* of a task that may have been sent; "" for none */
};

/* Codes. */
#define GW_NO_ANSWER "no_answer" /* a service was asked, and did not answer in time */
#define GW_OUTCOME_UNKNOWN                                                                         \
    "outcome_unknown" /* it may have been done: ask before it is tried again */

/* Keeps the first: later ones are ignored. parameter may be NULL. Text that the
 * client sent may be in the arguments: it is cut, and escaped when written. */
void gw_problem_set(struct gw_problem *problem, int status, const char *parameter,
                    const char *format, ...) __attribute__((format(printf, 4, 5)));
/* Appends the problem document; instance is the path that was asked for. */
void gw_problem_json(struct kn_buf *out, const struct gw_problem *problem, struct kn_str instance);
/* "Not Found"; "Error" for a number that we never send. Static. */
const char *gw_http_reason(int status);

#endif
