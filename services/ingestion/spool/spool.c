#include "services/ingestion/spool/spool.h"

#include "proto/codec.h"
#include "services/common/process/log.h"
#include "services/common/process/service.h"
#include "services/common/text/time.h"
#include "services/ingestion/spool/segment.h"
#include "services/ingestion/spool/spool_internal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SEGMENT_MAX ((uint64_t)8 << 20)
#define SEGMENT_MIN ((uint64_t)64 << 10)
#define SEGMENTS 16 /* there are at least so many when it is full */
#define FULL_FOR KN_MINUTE

/* EXISTS: another process has it. */
static enum kn_status take_folder(struct ingest_spool *s)
{
    enum kn_status status = kn_service_make_folder(s->options.dir);
    if (status != KN_OK)
        return status;
    s->dir = open(s->options.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s->dir < 0)
        return KN_IO;
    char *path;
    if (asprintf(&path, "%s/lock", s->options.dir) < 0)
        return KN_NOMEM;
    status = kn_service_lock(path, &s->lock);
    free(path);
    return status;
}

enum kn_status ingest_spool_open(const struct ingest_spool_options *options,
                                 struct ingest_spool **ret, struct kn_buf *error)
{
    struct ingest_spool *s = calloc(1, sizeof(*s));
    if (!s)
        return KN_NOMEM;
    *s = (struct ingest_spool){.options = *options,
                               .segment_max = options->max / SEGMENTS,
                               .dir = -1,
                               .lock = -1,
                               .next_number = 1,
                               .write_fd = -1,
                               .old_fd = -1,
                               .read_fd = -1};
    s->segment_max = s->segment_max < SEGMENT_MIN   ? SEGMENT_MIN
                     : s->segment_max > SEGMENT_MAX ? SEGMENT_MAX
                                                    : s->segment_max;
    errno = 0;
    enum kn_status status = take_folder(s);
    if (status == KN_OK)
        status = spool_open_all(s);
    if (status == KN_OK) {
        ingest_spool_expire(s);
        *ret = s;
        return KN_OK;
    }
    if (status == KN_EXISTS)
        kn_buf_printf(error,
                      "%s is in use by another kanchi-ingestion: give each its own folder "
                      "(ingestion.instance or ingestion.spool)",
                      options->dir);
    else
        kn_buf_printf(error, "cannot use %s: %s (ingestion.spool)", options->dir,
                      errno ? strerror(errno) : kn_status_text(status));
    ingest_spool_close(s);
    return status;
}

void ingest_spool_close(struct ingest_spool *spool)
{
    if (!spool)
        return;
    if (spool->write_fd >= 0 && spool->segments[spool->count - 1].records == 0)
        spool_forget(spool, spool->count - 1);
    if (spool->options.sync != INGEST_SYNC_NEVER && spool->write_fd >= 0)
        fdatasync(spool->write_fd);
    if (spool->old_fd >= 0)
        fdatasync(spool->old_fd);
    spool_close_fd(&spool->write_fd);
    spool_close_fd(&spool->old_fd);
    spool_close_fd(&spool->read_fd);
    spool_close_fd(&spool->lock);
    spool_close_fd(&spool->dir);
    free(spool->segments);
    free(spool);
}

/* ---- writing ---------------------------------------------------------------------- */

static enum kn_status failed(struct ingest_spool *s)
{
    uint64_t skipped = 0;
    s->error = errno;
    if (kn_log_allow(&s->log_limit, &skipped))
        KN_ERROR("spool.write_failed", KN_F_STR("source", s->options.source),
                 KN_F_TEXT("folder", s->options.dir), KN_F_TEXT("error", strerror(s->error)),
                 KN_F_I64("skipped", skipped));
    return KN_IO;
}

