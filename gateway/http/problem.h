/* Errors of requests, for people and programs: RFC 9457. */
#ifndef KN_GATEWAY_HTTP_PROBLEM_H
#define KN_GATEWAY_HTTP_PROBLEM_H

#include "services/common/text/buf.h"

struct gw_problem {
    int status; /* of HTTP; 0: no error */
    char parameter[64];
    char detail[1024];
    const char *code; /* for programs, static; NULL: the status is enough */
    char new_id[64];  /* of a task that may have been sent; "" for none */
};

/* Codes. */
#define GW_NO_ANSWER "no_answer" /* a service did not answer in time */
#define GW_OUTCOME_UNKNOWN                                                                         \
    "outcome_unknown" /* the action may have been carried out: check before repeating it */

/* Only the first problem is kept. parameter may be NULL. The arguments may contain text from
 * the client: it is truncated, and escaped when it is written. */
void gw_problem_set(struct gw_problem *problem, int status, const char *parameter,
                    const char *format, ...) __attribute__((format(printf, 4, 5)));
/* Appends the problem document; instance is the requested path. */
void gw_problem_json(struct kn_buf *out, const struct gw_problem *problem, struct kn_str instance);
/* "Not Found"; "Error" for a status that the gateway never sends. Static. */
const char *gw_http_reason(int status);

#endif
