#include "services/common/text/time.h"
#include "services/ingestion/spool/segment.h"
#include "services/ingestion/spool/spool_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* Copies the records of a file, without their events, to another from *at on. */
static enum kn_status copy_emptied(struct ingest_spool *s, const struct segment *from, int to,
                                   uint64_t *at, uint64_t *ret_records)
{
    enum kn_status status = KN_OK;
    uint64_t read_at = SEGMENT_START;
    int fd = spool_open_file(s, from->number, "spool", O_RDONLY);
    if (fd < 0)
        return KN_IO;
    for (uint64_t i = 0; i < from->records && status == KN_OK; i++) {
        struct ingest_batch *batch = NULL;
        uint64_t size = 0;
        status = segment_read(fd, read_at, from->size, &batch, &size);
        if (status != KN_OK)
            break;
        read_at += size;
        batch->source = s->options.source;
        status = ingest_batch_empty(batch);
        if (status == KN_OK)
            status = segment_write(to, *at, batch, &size);
        ingest_batch_free(batch);
        *at += size;
        (*ret_records)++;
    }
    close(fd);
    return status;
}

/* Puts a file without events in the place of one with events. */
static enum kn_status replace(struct ingest_spool *s, struct segment *segment)
{
    char from[SPOOL_NAME_SIZE];
    char to[SPOOL_NAME_SIZE];
    uint64_t at = SEGMENT_START;
    uint64_t records = 0;
    int fd = spool_open_file(s, segment->number, "tmp", O_RDWR | O_CREAT | O_TRUNC);
    if (fd < 0)
        return KN_IO;
    spool_name(segment->number, "tmp", from);
    spool_name(segment->number, "spool", to);
    enum kn_status status = segment_begin(fd);
    if (status == KN_OK)
        status = copy_emptied(s, segment, fd, &at, &records);
    if (status == KN_OK && s->options.sync != INGEST_SYNC_NEVER && fdatasync(fd) != 0)
        status = KN_IO;
    close(fd);
    if (status == KN_OK && renameat(s->dir, from, s->dir, to) != 0)
        status = KN_IO;
    if (status != KN_OK) {
        unlinkat(s->dir, from, 0);
        return status;
    }
    spool_sync_folder(s);
    s->bytes -= segment->size - at;
    segment->size = at;
    segment->records = records;
    return KN_OK;
}

/* The same, behind the records of the file before, which has none with events either. */
static enum kn_status join(struct ingest_spool *s, struct segment *before, struct segment *segment)
{
    uint64_t at = before->size;
    uint64_t records = 0;
    int fd = spool_open_file(s, before->number, "spool", O_RDWR);
    if (fd < 0)
        return KN_IO;
    enum kn_status status = copy_emptied(s, segment, fd, &at, &records);
    if (status == KN_OK && s->options.sync != INGEST_SYNC_NEVER && fdatasync(fd) != 0)
        status = KN_IO;
    if (status != KN_OK && ftruncate(fd, (off_t)before->size) != 0)
        errno = EIO;
    close(fd);
    if (status != KN_OK)
        return status;
    s->bytes += at - before->size;
    before->size = at;
    before->records += records;
    before->last_at = segment->last_at;
    spool_forget(s, (size_t)(segment - s->segments));
    return KN_OK;
}

static void give_up(struct ingest_spool *s, size_t at)
{
    struct segment *segment = &s->segments[at];
    struct segment *before = at > 0 ? segment - 1 : NULL;
    uint64_t lost = segment->events;
    if (at == s->count - 1)
        spool_end_writing(s);
    bool joins =
        before && before->events == 0 && before->read == 0 && before->size < s->segment_max / 2;
    s->dropped += lost;
    if ((joins ? join(s, before, segment) : replace(s, segment)) == KN_OK) {
        if (!joins)
            segment->events = 0;
        return;
    }
    /* no room even for that: their names go too, and the next batch tells of it */
    s->lost += lost;
    spool_forget(s, at);
}

bool ingest_spool_drop(struct ingest_spool *spool)
{
    for (size_t i = 0; i < spool->count; i++) {
        if (spool->segments[i].events > 0 && spool->segments[i].read == 0) {
            give_up(spool, i);
            return true;
        }
    }
    return false;
}

void ingest_spool_expire(struct ingest_spool *spool)
{
    int64_t before = kn_time_now() - spool->options.age_us;
    if (spool->options.age_us == 0)
        return;
    for (size_t i = 0; i < spool->count;) {
        const struct segment *segment = &spool->segments[i];
        size_t count = spool->count;
        if (segment->events > 0 && segment->read == 0 && segment->last_at < before) {
            KN_WARN("spool.expired", KN_F_STR("source", spool->options.source),
                    KN_F_I64("events", segment->events));
            give_up(spool, i);
        }
        i += spool->count == count;
    }
}
