/* HTTP requests to a service on this machine. */
#ifndef KN_LAUNCHER_ASK_H
#define KN_LAUNCHER_ASK_H

#include "services/common/status.h"
#include "services/common/text/buf.h"

#include <jansson.h>

/* GET of path ("/api/v1/system") from the gateway listening on address. The caller
 * owns *ret (json_decref). IO: no response with status 200 and JSON.
 * Waits at most 300 ms, because the services are not supervised meanwhile. */
enum kn_status ask_gateway(const char *address, const char *path, json_t **ret) KN_MUST_CHECK;

/* GET of a path of any content type; *ret_code is the HTTP status, the body is appended to ret.
 * IO: no response within timeout_ms. */
enum kn_status ask_path(const char *address, const char *path, long timeout_ms, struct kn_buf *ret,
                        long *ret_code) KN_MUST_CHECK;

/* "http://127.0.0.1:8080" for the address; a wildcard address becomes
 * loopback. ret has room for size bytes. */
void ask_url(const char *address, char *ret, size_t size);

#endif
