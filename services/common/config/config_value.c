/* One value of the configuration: from text to its type, and what is allowed. */
#include "services/common/config/config_table.h"
#include "services/common/config/url_prefix.h"
#include "services/common/count.h"
#include "services/common/text/time.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    int64_t bytes;
} size_units[] = {
    {"GiB", INT64_C(1) << 30},
    {"MiB", INT64_C(1) << 20},
    {"KiB", INT64_C(1) << 10},
    {"GB", INT64_C(1) << 30},
    {"MB", INT64_C(1) << 20},
    {"KB", INT64_C(1) << 10},
    {"kB", INT64_C(1) << 10},
    {"G", INT64_C(1) << 30},
    {"M", INT64_C(1) << 20},
    {"K", INT64_C(1) << 10},
    {"k", INT64_C(1) << 10},
    {"B", 1},
    {"", 1},
};

static const struct {
    const char *name;
    int64_t us;
} duration_units[] = {
    {"d", KN_DAY}, {"h", KN_HOUR}, {"m", KN_MINUTE}, {"s", KN_SECOND}, {"ms", 1000}, {"us", 1},
};

static bool size_parse(struct kn_str text, int64_t *ret)
{
    size_t digits = 0;
    while (digits < text.len && text.ptr[digits] >= '0' && text.ptr[digits] <= '9')
        digits++;
    uint64_t number;
    if (!kn_str_to_u64((struct kn_str){text.ptr, digits}, &number))
        return false;
    struct kn_str unit = {text.ptr + digits, text.len - digits};
    while (unit.len > 0 && unit.ptr[0] == ' ')
        unit = (struct kn_str){unit.ptr + 1, unit.len - 1};
    for (size_t i = 0; i < KN_COUNT_OF(size_units); i++) {
        if (!kn_str_eq(unit, kn_str_from(size_units[i].name)))
            continue;
        if (number > (uint64_t)(INT64_MAX / size_units[i].bytes))
            return false;
        *ret = (int64_t)number * size_units[i].bytes;
        return true;
    }
    return false;
}

void config_size_format(int64_t bytes, struct kn_buf *ret)
{
    size_t i = 3; /* from GB on */
    while (i < 5 && (bytes == 0 || bytes % size_units[i].bytes != 0))
        i++;
    if (i == 5 && bytes % 1024 != 0) {
        kn_buf_printf(ret, "%lld", (long long)bytes);
        return;
    }
    kn_buf_printf(ret, "%lld%s", (long long)(bytes / size_units[i].bytes), size_units[i].name);
}

void config_duration_format(int64_t us, struct kn_buf *ret)
{
    for (size_t i = 0; i < KN_COUNT_OF(duration_units); i++)
        if (us != 0 && us % duration_units[i].us == 0) {
            kn_buf_printf(ret, "%lld%s", (long long)(us / duration_units[i].us),
                          duration_units[i].name);
            return;
        }
    kn_buf_text(ret, "0s");
}

static bool number_parse(enum config_type type, struct kn_str text, int64_t *ret)
{
    switch (type) {
    case CONFIG_SIZE:
        return size_parse(text, ret);
    case CONFIG_DURATION:
        return kn_duration_parse(text, ret);
    default:
        return kn_str_to_i64(text, ret);
    }
}

/* "1..64" as two numbers of the row's type. The table is ours: it parses. */
static void range(const struct config_row *row, int64_t *ret_least, int64_t *ret_most)
{
    const char *dots = strstr(row->allowed, "..");
    *ret_least = INT64_MIN;
    *ret_most = INT64_MAX;
    if (!dots)
        return;
    struct kn_str least = {row->allowed, (size_t)(dots - row->allowed)};
    (void)number_parse(row->type, least, ret_least);
    (void)number_parse(row->type, kn_str_from(dots + 2), ret_most);
}

