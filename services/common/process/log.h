/* Log lines are events: an identifier and key=value pairs, to standard error or output.
 *
 *   KN_INFO("broker.connected", KN_F_STR("source", name), KN_F_I64("attempt", n));
 *   2026-11-23T10:00:00.123456Z INFO ingestion broker.connected source=default attempt=1
 *
 * or, with format json, one JSON object per line. Control characters and direction marks in
 * strings are escaped ("\u001b") in both. Thread-safe. */
#ifndef KN_COMMON_PROCESS_LOG_H
#define KN_COMMON_PROCESS_LOG_H

#include "services/common/text/str.h"

enum kn_log_level { KN_LOG_DEBUG, KN_LOG_INFO, KN_LOG_WARN, KN_LOG_ERROR, KN_LOG_OFF };

struct kn_log_field {
    const char *key; /* NULL ends the list */
    enum { KN_LOG_STR, KN_LOG_I64, KN_LOG_F64 } type;
    struct kn_str str;
    int64_t i64;
    double f64;
};

#define KN_F_STR(k, v) ((struct kn_log_field){.key = (k), .type = KN_LOG_STR, .str = (v)})
#define KN_F_TEXT(k, v) KN_F_STR(k, kn_str_from(v))
#define KN_F_I64(k, v) ((struct kn_log_field){.key = (k), .type = KN_LOG_I64, .i64 = (int64_t)(v)})
#define KN_F_F64(k, v) ((struct kn_log_field){.key = (k), .type = KN_LOG_F64, .f64 = (v)})

/* service: the name in every line, static text. Default: "kanchi", info, text. */
void kn_log_setup(const char *service, enum kn_log_level level, bool json);
/* Writes to a descriptor, which it does not own. Default: standard error. */
void kn_log_to(int fd);
bool kn_log_is_json(void);
/* "debug", "info", "warn", "error", "off". True when *ret was set. */
bool kn_log_level_parse(struct kn_str name, enum kn_log_level *ret);

/* fields: ended by one whose key is NULL. Strings longer than 1,000 bytes are cut. */
void kn_log(enum kn_log_level level, const char *event, const struct kn_log_field *fields);

#define KN_LOG(level, event, ...)                                                                  \
    kn_log(level, event, (struct kn_log_field[]){__VA_ARGS__ __VA_OPT__(, ){.key = NULL}})
#define KN_DEBUG(event, ...) KN_LOG(KN_LOG_DEBUG, event, __VA_ARGS__)
#define KN_INFO(event, ...) KN_LOG(KN_LOG_INFO, event, __VA_ARGS__)
#define KN_WARN(event, ...) KN_LOG(KN_LOG_WARN, event, __VA_ARGS__)
#define KN_ERROR(event, ...) KN_LOG(KN_LOG_ERROR, event, __VA_ARGS__)

/* Allows a burst of 10 and then one per second, for lines that external input
 * can cause. Zero-initialised; thread-safe. Returns true if the line may be
 * written; *ret_skipped is then the number of lines suppressed before it. */
struct kn_log_limit {
    int64_t next_at; /* monotonic */
    uint64_t skipped;
};
bool kn_log_allow(struct kn_log_limit *limit, uint64_t *ret_skipped);

#endif
