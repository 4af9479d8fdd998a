#include "services/common/text/time.h"

#include "services/common/count.h"

#include <stdio.h>
#include <sys/random.h>
#include <time.h>

static int64_t clock_us(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * KN_SECOND + ts.tv_nsec / 1000;
}

int64_t kn_time_now(void)
{
    return clock_us(CLOCK_REALTIME);
}

int64_t kn_time_mono(void)
{
    return clock_us(CLOCK_MONOTONIC);
}

uint64_t kn_new_epoch(void)
{
    uint64_t chance = 0;
    if (getrandom(&chance, sizeof(chance), 0) != sizeof(chance))
        chance = (uint64_t)kn_time_mono();
    return ((uint64_t)kn_time_now() << 11) | (chance & 0x7ff);
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* n digits of value, which has no more. */
static char *put_digits(char *at, int n, unsigned value)
{
    for (int i = n - 1; i >= 0; i--, value /= 10)
        at[i] = (char)('0' + value % 10);
    return at + n;
}

/* Years that have not four digits. */
static void format_far(const struct tm *tm, int micros, char ret[KN_TIME_TEXT])
{
    char text[96]; /* room for any int, which the compiler cannot rule out */
    snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ", tm->tm_year + 1900,
             tm->tm_mon + 1, tm->tm_mday, tm->tm_hour, tm->tm_min, tm->tm_sec, micros);
    snprintf(ret, KN_TIME_TEXT, "%.*s", KN_TIME_TEXT - 1, text);
}

void kn_time_format(int64_t us, char ret[KN_TIME_TEXT])
{
    static const char separators[] = "--T::.";
    time_t seconds = (time_t)floor_div(us, KN_SECOND);
    struct tm tm;
    if (!gmtime_r(&seconds, &tm)) {
        snprintf(ret, KN_TIME_TEXT, "1970-01-01T00:00:00.000000Z");
        return;
    }
    if (tm.tm_year < -1900 || tm.tm_year > 9999 - 1900) {
        format_far(&tm, (int)(us - (int64_t)seconds * KN_SECOND), ret);
        return;
    }
    const int parts[] = {tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec};
    char *at = put_digits(ret, 4, (unsigned)(tm.tm_year + 1900));
    for (size_t i = 0; i < KN_COUNT_OF(parts); i++) {
        *at++ = separators[i];
        at = put_digits(at, 2, (unsigned)parts[i]);
    }
    *at++ = separators[5];
    at = put_digits(at, 6, (unsigned)(us - (int64_t)seconds * KN_SECOND));
    memcpy(at, "Z", 2);
}

/* Takes exactly n digits off the front of *s. */
static bool take_digits(struct kn_str *s, int n, int *ret)
{
    int value = 0;
    if (s->len < (size_t)n)
        return false;
    for (int i = 0; i < n; i++) {
        if (s->ptr[i] < '0' || s->ptr[i] > '9')
            return false;
        value = value * 10 + (s->ptr[i] - '0');
    }
    s->ptr += n;
    s->len -= (size_t)n;
    *ret = value;
    return true;
}

static bool take_char(struct kn_str *s, const char *one_of)
{
    if (s->len == 0 || s->ptr[0] == '\0' || !strchr(one_of, s->ptr[0]))
        return false;
    s->ptr++;
    s->len--;
    return true;
}

static bool take_fraction(struct kn_str *s, int *ret_us)
{
    int digits = 0, value = 0;
    for (; s->len && s->ptr[0] >= '0' && s->ptr[0] <= '9'; digits++) {
        if (digits < 6)
            value = value * 10 + (s->ptr[0] - '0');
        s->ptr++;
        s->len--;
    }
    for (int i = digits; i < 6; i++)
        value *= 10;
    *ret_us = value;
    return digits >= 1 && digits <= 9;
}

/* "Z", "+hh:mm", "+hhmm", "+hh" or nothing; minutes east of UTC. */
static bool take_zone(struct kn_str *s, int *ret_minutes)
{
    *ret_minutes = 0;
    if (s->len == 0 || take_char(s, "Zz"))
        return s->len == 0;
    int sign = s->ptr[0] == '-' ? -1 : 1;
    int hours, minutes = 0;
    if (!take_char(s, "+-") || !take_digits(s, 2, &hours))
        return false;
    if (s->len) {
        take_char(s, ":");
        if (!take_digits(s, 2, &minutes))
            return false;
    }
    *ret_minutes = sign * (hours * 60 + minutes);
    return s->len == 0 && hours < 24 && minutes < 60;
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap);
}

bool kn_time_parse(struct kn_str text, int64_t *ret_us)
{
    struct tm tm = {0};
    int year, month, micros = 0, zone;
    if (!take_digits(&text, 4, &year) || !take_char(&text, "-") || !take_digits(&text, 2, &month) ||
        !take_char(&text, "-") || !take_digits(&text, 2, &tm.tm_mday) || !take_char(&text, "Tt ") ||
        !take_digits(&text, 2, &tm.tm_hour) || !take_char(&text, ":") ||
        !take_digits(&text, 2, &tm.tm_min))
        return false;
    if (take_char(&text, ":") && !take_digits(&text, 2, &tm.tm_sec))
        return false;
    if (take_char(&text, ".,") && !take_fraction(&text, &micros))
        return false;
    if (!take_zone(&text, &zone))
        return false;
    if (year < 1 || month < 1 || month > 12 || tm.tm_mday < 1 ||
        tm.tm_mday > days_in_month(year, month) || tm.tm_hour > 23 || tm.tm_min > 59 ||
        tm.tm_sec > 60)
        return false;
    tm.tm_year = year - 1900;
    tm.tm_mon = month - 1;
    *ret_us = ((int64_t)timegm(&tm) - (int64_t)zone * 60) * KN_SECOND + micros;
    return true;
}

bool kn_duration_parse(struct kn_str text, int64_t *ret_us)
{
    static const struct {
        const char *unit;
        int64_t us;
    } units[] = {{"us", 1},      {"ms", 1000},  {"s", KN_SECOND},  {"m", KN_MINUTE},
                 {"h", KN_HOUR}, {"d", KN_DAY}, {"w", 7 * KN_DAY}, {"", KN_SECOND}};
    size_t digits = 0;
    while (digits < text.len &&
           ((text.ptr[digits] >= '0' && text.ptr[digits] <= '9') || text.ptr[digits] == '.'))
        digits++;
    double number;
    if (!kn_str_to_f64((struct kn_str){text.ptr, digits}, &number))
        return false;
    struct kn_str unit = {text.ptr + digits, text.len - digits};
    for (size_t i = 0; i < KN_COUNT_OF(units); i++) {
        if (!kn_str_eq(unit, kn_str_from(units[i].unit)))
            continue;
        double us = number * (double)units[i].us;
        if (us > 9e18)
            return false;
        *ret_us = (int64_t)us;
        return true;
    }
    return false;
}
