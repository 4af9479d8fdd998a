#include "services/common/process/log.h"

#include "services/common/count.h"
#include "services/common/text/clean.h"
#include "services/common/text/time.h"

#include <inttypes.h>
#include <pthread.h>
#include <unistd.h>

enum { VALUE_MAX = 1000, LINE_MAX_BYTES = 16 * 1024, BURST = 10 };

static const char *const level_names[] = {"debug", "info", "warn", "error", "off"};

static struct {
    const char *service;
    enum kn_log_level level;
    bool json;
    int fd;
} setup = {"kanchi", KN_LOG_INFO, false, STDERR_FILENO};

static pthread_mutex_t limit_lock = PTHREAD_MUTEX_INITIALIZER; /* every kn_log_limit */

void kn_log_setup(const char *service, enum kn_log_level level, bool json)
{
    setup.service = service;
    setup.level = level;
    setup.json = json;
}

void kn_log_to(int fd)
{
    setup.fd = fd;
}

bool kn_log_is_json(void)
{
    return setup.json;
}

bool kn_log_level_parse(struct kn_str name, enum kn_log_level *ret)
{
    for (size_t i = 0; i < KN_COUNT_OF(level_names); i++) {
        if (kn_str_eq(name, kn_str_from(level_names[i]))) {
            *ret = (enum kn_log_level)i;
            return true;
        }
    }
    return false;
}

static bool needs_quotes(struct kn_str s)
{
    if (s.len == 0)
        return true;
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c == 0x7f)
            return true;
    }
    return !kn_clean_is(s);
}

static void write_value(struct kn_buf *line, const struct kn_log_field *field)
{
    switch (field->type) {
    case KN_LOG_STR: {
        struct kn_str s = field->str.ptr ? kn_utf8_head(field->str, VALUE_MAX) : KN_STR("");
        if (setup.json || needs_quotes(s))
            kn_clean_json_str(line, s);
        else
            kn_buf_str(line, s);
        break;
    }
    case KN_LOG_I64:
        kn_buf_printf(line, "%" PRId64, field->i64);
        break;
    case KN_LOG_F64:
        kn_buf_json_f64(line, field->f64);
        break;
    }
}

void kn_log(enum kn_log_level level, const char *event, const struct kn_log_field *fields)
{
    if (level < setup.level)
        return;
    struct kn_buf line;
    char now[KN_TIME_TEXT];
    kn_buf_init(&line, LINE_MAX_BYTES);
    kn_time_format(kn_time_now(), now);
    if (setup.json)
        kn_buf_printf(&line,
                      "{\"time\":\"%s\",\"level\":\"%s\",\"service\":\"%s\",\"event\":\"%s\"", now,
                      level_names[level], setup.service, event);
    else
        kn_buf_printf(&line, "%s %-5s %s %s", now, level_names[level], setup.service, event);
    for (; fields->key; fields++) {
        kn_buf_printf(&line, setup.json ? ",\"%s\":" : " %s=", fields->key);
        write_value(&line, fields);
    }
    kn_buf_text(&line, setup.json ? "}\n" : "\n");
    struct kn_str text = kn_buf_view(&line);
    /* one write, so that lines of several processes do not mix */
    ssize_t written = write(setup.fd, text.ptr, text.len);
    (void)written;
    kn_buf_fini(&line);
}

bool kn_log_allow(struct kn_log_limit *limit, uint64_t *ret_skipped)
{
    int64_t now = kn_time_mono();
    pthread_mutex_lock(&limit_lock);
    int64_t earliest = now - BURST * KN_SECOND;
    bool allow = limit->next_at <= now;
    if (allow) {
        limit->next_at = (limit->next_at < earliest ? earliest : limit->next_at) + KN_SECOND;
        *ret_skipped = limit->skipped;
        limit->skipped = 0;
    } else {
        limit->skipped++;
    }
    pthread_mutex_unlock(&limit_lock);
    return allow;
}
