/* The dashboard's files, read into memory once, at start. Nothing else can be requested, whatever
 * the path. A file may have compressed copies (.br, .gz) next to it, made at build time. */
#ifndef KN_GATEWAY_HTTP_STATIC_H
#define KN_GATEWAY_HTTP_STATIC_H

#include "gateway/http/exchange.h"

enum {
    GW_STATIC_FILES_MAX = 4096,
    GW_STATIC_BYTES_MAX = 64 << 20, /* of all files together */
};

struct gw_static;

/* Reads the folder. Skips links and files whose names begin with ".". csp.json lists what the
 * Content-Security-Policy allows besides 'self'. The dashboard's build writes it next to the
 * folder, or into the folder, where it is not served: {"script_hashes": ["sha256-…"]}. NOT_FOUND:
 * no such folder. */
enum kn_status gw_static_load(const char *dir, struct gw_static **ret) KN_MUST_CHECK;
void gw_static_free(struct gw_static *files);

/* In an .html file, inserts the request's prefix before each path that begins with "/" and is the
 * value of href, src or data-base; frontend/app/lib/base.ts uses it. Answers x->path: a file, or
 * 200.html if there is none (the dashboard then interprets the path), but 404 below /_nuxt/. files
 * may be NULL. */
void gw_static_answer(const struct gw_static *files, struct gw_exchange *x);
/* The value of Content-Security-Policy for the dashboard's pages. */
const char *gw_static_policy(const struct gw_static *files);
size_t gw_static_count(const struct gw_static *files);

#endif
