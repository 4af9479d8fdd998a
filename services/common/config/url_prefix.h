/* The path under which a proxy serves Kanchi: gateway.url_prefix, or the proxy's
 * X-Forwarded-Prefix. It is inserted into pages, so it must not contain characters with a
 * special meaning in HTML or URLs. */
#ifndef KN_COMMON_CONFIG_URL_PREFIX_H
#define KN_COMMON_CONFIG_URL_PREFIX_H

#include "services/common/text/buf.h"

enum { KN_URL_PREFIX_MAX = 200 }; /* bytes */

/* "kanchi", "/kanchi" and "/kanchi/" append "/kanchi"; "" and "/" append nothing. A segment has
 * letters, digits and "-._~", and is neither "." nor "..". NULL, or what is wrong with the text
 * (static); then nothing is appended. */
const char *kn_url_prefix_read(struct kn_str text, struct kn_buf *ret);

#endif
