/* The dashboard's files: read into memory once, at start. What is not in the
 * folder then cannot be asked for, whatever the path says. Beside a file there
 * may be the same one compressed (.br, .gz), made at build time. */
#ifndef KN_GATEWAY_HTTP_STATIC_H
#define KN_GATEWAY_HTTP_STATIC_H

#include "gateway/http/exchange.h"

enum {
    GW_STATIC_FILES_MAX = 4096,
    GW_STATIC_BYTES_MAX = 64 << 20, /* of all files together */
};

struct gw_static;

/* Reads the folder. Files whose names begin with "." are passed over, and so are
 * links. What the Content-Security-Policy allows besides 'self' is in csp.json,
 * which the build of the dashboard writes beside the folder (or in it, where it is
 * not served): {"script_hashes": ["sha256-…"]}.
 * NOT_FOUND: no such folder. */
enum kn_status gw_static_load(const char *dir, struct gw_static **ret) KN_MUST_CHECK;
void gw_static_free(struct gw_static *files);

/* In an .html file the prefix of the request goes before each path that begins with "/" and is the
 * value of href, src or data-base: where the page then finds everything, frontend/app/lib/base.ts.
 * Answers x->path: a file, or 200.html where there is none (the dashboard then
 * shows what the path means), but 404 below /_nuxt/. files may be NULL. */
void gw_static_answer(const struct gw_static *files, struct gw_exchange *x);
/* The value of Content-Security-Policy for the dashboard's pages. */
const char *gw_static_policy(const struct gw_static *files);
size_t gw_static_count(const struct gw_static *files);

#endif
