#include "services/ingestion/spool/segment.h"

#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Any file can be gone through; its records stand one behind the other, inside of it,
 * and each can be read or told as damaged. The input is everything behind the start of
 * a file, or a whole file when it begins like one. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct segment_extent extent;
    int fd = memfd_create("segment", 0);
    bool whole = size > 0 && data[0] == 'k';
    if (fd < 0 || (!whole && segment_begin(fd) != KN_OK) ||
        pwrite(fd, data, size, whole ? 0 : SEGMENT_START) != (ssize_t)size)
        __builtin_trap();
    if (segment_scan(fd, &extent) == KN_OK) {
        uint64_t at = SEGMENT_START;
        uint64_t events = 0;
        if (extent.size + extent.torn != size + (whole ? 0 : SEGMENT_START))
            __builtin_trap();
        for (uint64_t i = 0; i < extent.records; i++) {
            struct ingest_batch *batch = NULL;
            uint64_t record = 0;
            if (segment_read(fd, at, extent.size, &batch, &record) != KN_OK)
                __builtin_trap();
            events += batch->events;
            at += record;
            ingest_batch_free(batch);
        }
        if (at != extent.size || events != extent.events)
            __builtin_trap();
    }
    close(fd);
    return 0;
}