static enum kn_status begin_segment(struct ingest_spool *s)
{
    const struct segment segment = {
        .number = s->next_number, .size = SEGMENT_START, .read_at = SEGMENT_START};
    int fd = spool_open_file(s, segment.number, "spool", O_RDWR | O_CREAT | O_EXCL);
    if (fd < 0)
        return failed(s);
    s->next_number++;
    enum kn_status status = segment_begin(fd);
    if (status == KN_OK && !spool_push(s, &segment))
        status = KN_NOMEM;
    if (status != KN_OK) {
        status = status == KN_IO ? failed(s) : status;
        close(fd);
        spool_unlink(s, segment.number, "spool");
        return status;
    }
    s->write_fd = fd;
    spool_sync_folder(s);
    return KN_OK;
}

/* The segment to write so many bytes to. */
static enum kn_status make_room(struct ingest_spool *s, uint64_t need)
{
    const struct segment *last = s->write_fd >= 0 ? &s->segments[s->count - 1] : NULL;
    bool fits = last && (last->records == 0 || last->size + need <= s->segment_max);
    if (s->bytes + need + (fits ? 0 : SEGMENT_START) > s->options.max) {
        s->full_at = kn_time_mono();
        return KN_FULL;
    }
    if (fits)
        return KN_OK;
    spool_end_writing(s);
    return begin_segment(s);
}

enum kn_status ingest_spool_append(struct ingest_spool *spool, struct ingest_batch *batch,
                                   bool started)
{
    uint64_t size = SEGMENT_HEADER + batch->size;
    enum kn_status status = make_room(spool, size);
    if (status != KN_OK)
        return status;
    struct segment *last = &spool->segments[spool->count - 1];
    status = segment_write(spool->write_fd, last->size, batch, &size);
    if (status != KN_OK) {
        status = status == KN_IO ? failed(spool) : status;
        if (ftruncate(spool->write_fd, (off_t)last->size) != 0)
            spool_end_writing(spool);
        return status;
    }
    spool->error = 0;
    spool->dirty = true;
    spool->bytes += size;
    last->size += size;
    last->first_at = last->records ? last->first_at : batch->oldest_at;
    last->last_at = batch->oldest_at;
    last->records++;
    last->events += batch->events;
    batch->segment = last->number;
    if (started) {
        last->read++;
        last->read_at = last->size;
        last->events_read += batch->events;
        assert(last->read == last->records);
    }
    return KN_OK;
}

struct ingest_spool_dirty ingest_spool_take_dirty(struct ingest_spool *spool)
{
    struct ingest_spool_dirty dirty = {{-1, -1}};
    int64_t now = kn_time_mono();
    bool due = spool->options.sync == INGEST_SYNC_ALWAYS ||
               (spool->options.sync == INGEST_SYNC_EVERYSEC && now - spool->synced_at >= KN_SECOND);
    if (!spool->dirty || !due)
        return dirty;
    dirty.fds[0] = spool->old_fd;
    dirty.fds[1] = spool->write_fd >= 0 ? dup(spool->write_fd) : -1;
    spool->old_fd = -1;
    spool->dirty = false;
    spool->synced_at = now;
    return dirty;
}

void ingest_spool_sync(struct ingest_spool_dirty *dirty)
{
    for (size_t i = 0; i < 2; i++) {
        if (dirty->fds[i] >= 0)
            fdatasync(dirty->fds[i]);
        spool_close_fd(&dirty->fds[i]);
    }
}

/* ---- reading ---------------------------------------------------------------------- */

static struct segment *first_unread(const struct ingest_spool *s)
{
    for (size_t i = 0; i < s->count; i++) {
        if (s->segments[i].read < s->segments[i].records)
            return &s->segments[i];
    }
    return NULL;
}

bool ingest_spool_unread(const struct ingest_spool *spool)
{
    return first_unread(spool) != NULL;
}

static enum kn_status read_record(struct ingest_spool *s, const struct segment *segment,
                                  struct ingest_batch **ret, uint64_t *ret_size)
{
    if (s->read_fd < 0 || s->read_number != segment->number) {
        spool_close_fd(&s->read_fd);
        s->read_fd = spool_open_file(s, segment->number, "spool", O_RDONLY);
        s->read_number = segment->number;
    }
    if (s->read_fd < 0)
        return KN_IO;
    return segment_read(s->read_fd, segment->read_at, segment->size, ret, ret_size);
}

