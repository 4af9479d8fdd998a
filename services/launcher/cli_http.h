/* One request to the gateway's REST. */
#ifndef KN_LAUNCHER_CLI_HTTP_H
#define KN_LAUNCHER_CLI_HTTP_H

#include "services/common/text/buf.h"

struct cli_request {
    const char *method; /* "GET", "POST", "DELETE" */
    const char *base;   /* "http://127.0.0.1:8080" */
    const char *path;   /* "/api/v1/tasks?limit=10", percent-encoded */
    const char *body;   /* JSON; NULL for none */
    long timeout_ms;
};

/* Returns the HTTP status and the body, for any status. IO: no response;
 * error has a message. */
enum kn_status cli_request(const struct cli_request *request, long *ret_code, struct kn_buf *ret,
                           struct kn_buf *error) KN_MUST_CHECK;

/* Appends text percent-encoded, as a part of a path or a query. */
void cli_encode(struct kn_buf *out, const char *text);

#endif