/* "a|b|c" as "a, b or c". */
static void alternatives(const char *allowed, struct kn_buf *ret)
{
    for (const char *at = allowed; *at;) {
        size_t len = strcspn(at, "|");
        kn_buf_str(ret, (struct kn_str){at, len});
        at += len;
        if (*at == '|')
            kn_buf_text(ret, strchr(++at, '|') ? ", " : " or ");
    }
}

void config_allowed_format(const struct config_row *row, struct kn_buf *ret)
{
    const char *dots = strstr(row->allowed, "..");
    switch (row->type) {
    case CONFIG_BOOL:
        kn_buf_text(ret, "true or false");
        break;
    case CONFIG_ADDRESS:
        kn_buf_text(ret, "host:port");
        break;
    case CONFIG_ENUM:
    case CONFIG_URL:
        alternatives(row->allowed, ret);
        break;
    case CONFIG_INT:
    case CONFIG_SIZE:
    case CONFIG_DURATION:
        if (dots) {
            kn_buf_str(ret, (struct kn_str){row->allowed, (size_t)(dots - row->allowed)});
            kn_buf_printf(ret, " to %s", dots + 2);
        }
        break;
    default:
        break;
    }
}

static enum kn_status wrong(const struct config_row *row, const char *text, const char *what,
                            struct kn_buf *error)
{
    bool secret = row->type == CONFIG_URL || row->type == CONFIG_SECRET;
    if (!secret) {
        kn_buf_json_str(error, kn_utf8_head(kn_str_from(text), 80));
        kn_buf_char(error, ' ');
    }
    kn_buf_text(error, what);
    size_t before = error->len;
    kn_buf_text(error, "; allowed: ");
    size_t start = error->len;
    config_allowed_format(row, error);
    if (error->len == start)
        error->len = before;
    return KN_CONFIG;
}

static enum kn_status number_set(const struct config_row *row, const char *text, int64_t *ret,
                                 struct kn_buf *error)
{
    static const char *const not_a[] = {[CONFIG_INT] = "is not a whole number",
                                        [CONFIG_SIZE] = "is not a size such as 64MB",
                                        [CONFIG_DURATION] = "is not a duration such as 30s"};
    int64_t number, least, most;
    if (!number_parse(row->type, kn_str_from(text), &number))
        return wrong(row, text, not_a[row->type], error);
    range(row, &least, &most);
    if (number < least)
        return wrong(row, text, "is too small", error);
    if (number > most)
        return wrong(row, text, "is too large", error);
    *ret = number;
    return KN_OK;
}

static enum kn_status bool_set(const struct config_row *row, const char *text, bool *ret,
                               struct kn_buf *error)
{
    static const struct {
        const char *text;
        bool value;
    } words[] = {{"true", true},   {"yes", true}, {"on", true},   {"1", true},
                 {"false", false}, {"no", false}, {"off", false}, {"0", false}};
    for (size_t i = 0; i < KN_COUNT_OF(words); i++)
        if (strcasecmp(text, words[i].text) == 0) {
            *ret = words[i].value;
            return KN_OK;
        }
    return wrong(row, text, "is not a boolean", error);
}

static bool among(const char *allowed, struct kn_str text)
{
    for (const char *at = allowed; *at;) {
        size_t len = strcspn(at, "|");
        if (kn_str_eq((struct kn_str){at, len}, text))
            return true;
        at += len;
        at += *at == '|';
    }
    return false;
}

/* How much of the text is the beginning that is allowed ("redis://"); 0: none is. */
static size_t url_beginning(const char *allowed, const char *text)
{
    for (const char *at = allowed; *at;) {
        size_t len = strcspn(at, "|");
        if (strncmp(text, at, len) == 0)
            return len;
        at += len;
        at += *at == '|';
    }
    return 0;
}

/* The scheme, and a port that is a number when there is one host only; what
 * the rest means is for those who connect. */
