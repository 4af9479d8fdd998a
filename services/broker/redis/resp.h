/* Parses the part of the Redis protocol that a subscriber receives: flat arrays of texts and
 * numbers, and simple replies. Works on bytes in memory; no I/O, no copies.
 *
 *   *4\r\n $8\r\npmessage\r\n $<n>\r\n<pattern>\r\n $<n>\r\n<channel>\r\n $<n>\r\n<body>\r\n
 *   +PONG\r\n   -ERR text\r\n   :1\r\n */
#ifndef BROKER_REDIS_RESP_H
#define BROKER_REDIS_RESP_H

#include "services/common/status.h"
#include "services/common/text/str.h"

#define BROKER_RESP_ITEMS 8

struct broker_resp {
    char type; /* '*' for an array, else the type of its only item */
    size_t count;
    struct kn_str items[BROKER_RESP_ITEMS]; /* into the bytes; absent for a null */
    size_t size;                            /* bytes of the whole reply */
};

/* Reads one reply from the start of data. OK: *ret is set. AGAIN: more bytes are needed; ret->size
 * is the minimum size of the reply. TOO_BIG: the last item is longer than item_max; ret->size is
 * the number of bytes to skip. INVALID: not the Redis protocol. */
enum kn_status broker_resp_next(struct kn_str data, size_t item_max,
                                struct broker_resp *ret) KN_MUST_CHECK;

#endif
