#include "services/ingestion/spool/spool.h"

#include "proto/codec.h"
#include "services/common/process/log.h"
#include "services/common/process/service.h"
#include "services/common/text/time.h"
#include "services/ingestion/spool/segment.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEGMENT_MAX ((uint64_t)8 << 20)
#define SEGMENT_MIN ((uint64_t)64 << 10)
#define SEGMENTS 16 /* there are at least so many when it is full */
#define FULL_FOR KN_MINUTE
#define NAME_SIZE 32

struct segment {
    uint64_t number;
    uint64_t size;    /* bytes up to the end of its last record */
    uint64_t read_at; /* offset of the next record to read */
    uint64_t records, read, answered;
    uint64_t events, events_read, events_answered;
    int64_t first_at, last_at;
};

struct ingest_spool {
    struct ingest_spool_options options;
    uint64_t segment_max;
    int dir, lock;
    struct segment *segments; /* oldest first */
    size_t count, cap;
    uint64_t next_number;
    uint64_t bytes;
    int write_fd; /* of the last segment; -1: it is not written to any more */
    int old_fd;   /* of the one before, which is not synchronised yet; -1: none */
    int read_fd;
    uint64_t read_number; /* whose segment read_fd is */
    bool dirty;
    int64_t synced_at, full_at; /* monotonic; 0: never */
    uint64_t dropped, damaged, lost;
    int64_t gap_from, gap_to;
    int error;
    struct kn_log_limit log_limit;
};

/* ---- files ------------------------------------------------------------------------ */

