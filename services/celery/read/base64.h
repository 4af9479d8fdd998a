/* Base64, RFC 4648 section 4: how kombu puts bodies into JSON. */
#ifndef KN_CELERY_READ_BASE64_H
#define KN_CELERY_READ_BASE64_H

#include "services/common/text/buf.h"
#include "services/common/text/str.h"

/* Decodes like Python's b64decode: characters outside the alphabet are skipped. out must have room
 * for text.len / 4 * 3 + 4 bytes. False when the padding is wrong. */
bool celery_base64_decode(struct kn_str text, char *out, size_t *ret_len);

/* Appends s in base64 to out. */
void celery_base64_encode(struct kn_buf *out, struct kn_str s);

#endif
