#include "services/ingestion/spool/segment.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#define VERSION 1
#define BODY_MAX ((uint64_t)1 << 30)

static const char magic[8] = "kanchisp";

struct record {
    uint64_t size, events, epoch, seq, hash;
    int64_t oldest_at;
};

/* ---- bytes ------------------------------------------------------------------------ */

static void put32(unsigned char *to, uint32_t value)
{
    value = htole32(value);
    memcpy(to, &value, sizeof(value));
}

static void put64(unsigned char *to, uint64_t value)
{
    value = htole64(value);
    memcpy(to, &value, sizeof(value));
}

static uint32_t get32(const unsigned char *from)
{
    uint32_t value;
    memcpy(&value, from, sizeof(value));
    return le32toh(value);
}

static uint64_t get64(const unsigned char *from)
{
    uint64_t value;
    memcpy(&value, from, sizeof(value));
    return le64toh(value);
}

static void put_header(unsigned char to[SEGMENT_HEADER], const struct ingest_batch *batch)
{
    put32(to, (uint32_t)batch->size);
    put32(to + 4, (uint32_t)batch->events);
    put64(to + 8, batch->epoch);
    put64(to + 16, batch->seq);
    put64(to + 24, (uint64_t)batch->oldest_at);
    put64(to + 32, XXH64(batch->body, batch->size, 0));
    put64(to + 40, XXH64(to, 40, 0));
}

static bool get_header(const unsigned char from[SEGMENT_HEADER], struct record *ret)
{
    *ret = (struct record){.size = get32(from),
                           .events = get32(from + 4),
                           .epoch = get64(from + 8),
                           .seq = get64(from + 16),
                           .oldest_at = (int64_t)get64(from + 24),
                           .hash = get64(from + 32)};
    return get64(from + 40) == XXH64(from, 40, 0) && ret->size <= BODY_MAX;
}

/* ---- files ------------------------------------------------------------------------ */

/* OK; TRUNCATED when the file ends before. */
static enum kn_status read_all(int fd, uint64_t at, void *to, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t n = pread(fd, (char *)to + done, size - done, (off_t)(at + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return KN_IO;
        if (n == 0)
            return KN_TRUNCATED;
        done += (size_t)n;
    }
    return KN_OK;
}

static enum kn_status write_all(int fd, uint64_t at, const void *from, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t n = pwrite(fd, (const char *)from + done, size - done, (off_t)(at + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return KN_IO;
        done += (size_t)n;
    }
    return KN_OK;
}

enum kn_status segment_begin(int fd)
{
    unsigned char start[SEGMENT_START];
    memcpy(start, magic, sizeof(magic));
    put32(start + 8, VERSION);
    put32(start + 12, (uint32_t)XXH64(start, 12, 0));
    return write_all(fd, 0, start, sizeof(start));
}

static enum kn_status check_start(int fd)
{
    unsigned char start[SEGMENT_START];
    enum kn_status status = read_all(fd, 0, start, sizeof(start));
    if (status == KN_TRUNCATED)
        return KN_INVALID;
    if (status != KN_OK)
        return status;
    if (memcmp(start, magic, sizeof(magic)) != 0 ||
        get32(start + 12) != (uint32_t)XXH64(start, 12, 0))
        return KN_INVALID;
    return get32(start + 8) == VERSION ? KN_OK : KN_VERSION;
}

/* The header at an offset, when the whole record ends before size; else INVALID. */
static enum kn_status read_header(int fd, uint64_t at, uint64_t size, struct record *ret)
{
    unsigned char header[SEGMENT_HEADER];
    if (at + SEGMENT_HEADER > size)
        return KN_INVALID;
    enum kn_status status = read_all(fd, at, header, sizeof(header));
    if (status == KN_TRUNCATED)
        return KN_INVALID;
    if (status != KN_OK)
        return status;
    if (!get_header(header, ret) || ret->size > size - at - SEGMENT_HEADER)
        return KN_INVALID;
    return KN_OK;
}

/* The body of the record at an offset; NULL when it is damaged. */
static enum kn_status read_body(int fd, uint64_t at, const struct record *record, char **ret)
{
    char *body = malloc(record->size ? record->size : 1);
    if (!body)
        return KN_NOMEM;
    enum kn_status status = read_all(fd, at + SEGMENT_HEADER, body, record->size);
    if (status == KN_IO) {
        free(body);
        return status;
    }
    if (status != KN_OK || XXH64(body, record->size, 0) != record->hash) {
        free(body);
        body = NULL;
    }
    *ret = body;
    return KN_OK;
}

/* Takes the last record out again when its body is not what was written. */
static enum kn_status check_last(int fd, uint64_t at, const struct record *record,
                                 int64_t last_before, struct segment_extent *extent)
{
    char *body = NULL;
    enum kn_status status = read_body(fd, at, record, &body);
    if (status != KN_OK || body) {
        free(body);
        return status;
    }
    extent->torn += extent->size - at;
    extent->size = at;
    extent->records--;
    extent->events -= record->events;
    extent->last_at = last_before;
    if (extent->records == 0)
        extent->first_at = 0;
    return KN_OK;
}

enum kn_status segment_scan(int fd, struct segment_extent *ret)
{
    struct stat st;
    struct record record, last = {0};
    struct segment_extent extent = {.size = SEGMENT_START};
    uint64_t last_start = 0;
    int64_t last_before = 0;
    if (fstat(fd, &st) != 0)
        return KN_IO;
    enum kn_status status = check_start(fd);
    if (status != KN_OK)
        return status;
    uint64_t end = (uint64_t)st.st_size;
    while ((status = read_header(fd, extent.size, end, &record)) == KN_OK) {
        last_start = extent.size;
        last_before = extent.last_at;
        last = record;
        extent.first_at = extent.records ? extent.first_at : record.oldest_at;
        extent.last_at = record.oldest_at;
        extent.size += SEGMENT_HEADER + record.size;
        extent.records++;
        extent.events += record.events;
    }
    if (status != KN_INVALID)
        return status;
    extent.torn = end - extent.size;
    status = extent.records ? check_last(fd, last_start, &last, last_before, &extent) : KN_OK;
    if (status == KN_OK)
        *ret = extent;
    return status;
}

enum kn_status segment_write(int fd, uint64_t at, const struct ingest_batch *batch,
                             uint64_t *ret_size)
{
    unsigned char header[SEGMENT_HEADER];
    if (batch->size > BODY_MAX)
        return KN_TOO_BIG;
    put_header(header, batch);
    /* the header last: without it there is no record */
    enum kn_status status = write_all(fd, at + SEGMENT_HEADER, batch->body, batch->size);
    if (status == KN_OK)
        status = write_all(fd, at, header, sizeof(header));
    if (status == KN_OK)
        *ret_size = SEGMENT_HEADER + batch->size;
    return status;
}

enum kn_status segment_read(int fd, uint64_t at, uint64_t size, struct ingest_batch **ret,
                            uint64_t *ret_size)
{
    struct record record;
    enum kn_status status = read_header(fd, at, size, &record);
    if (status != KN_OK)
        return status;
    struct ingest_batch *batch = calloc(1, sizeof(*batch));
    if (!batch)
        return KN_NOMEM;
    status = read_body(fd, at, &record, &batch->body);
    if (status != KN_OK) {
        free(batch);
        return status;
    }
    batch->epoch = record.epoch;
    batch->seq = record.seq;
    batch->size = batch->body ? record.size : 0;
    batch->events = record.events;
    batch->oldest_at = record.oldest_at;
    *ret = batch;
    *ret_size = SEGMENT_HEADER + record.size;
    return KN_OK;
}
