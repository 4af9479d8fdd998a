/* Time: microseconds since 1970-01-01T00:00:00Z (wall) or since boot
 * (monotonic), as int64_t; the name of such a variable ends in _us or _at. */
#ifndef KN_COMMON_TEXT_TIME_H
#define KN_COMMON_TEXT_TIME_H

#include "services/common/text/str.h"

#define KN_SECOND INT64_C(1000000)
#define KN_MINUTE (60 * KN_SECOND)
#define KN_HOUR (60 * KN_MINUTE)
#define KN_DAY (24 * KN_HOUR)
/* Smaller clock errors are not corrected; workers delay events by less than this. */
#define KN_CLOCK_UNSURE_US (2 * KN_SECOND)
/* Room for kn_time_format, with the NUL. */
#define KN_TIME_TEXT 40

int64_t kn_time_now(void);
int64_t kn_time_mono(void);

/* Identifies one run of a process: the time in microseconds with random low bits. */
uint64_t kn_new_epoch(void);

/* RFC 3339 in UTC with microseconds: "2026-11-23T10:00:00.123456Z". */
void kn_time_format(int64_t us, char ret[KN_TIME_TEXT]);

/* RFC 3339 and the ISO 8601 that Python's datetime.isoformat() writes:
 * "T" or a space between, up to 9 digits of a second's fraction (cut to
 * microseconds), "Z", "+hh:mm", "+hhmm", "+hh" or no zone at all (taken as
 * UTC). Years 1 to 9999. True when *ret_us was set. */
bool kn_time_parse(struct kn_str text, int64_t *ret_us);

/* Durations as people write them in a configuration: "500ms", "30s", "5m",
 * "12h", "30d", "2w"; a bare number is seconds. True when *ret_us was set. */
bool kn_duration_parse(struct kn_str text, int64_t *ret_us);

#endif