static const char *url_fault(const struct config_row *row, const char *text)
{
    size_t beginning = url_beginning(row->allowed, text);
    if (beginning == 0)
        return "has an unknown scheme";
    const char *host = text + beginning;
    if (host[-1] == ':')
        return *host ? NULL : "names no file";
    size_t len = strcspn(host, "/?#");
    for (const char *at = memchr(host, '@', len); at; at = memchr(host, '@', len)) {
        len -= (size_t)(at + 1 - host);
        host = at + 1;
    }
    if (memchr(host, ';', len) || memchr(host, ',', len))
        return NULL;
    const char *port = host;
    while (port < host + len && *port != ':')
        port += *port == '[' && memchr(port, ']', len) ? strcspn(port, "]") : 1;
    uint64_t number;
    if (port < host + len && port + 1 < host + len &&
        (!kn_str_to_u64((struct kn_str){port + 1, (size_t)(host + len - port - 1)}, &number) ||
         number == 0 || number > 65535))
        return "has a port that is not a number from 1 to 65535";
    return NULL;
}

static enum kn_status text_set(const struct config_row *row, const char *text, const char **ret,
                               struct kn_arena *arena, struct kn_buf *error)
{
    char host[256];
    int port;
    const char *fault = row->type == CONFIG_URL && *text ? url_fault(row, text) : NULL;
    if (fault)
        return wrong(row, text, fault, error);
    if (row->type == CONFIG_ENUM && !among(row->allowed, kn_str_from(text)))
        return wrong(row, text, "is unknown", error);
    bool none = !*text && !*row->fallback;
    if (row->type == CONFIG_ADDRESS && !none &&
        !kn_config_split_address(text, host, sizeof(host), &port))
        return wrong(row, text, "is not an address with a port from 0 to 65535", error);
    struct kn_str copy = kn_arena_str(arena, kn_str_from(text));
    if (!copy.ptr)
        return KN_NOMEM;
    *ret = copy.ptr;
    return KN_OK;
}

static enum kn_status prefix_set(const struct config_row *row, const char *text, const char **ret,
                                 struct kn_arena *arena, struct kn_buf *error)
{
    struct kn_buf prefix;
    kn_buf_init(&prefix, 0);
    const char *fault = kn_url_prefix_read(kn_str_from(text), &prefix);
    struct kn_str copy = fault ? KN_STR_ABSENT : kn_arena_str(arena, kn_buf_view(&prefix));
    enum kn_status status = kn_buf_status(&prefix);
    kn_buf_fini(&prefix);
    if (fault)
        return wrong(row, text, fault, error);
    if (status != KN_OK || !copy.ptr)
        return KN_NOMEM;
    *ret = copy.ptr;
    return KN_OK;
}

/* Commas between the texts, as in an environment variable. */
static enum kn_status list_set(const char *text, struct kn_config_list *ret, struct kn_arena *arena)
{
    size_t count = *text ? 1 : 0;
    for (const char *at = text; *at; at++)
        count += *at == ',';
    const char **items = kn_arena_array(arena, count + 1, sizeof(*items));
    if (!items)
        return KN_NOMEM;
    size_t n = 0;
    for (const char *at = text; n < count; at += strcspn(at, ",") + 1) {
        struct kn_str item = kn_arena_str(arena, (struct kn_str){at, strcspn(at, ",")});
        if (!item.ptr)
            return KN_NOMEM;
        items[n++] = item.ptr;
    }
    *ret = (struct kn_config_list){items, count};
    return KN_OK;
}

enum kn_status config_value_set(const struct config_row *row, const char *text, void *base,
                                struct kn_arena *arena, struct kn_buf *error)
{
    void *target = (char *)base + row->offset;
    switch (row->type) {
    case CONFIG_BOOL:
        return bool_set(row, text, target, error);
    case CONFIG_INT:
    case CONFIG_SIZE:
    case CONFIG_DURATION:
        return number_set(row, text, target, error);
    case CONFIG_LIST:
        return list_set(text, target, arena);
    case CONFIG_PREFIX:
        return prefix_set(row, text, target, arena, error);
    default:
        return text_set(row, text, target, arena, error);
    }
}