static void name_of(uint64_t number, const char *end, char ret[NAME_SIZE])
{
    snprintf(ret, NAME_SIZE, "%020llu.%s", (unsigned long long)number, end);
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static int open_segment(const struct ingest_spool *s, uint64_t number, const char *end, int flags)
{
    char name[NAME_SIZE];
    name_of(number, end, name);
    return openat(s->dir, name, flags | O_CLOEXEC, 0600);
}

static void unlink_segment(const struct ingest_spool *s, uint64_t number, const char *end)
{
    char name[NAME_SIZE];
    name_of(number, end, name);
    unlinkat(s->dir, name, 0);
}

static void sync_folder(const struct ingest_spool *s)
{
    if (s->options.sync != INGEST_SYNC_NEVER)
        fsync(s->dir);
}

/* The last segment is full: nothing is written to it any more. */
static void end_writing(struct ingest_spool *s)
{
    if (s->write_fd < 0)
        return;
    if (s->old_fd >= 0)
        fdatasync(s->old_fd);
    close_fd(&s->old_fd);
    if (s->options.sync == INGEST_SYNC_NEVER || !s->dirty)
        close_fd(&s->write_fd);
    s->old_fd = s->write_fd;
    s->write_fd = -1;
}

static void forget(struct ingest_spool *s, size_t at)
{
    const struct segment *segment = &s->segments[at];
    if (at == s->count - 1) {
        close_fd(&s->write_fd);
        s->dirty = s->old_fd >= 0;
    }
    if (segment->number == s->read_number)
        close_fd(&s->read_fd);
    unlink_segment(s, segment->number, "spool");
    s->bytes -= segment->size;
    s->count--;
    memmove(&s->segments[at], &s->segments[at + 1], (s->count - at) * sizeof(*s->segments));
}

static struct segment *push(struct ingest_spool *s, const struct segment *segment)
{
    if (s->count == s->cap) {
        size_t cap = s->cap ? 2 * s->cap : 32;
        struct segment *more = realloc(s->segments, cap * sizeof(*more));
        if (!more)
            return NULL;
        s->segments = more;
        s->cap = cap;
    }
    assert(s->segments);
    s->segments[s->count] = *segment;
    s->bytes += segment->size;
    return &s->segments[s->count++];
}

/* ---- opening ---------------------------------------------------------------------- */

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* The numbers of all segments. Files that were not finished are removed. */
static enum kn_status list_folder(struct ingest_spool *s, uint64_t **ret, size_t *ret_count)
{
    uint64_t *numbers = NULL;
    size_t count = 0;
    DIR *dir = opendir(s->options.dir);
    if (!dir)
        return KN_IO;
    for (const struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
        unsigned long long number;
        char end[8] = "";
        if (sscanf(entry->d_name, "%20llu.%7s", &number, end) != 2)
            continue;
        if (strcmp(end, "tmp") == 0)
            unlinkat(s->dir, entry->d_name, 0);
        if (strcmp(end, "spool") != 0)
            continue;
        uint64_t *more = realloc(numbers, (count + 1) * sizeof(*numbers));
        if (!more) {
            free(numbers);
            closedir(dir);
            return KN_NOMEM;
        }
        numbers = more;
        numbers[count++] = number;
    }
    closedir(dir);
    if (count)
        qsort(numbers, count, sizeof(*numbers), by_number);
    *ret = numbers;
    *ret_count = count;
    return KN_OK;
}

/* No segment at all: put aside, so that somebody may look at it. */
static void put_aside(struct ingest_spool *s, uint64_t number)
{
    char from[NAME_SIZE];
    char to[NAME_SIZE];
    name_of(number, "spool", from);
    name_of(number, "damaged", to);
    renameat(s->dir, from, s->dir, to);
}

static void tell_torn(const struct ingest_spool *s, uint64_t number, uint64_t bytes, bool last)
{
    char name[NAME_SIZE];
    name_of(number, "spool", name);
    KN_WARN("spool.cut", KN_F_STR("source", s->options.source), KN_F_TEXT("file", name),
            KN_F_I64("bytes", bytes),
            KN_F_TEXT("reason", last ? "writing was interrupted" : "the file is damaged"));
}

static enum kn_status open_one(struct ingest_spool *s, uint64_t number, bool last)
{
    struct segment_extent extent;
    struct stat st = {0};
    int fd = open_segment(s, number, "spool", O_RDWR);
    if (fd < 0)
        return KN_IO;
    enum kn_status status = segment_scan(fd, &extent);
    bool empty = fstat(fd, &st) == 0 && st.st_size < SEGMENT_START;
    if (status == KN_OK && extent.torn && ftruncate(fd, (off_t)extent.size) != 0)
        status = KN_IO;
    close(fd);
    if (status == KN_VERSION) {
        KN_ERROR("spool.version", KN_F_STR("source", s->options.source), KN_F_I64("file", number),
                 KN_F_TEXT("remedy", "start the version of Kanchi that wrote it once more"));
        return KN_OK;
    }
    if (status == KN_INVALID && !empty) {
        KN_ERROR("spool.damaged", KN_F_STR("source", s->options.source), KN_F_I64("file", number));
        put_aside(s, number);
        s->damaged++;
        return KN_OK;
    }
    if (status != KN_OK && status != KN_INVALID)
        return status;
    if (status == KN_OK && extent.torn)
        tell_torn(s, number, extent.torn, last);
    if (status == KN_OK && extent.torn && !last) {
        s->damaged++;
        s->gap_from = s->gap_from ? s->gap_from : extent.last_at;
        s->gap_to = st.st_mtim.tv_sec * KN_SECOND;
    }
    if (status == KN_INVALID || extent.records == 0) {
        unlink_segment(s, number, "spool");
        return KN_OK;
    }
    const struct segment segment = {.number = number,
                                    .size = extent.size,
                                    .read_at = SEGMENT_START,
                                    .records = extent.records,
                                    .events = extent.events,
                                    .first_at = extent.first_at,
                                    .last_at = extent.last_at};
    return push(s, &segment) ? KN_OK : KN_NOMEM;
}

static enum kn_status open_all(struct ingest_spool *s)
{
    uint64_t *numbers = NULL;
    size_t count = 0;
    enum kn_status status = list_folder(s, &numbers, &count);
    for (size_t i = 0; i < count && status == KN_OK; i++) {
        status = open_one(s, numbers[i], i == count - 1);
        s->next_number = numbers[i] + 1;
    }
    free(numbers);
    return status;
}

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
        status = open_all(s);
    if (status == KN_OK) {
        ingest_spool_expire(s);
        *ret = s;
        return KN_OK;
    }
    if (status == KN_EXISTS)
        kn_buf_printf(error,
                      "%s is in use by another kanchi-ingestion: give each a folder of its own "
                      "(ingestion.instance or ingestion.spool)",
                      options->dir);
    else
        kn_buf_printf(error, "%s cannot be used: %s (ingestion.spool)", options->dir,
                      errno ? strerror(errno) : kn_status_text(status));
    ingest_spool_close(s);
    return status;
}

