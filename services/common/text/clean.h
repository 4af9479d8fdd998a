/* Makes external text safe for terminals and log lines. Terminals interpret control characters
 * (including those above 127) and direction marks; log viewers and editors interpret some of
 * them. None of these is ever written raw. */
#ifndef KN_COMMON_TEXT_CLEAN_H
#define KN_COMMON_TEXT_CLEAN_H

#include "services/common/text/buf.h"

/* The first character of s; returns its length, 0 when the bytes are not UTF-8.
 * s must not be empty. */
size_t kn_utf8_next(struct kn_str s, uint32_t *ret);

/* Whether the text is UTF-8 without any such character; a line end is one. */
bool kn_clean_is(struct kn_str text);
/* Appends the text on one line: such characters, and bytes that are not UTF-8, become
 * "\x1b", "\u202e" and the like; a line end becomes "\n". */
void kn_clean(struct kn_buf *out, struct kn_str text);
/* The same, but every line of the text begins on a line of its own, after indent. */
void kn_clean_lines(struct kn_buf *out, struct kn_str text, const char *indent);
/* The same inside JSON: the value stays, such characters are escaped. */
void kn_clean_json(struct kn_buf *out, struct kn_str json);
/* The text as a JSON string with its quotes, escaped in this way. */
void kn_clean_json_str(struct kn_buf *out, struct kn_str text);

#endif
