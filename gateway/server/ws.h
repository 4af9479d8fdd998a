/* Frames of WebSocket, RFC 6455. No I/O. */
#ifndef KN_GATEWAY_SERVER_WS_H
#define KN_GATEWAY_SERVER_WS_H

#include "services/common/status.h"
#include "services/common/text/buf.h"
#include "services/common/text/str.h"

enum gw_ws_opcode {
    GW_WS_CONTINUATION = 0,
    GW_WS_TEXT = 1,
    GW_WS_BINARY = 2,
    GW_WS_CLOSE = 8,
    GW_WS_PING = 9,
    GW_WS_PONG = 10,
};

enum {
    GW_WS_HEADER_MAX = 14,
    GW_WS_CONTROL_MAX = 125, /* bytes of a ping, a pong and a close */
    /* Why a connection is closed. */
    GW_WS_GOING_AWAY = 1001,
    GW_WS_PROTOCOL_ERROR = 1002,
    GW_WS_NOT_UTF8 = 1007,
    GW_WS_TOO_BIG = 1009,
    GW_WS_TRY_LATER = 1013,
};

/* Assembles a client's messages from frames. */
struct gw_ws_reader {
    struct kn_buf message; /* the received part of a fragmented message */
    bool in_message;
    enum gw_ws_opcode opcode; /* of that message */
    size_t max;               /* bytes of a message */
};

struct gw_ws_event {
    enum gw_ws_opcode opcode; /* TEXT, BINARY: a whole message; CLOSE, PING, PONG */
    struct kn_str payload;    /* in the data or in the reader, until the next call */
    size_t size;              /* bytes consumed */
    int code;                 /* for a frame that ends the connection */
};

/* max: bytes of a message, in one or more frames. */
void gw_ws_reader_init(struct gw_ws_reader *reader, size_t max);
void gw_ws_reader_fini(struct gw_ws_reader *reader);

/* Reads the frame at the start of data, and unmasks its payload in place. OK: *ret is an event.
 * AGAIN: with ret->size > 0, part of a message was consumed; otherwise more data is needed, at most
 * max + GW_WS_HEADER_MAX bytes in total. INVALID: close the connection with ret->code; an oversized
 * frame is detected as soon as its length is known. */
enum kn_status gw_ws_read(struct gw_ws_reader *reader, char *data, size_t len,
                          struct gw_ws_event *ret) KN_MUST_CHECK;

/* Writes the header of an unmasked, unfragmented frame. Returns its size. */
size_t gw_ws_header(char out[static GW_WS_HEADER_MAX], enum gw_ws_opcode opcode, size_t len);
/* Appends the answer to Sec-WebSocket-Key. False: key is invalid. */
bool gw_ws_accept(struct kn_str key, struct kn_buf *out);

#endif