void ingest_spool_close(struct ingest_spool *spool)
{
    if (!spool)
        return;
    if (spool->write_fd >= 0 && spool->segments[spool->count - 1].records == 0)
        forget(spool, spool->count - 1);
    if (spool->options.sync != INGEST_SYNC_NEVER && spool->write_fd >= 0)
        fdatasync(spool->write_fd);
    if (spool->old_fd >= 0)
        fdatasync(spool->old_fd);
    close_fd(&spool->write_fd);
    close_fd(&spool->old_fd);
    close_fd(&spool->read_fd);
    close_fd(&spool->lock);
    close_fd(&spool->dir);
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
    int fd = open_segment(s, segment.number, "spool", O_RDWR | O_CREAT | O_EXCL);
    if (fd < 0)
        return failed(s);
    s->next_number++;
    enum kn_status status = segment_begin(fd);
    if (status == KN_OK && !push(s, &segment))
        status = KN_NOMEM;
    if (status != KN_OK) {
        status = status == KN_IO ? failed(s) : status;
        close(fd);
        unlink_segment(s, segment.number, "spool");
        return status;
    }
    s->write_fd = fd;
    sync_folder(s);
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
    end_writing(s);
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
            end_writing(spool);
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
        close_fd(&dirty->fds[i]);
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
        close_fd(&s->read_fd);
        s->read_fd = open_segment(s, segment->number, "spool", O_RDONLY);
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
        end_writing(s);
    segment->events = segment->events_read;
    segment->records = segment->read;
    s->bytes -= segment->size - segment->read_at;
    segment->size = segment->read_at;
    if (segment->answered == segment->records)
        forget(s, (size_t)(segment - s->segments));
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
            forget(spool, i);
        return;
    }
}

/* ---- giving up -------------------------------------------------------------------- */

/* Copies the records of a file, without their events, to another from *at on. */
static enum kn_status copy_emptied(struct ingest_spool *s, const struct segment *from, int to,
                                   uint64_t *at, uint64_t *ret_records)
{
    enum kn_status status = KN_OK;
    uint64_t read_at = SEGMENT_START;
    int fd = open_segment(s, from->number, "spool", O_RDONLY);
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
    char from[NAME_SIZE];
    char to[NAME_SIZE];
    uint64_t at = SEGMENT_START;
    uint64_t records = 0;
    int fd = open_segment(s, segment->number, "tmp", O_RDWR | O_CREAT | O_TRUNC);
    if (fd < 0)
        return KN_IO;
    name_of(segment->number, "tmp", from);
    name_of(segment->number, "spool", to);
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
    sync_folder(s);
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
    int fd = open_segment(s, before->number, "spool", O_RDWR);
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
    forget(s, (size_t)(segment - s->segments));
    return KN_OK;
}

static void give_up(struct ingest_spool *s, size_t at)
{
    struct segment *segment = &s->segments[at];
    struct segment *before = at > 0 ? segment - 1 : NULL;
    uint64_t lost = segment->events;
    if (at == s->count - 1)
        end_writing(s);
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
    forget(s, at);
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
