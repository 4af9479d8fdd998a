/* Reads values of a Redis server by key, and never writes. Knows nothing about their content.
 *
 * One thread at a time. Connects on first use; after a failure the next call reconnects. */
#ifndef BROKER_VALUES_H
#define BROKER_VALUES_H

#include "services/broker/broker.h"

enum { BROKER_VALUES_MAX = 256 }; /* keys at once */

struct broker_values;

/* Whether the server of a URL supports reading by key. */
bool broker_values_can(const struct broker_url *url);

/* Copies the options; what they point to must outlive ret. */
enum kn_status broker_values_new(const struct broker_options *options,
                                 struct broker_values **ret) KN_MUST_CHECK;
/* NULL is allowed. */
void broker_values_free(struct broker_values *values);
/* The last failure as a sentence without secrets; "" if none. */
const char *broker_values_error(const struct broker_values *values);

/* The first max bytes of the value of each key ("<key prefix><key>"), at most BROKER_VALUES_MAX of
 * them, in one request. Absent if the key is missing or not a string. The texts live until the next
 * call. */
enum kn_status broker_values_get(struct broker_values *values, const struct kn_str *keys,
                                 size_t count, size_t max, struct kn_str *ret) KN_MUST_CHECK;

#endif
