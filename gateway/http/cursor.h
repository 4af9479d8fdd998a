/* Cursors of lists: where the next page begins, in an opaque form that clients send back. A cursor
 * is base64url (RFC 4648, no padding) of
 *
 *   1 byte   version, 1
 *   8 bytes  fingerprint of the request it belongs to, little-endian
 *   rest     the position, defined by the handler of the list */
#ifndef KN_GATEWAY_HTTP_CURSOR_H
#define KN_GATEWAY_HTTP_CURSOR_H

#include "services/common/data/arena.h"
#include "services/common/text/buf.h"

enum { GW_CURSOR_MAX = 512 /* bytes of the text */ };

/* Appends the text. Positions that don't fit set TOO_BIG in out. */
void gw_cursor_write(struct kn_buf *out, uint64_t fingerprint, struct kn_str position);
/* INVALID: not our cursor; CONFLICT: issued for other parameters. */
enum kn_status gw_cursor_read(struct kn_str text, uint64_t fingerprint, struct kn_arena *arena,
                              struct kn_str *ret_position) KN_MUST_CHECK;

#endif
