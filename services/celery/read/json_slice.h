/* Copies values of a body as JSON, unchanged. Internal to services/celery. */
#ifndef KN_CELERY_READ_JSON_SLICE_H
#define KN_CELERY_READ_JSON_SLICE_H

#include "services/celery/read/reader.h"

/* The start of the next value, in JSON. */
const char *celery_slice_start(const struct celery_reader *r);

/* The whole value that begins with token: for JSON the original text from start on, for msgpack a
 * JSON text in the arena. Sets *ret_sayable to false when JSON cannot represent the value (NaN,
 * infinities, bytes, half a surrogate pair), and leaves it unchanged otherwise. */
enum kn_status celery_slice(struct celery_reader *r, const struct celery_token *token,
                            const char *start, struct kn_arena *arena, struct kn_str *ret,
                            bool *ret_sayable) KN_MUST_CHECK;

#endif
