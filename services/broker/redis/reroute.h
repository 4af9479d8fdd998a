/* Changes where a Redis message belongs: the exchange and routing key in kombu's envelope
 *   {"body": …, "properties": {…, "delivery_info": {"exchange": "", "routing_key": "q"}, …}}
 * to which kombu returns the message when the worker that holds it dies (kombu/transport/redis.py,
 * _do_restore_message). No I/O. */
#ifndef BROKER_REDIS_REROUTE_H
#define BROKER_REDIS_REROUTE_H

#include "services/common/text/buf.h"

/* Appends the envelope with the default exchange and the queue in their place, and every other byte
 * unchanged. INVALID, with nothing appended, when the envelope has no such fields. */
enum kn_status broker_reroute(struct kn_str envelope, struct kn_str queue,
                              struct kn_buf *out) KN_MUST_CHECK;

#endif
