/* Reading values of a Redis by their keys; nothing is ever written. Knows nothing of
 * what is in them.
 *
 * One thread at a time. Connects when it is first needed; after a failure the next
 * call connects anew. */
#ifndef BROKER_VALUES_H
#define BROKER_VALUES_H

#include "services/broker/broker.h"

enum { BROKER_VALUES_MAX = 256 }; /* keys at once */

struct broker_values;

/* Whether the server of a URL can be read by keys. */
bool broker_values_can(const struct broker_url *url);

/* The options are copied; what they point to must outlive it. */
enum kn_status broker_values_new(const struct broker_options *options,
                                 struct broker_values **ret) KN_MUST_CHECK;
/* NULL is allowed. */
void broker_values_free(struct broker_values *values);
/* The last failure as a sentence without secrets; "" when there was none. */
const char *broker_values_error(const struct broker_values *values);

/* The first max bytes of the value of each key ("<key prefix><key>"), at most
 * BROKER_VALUES_MAX of them, in one go. Absent when there is none, or it is no text.
 * The texts live until the next call. */
enum kn_status broker_values_get(struct broker_values *values, const struct kn_str *keys,
                                 size_t count, size_t max, struct kn_str *ret) KN_MUST_CHECK;

#endif
