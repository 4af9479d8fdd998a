/* Values out of a body as JSON, exactly as they are there. Internal to services/celery. */
#ifndef KN_CELERY_READ_JSON_SLICE_H
#define KN_CELERY_READ_JSON_SLICE_H

#include "services/celery/read/reader.h"

/* Where the value begins that is read next, in JSON. */
const char *celery_slice_start(const struct celery_reader *r);

/* The value that token begins, to its end: of JSON the very text from start on, of
 * msgpack a JSON text in the arena. *ret_sayable becomes false, and stays what it is
 * otherwise, when there is something in it that JSON cannot say: NaN, infinities, bytes,
 * half of a surrogate pair. */
enum kn_status celery_slice(struct celery_reader *r, const struct celery_token *token,
                            const char *start, struct kn_arena *arena, struct kn_str *ret,
                            bool *ret_sayable) KN_MUST_CHECK;

#endif
