#include "services/common/text/time.h"
#include "services/ingestion/spool/segment.h"
#include "services/ingestion/spool/spool_internal.h"

#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void spool_name(uint64_t number, const char *end, char ret[SPOOL_NAME_SIZE])
{
    snprintf(ret, SPOOL_NAME_SIZE, "%020llu.%s", (unsigned long long)number, end);
}

void spool_close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

int spool_open_file(const struct ingest_spool *s, uint64_t number, const char *end, int flags)
{
    char name[SPOOL_NAME_SIZE];
    spool_name(number, end, name);
    return openat(s->dir, name, flags | O_CLOEXEC, 0600);
}

void spool_unlink(const struct ingest_spool *s, uint64_t number, const char *end)
{
    char name[SPOOL_NAME_SIZE];
    spool_name(number, end, name);
    unlinkat(s->dir, name, 0);
}

void spool_sync_folder(const struct ingest_spool *s)
{
    if (s->options.sync != INGEST_SYNC_NEVER)
        fsync(s->dir);
}

void spool_end_writing(struct ingest_spool *s)
{
    if (s->write_fd < 0)
        return;
    if (s->old_fd >= 0)
        fdatasync(s->old_fd);
    spool_close_fd(&s->old_fd);
    if (s->options.sync == INGEST_SYNC_NEVER || !s->dirty)
        spool_close_fd(&s->write_fd);
    s->old_fd = s->write_fd;
    s->write_fd = -1;
}

void spool_forget(struct ingest_spool *s, size_t at)
{
    const struct segment *segment = &s->segments[at];
    if (at == s->count - 1) {
        spool_close_fd(&s->write_fd);
        s->dirty = s->old_fd >= 0;
    }
    if (segment->number == s->read_number)
        spool_close_fd(&s->read_fd);
    spool_unlink(s, segment->number, "spool");
    s->bytes -= segment->size;
    s->count--;
    memmove(&s->segments[at], &s->segments[at + 1], (s->count - at) * sizeof(*s->segments));
}

struct segment *spool_push(struct ingest_spool *s, const struct segment *segment)
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
    char from[SPOOL_NAME_SIZE];
    char to[SPOOL_NAME_SIZE];
    spool_name(number, "spool", from);
    spool_name(number, "damaged", to);
    renameat(s->dir, from, s->dir, to);
}

static void tell_torn(const struct ingest_spool *s, uint64_t number, uint64_t bytes, bool last)
{
    char name[SPOOL_NAME_SIZE];
    spool_name(number, "spool", name);
    KN_WARN("spool.cut", KN_F_STR("source", s->options.source), KN_F_TEXT("file", name),
            KN_F_I64("bytes", bytes),
            KN_F_TEXT("reason", last ? "writing was interrupted" : "the file is damaged"));
}

static enum kn_status open_one(struct ingest_spool *s, uint64_t number, bool last)
{
    struct segment_extent extent;
    struct stat st = {0};
    int fd = spool_open_file(s, number, "spool", O_RDWR);
    if (fd < 0)
        return KN_IO;
    enum kn_status status = segment_scan(fd, &extent);
    bool empty = fstat(fd, &st) == 0 && st.st_size < SEGMENT_START;
    if (status == KN_OK && extent.torn && ftruncate(fd, (off_t)extent.size) != 0)
        status = KN_IO;
    close(fd);
    if (status == KN_VERSION) {
        KN_ERROR(
            "spool.version", KN_F_STR("source", s->options.source), KN_F_I64("file", number),
            KN_F_TEXT("remedy", "start the version of Kanchi that wrote it, to send its events"));
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
        spool_unlink(s, number, "spool");
        return KN_OK;
    }
    const struct segment segment = {.number = number,
                                    .size = extent.size,
                                    .read_at = SEGMENT_START,
                                    .records = extent.records,
                                    .events = extent.events,
                                    .first_at = extent.first_at,
                                    .last_at = extent.last_at};
    return spool_push(s, &segment) ? KN_OK : KN_NOMEM;
}

enum kn_status spool_open_all(struct ingest_spool *s)
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
