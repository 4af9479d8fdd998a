/* Shared by the reader and its two formats. Internal to reader*.c. */
#ifndef KN_CELERY_READ_READER_FORMAT_H
#define KN_CELERY_READ_READER_FORMAT_H

#include "services/celery/read/reader.h"

/* As celery_reader_next, for one format. */
enum kn_status celery_json_next(struct celery_reader *r, struct celery_token *ret) KN_MUST_CHECK;
enum kn_status celery_msgpack_next(struct celery_reader *r, struct celery_token *ret) KN_MUST_CHECK;

/* The end of the value that begins at p, found only by brackets or lengths; NULL when it has no
 * end. */
const char *celery_json_past(const char *p, const char *end);
const char *celery_msgpack_past(const char *p, const char *end);

static inline enum kn_status celery_reader_wrong(struct celery_reader *r, const char *error)
{
    r->error = error;
    return KN_INVALID;
}

/* Enters a container; left: msgpack's number of keys and values. */
static inline enum kn_status celery_reader_open(struct celery_reader *r, bool map, uint32_t left)
{
    if (r->depth >= CELERY_READER_DEPTH) {
        r->error = "nested too deep";
        return KN_TOO_DEEP;
    }
    r->levels[++r->depth] = (struct celery_level){.map = map, .left = left};
    return KN_OK;
}

#endif