static void tell_damage(struct ingest_spool *s, uint64_t number, uint64_t events)
{
    uint64_t skipped = 0;
    s->damaged++;
    s->dropped += events;
    if (kn_log_allow(&s->log_limit, &skipped))
        KN_ERROR("spool.damaged", KN_F_STR("source", s->options.source), KN_F_I64("file", number),
                 KN_F_I64("events_lost", events), KN_F_I64("skipped", skipped));
}

/* Nothing behind read_at can be read: what was read is all that the file has. */
static void give_up_rest(struct ingest_spool *s, struct segment *segment)
{
    uint64_t lost = segment->events - segment->events_read;
    tell_damage(s, segment->number, lost);
    s->lost += lost;
    if (s->write_fd >= 0 && segment == &s->segments[s->count - 1])
        spool_end_writing(s);
    segment->events = segment->events_read;
    segment->records = segment->read;
    s->bytes -= segment->size - segment->read_at;
    segment->size = segment->read_at;
    if (segment->answered == segment->records)
        spool_forget(s, (size_t)(segment - s->segments));
}

enum kn_status ingest_spool_read(struct ingest_spool *spool, struct ingest_batch **ret)
{
    struct segment *segment;
    while ((segment = first_unread(spool)) != NULL) {
        struct ingest_batch *batch = NULL;
        uint64_t size = 0;
        enum kn_status status = read_record(spool, segment, &batch, &size);
        if (status == KN_NOMEM)
            return status;
        if (status != KN_OK) {
            give_up_rest(spool, segment);
            continue;
        }
        batch->source = spool->options.source;
        batch->segment = segment->number;
        if (!batch->body) {
            uint64_t lost = batch->events;
            status = ingest_batch_empty(batch);
            if (status != KN_OK) {
                ingest_batch_free(batch);
                return status;
            }
            tell_damage(spool, segment->number, lost);
            segment->events -= lost;
        }
        segment->read++;
        segment->read_at += size;
        segment->events_read += batch->events;
        *ret = batch;
        return KN_OK;
    }
    return KN_NOT_FOUND;
}

void ingest_spool_answered(struct ingest_spool *spool, const struct ingest_batch *batch)
{
    for (size_t i = 0; i < spool->count; i++) {
        struct segment *segment = &spool->segments[i];
        if (segment->number != batch->segment)
            continue;
        segment->answered++;
        segment->events_answered += batch->events;
        if (segment->answered == segment->records)
            spool_forget(spool, i);
        return;
    }
}

/* ---- what is known ---------------------------------------------------------------- */

uint64_t ingest_spool_take_lost(struct ingest_spool *spool)
{
    uint64_t lost = spool->lost;
    spool->lost = 0;
    return lost;
}

bool ingest_spool_take_gap(struct ingest_spool *spool, int64_t *ret_from, int64_t *ret_to)
{
    if (spool->gap_from == 0)
        return false;
    *ret_from = spool->gap_from;
    *ret_to = spool->gap_to;
    spool->gap_from = spool->gap_to = 0;
    return true;
}

void ingest_spool_status(const struct ingest_spool *spool, struct ingest_spool_status *ret)
{
    int64_t full = spool->full_at ? kn_time_mono() - spool->full_at : FULL_FOR;
    *ret = (struct ingest_spool_status){.bytes = spool->bytes,
                                        .max = spool->options.max,
                                        .dropped = spool->dropped,
                                        .damaged = spool->damaged,
                                        .oldest_at = spool->count ? spool->segments[0].first_at : 0,
                                        .full = full < FULL_FOR,
                                        .error = spool->error};
    for (size_t i = 0; i < spool->count; i++)
        ret->events += spool->segments[i].events - spool->segments[i].events_answered;
}
