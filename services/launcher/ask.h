/* Asks a service of this machine over HTTP. */
#ifndef KN_LAUNCHER_ASK_H
#define KN_LAUNCHER_ASK_H

#include "services/common/status.h"
#include "services/common/text/buf.h"

#include <jansson.h>

/* GET of path ("/api/v1/system") at the gateway that listens on address. *ret
 * is the caller's (json_decref). IO: no answer with status 200 and JSON in it.
 * Waits 300 ms at most: meanwhile nobody looks after the services. */
enum kn_status ask_gateway(const char *address, const char *path, json_t **ret) KN_MUST_CHECK;

/* GET of a path that need not be JSON; *ret_code is HTTP's, the body is added to ret. IO:
 * no answer within timeout_ms. */
enum kn_status ask_path(const char *address, const char *path, long timeout_ms, struct kn_buf *ret,
                        long *ret_code) KN_MUST_CHECK;

/* "http://127.0.0.1:8080" for the address; a host that is everywhere becomes
 * this machine. ret has room for size bytes. */
void ask_url(const char *address, char *ret, size_t size);

#endif
