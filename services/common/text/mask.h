/* Hides the secrets of URLs in output. */
#ifndef KN_COMMON_TEXT_MASK_H
#define KN_COMMON_TEXT_MASK_H

#include "services/common/text/buf.h"

/* The URL without user, password and query. A part that may hold a piece of a password,
 * because the URL is wrong, is written as "***". Lists with ";" are understood. */
void kn_mask_url(const char *url, struct kn_buf *ret);

/* A sentence of a library or a server about the URL: the URL, its passwords, and pieces of
 * a password that was not percent-encoded are written as "***". url may be NULL. */
void kn_mask_text(struct kn_str text, const char *url, struct kn_buf *ret);

/* Whether the URL, or one of a list, has a password, before the host or in the query.
 * "guest" of the user "guest" is none. */
bool kn_url_has_password(const char *url);

#endif
