#include "services/celery/python/vouch.h"

#include "services/celery/python/pyliteral.h"
#include "services/common/count.h"
#include "services/common/text/json.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

enum { DEPTH_MAX = 16, SHOWN_MAX = 40 };

/* ---- what a worker accepts ------------------------------------------------------- */

static enum celery_accepts accepts_name(const char *name)
{
    static const struct {
        const char *name;
        enum celery_accepts is;
    } names[] = {
        {"json", CELERY_ACCEPTS_JSON},
        {"application/json", CELERY_ACCEPTS_JSON},
        {"msgpack", CELERY_ACCEPTS_PLAIN},
        {"application/x-msgpack", CELERY_ACCEPTS_PLAIN},
    };
    for (size_t i = 0; name && i < KN_COUNT_OF(names); i++) {
        if (strcmp(name, names[i].name) == 0)
            return names[i].is;
    }
    return CELERY_ACCEPTS_ANY;
}

static enum celery_accepts accepts_list(const json_t *list, bool *ret_json)
{
    enum celery_accepts least = CELERY_ACCEPTS_JSON;
    if (!json_is_array(list))
        return CELERY_ACCEPTS_ANY;
    *ret_json = false;
    for (size_t i = 0; i < json_array_size(list); i++) {
        enum celery_accepts one = accepts_name(json_string_value(json_array_get(list, i)));
        *ret_json = *ret_json || one == CELERY_ACCEPTS_JSON;
        least = one < least ? one : least;
    }
    return least;
}

/* accept_content, CELERY_ACCEPT_CONTENT, or with an application's own prefix; not
 * result_accept_content, which is of results. */
static bool is_accept_content(const char *key)
{
    static const char name[] = "accept_content";
    size_t len = strlen(key), n = sizeof name - 1;
    if (len < n || strcasecmp(key + len - n, name) != 0)
        return false;
    return len < n + 7 || strncasecmp(key + len - n - 7, "result_", 7) != 0;
}

enum celery_accepts celery_conf_accepts(struct kn_str text, bool *ret_json)
{
    enum celery_accepts least = CELERY_ACCEPTS_JSON; /* the default, since Celery 4 */
    const char *key;
    json_t *value;
    *ret_json = true;
    if (!text.ptr)
        return CELERY_ACCEPTS_UNKNOWN;
    json_t *conf = kn_json_load(text, JSON_ALLOW_NUL);
    if (!json_is_object(conf) || json_object_get(conf, "error"))
        least = CELERY_ACCEPTS_UNKNOWN;
    json_object_foreach(conf, key, value)
    {
        enum celery_accepts one =
            is_accept_content(key) ? accepts_list(value, ret_json) : CELERY_ACCEPTS_JSON;
        least = one < least ? one : least;
    }
    json_decref(conf);
    return least;
}

bool celery_conf_takes_pickle(struct kn_str text)
{
    const char *key;
    json_t *value;
    bool takes = false;
    json_t *conf = text.ptr ? json_loadb(text.ptr, text.len, JSON_ALLOW_NUL, NULL) : NULL;
    json_object_foreach(conf, key, value)
    {
        for (size_t i = 0; is_accept_content(key) && i < json_array_size(value); i++) {
            const char *name = json_string_value(json_array_get(value, i));
            takes = takes || (name && (strcmp(name, "pickle") == 0 ||
                                       strcmp(name, "application/x-python-serialize") == 0));
        }
    }
    json_decref(conf);
    return takes;
}

/* ---- the text ----------------------------------------------------------------------- */

struct voucher {
    const char *p, *end;
    struct kn_arena *arena;
    struct kn_buf *out;
    unsigned depth;
    struct kn_str reason;
};

static bool refuse(struct voucher *v, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static bool refuse(struct voucher *v, const char *format, ...)
{
    char text[256];
    va_list args;
    if (v->reason.ptr)
        return false;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    v->reason = kn_arena_str(v->arena, kn_utf8_head(kn_str_from(text), sizeof text));
    return false;
}

/* What stands at p, to be shown. */
static struct kn_str shown(const struct voucher *v, const char *p)
{
    return kn_utf8_head((struct kn_str){p, (size_t)(v->end - p)}, SHOWN_MAX);
}

static bool at(const struct voucher *v, const char *text)
{
    size_t n = strlen(text);
    return (size_t)(v->end - v->p) >= n && memcmp(v->p, text, n) == 0;
}

static bool take(struct voucher *v, const char *text)
{
    bool yes = at(v, text);
    v->p += yes ? strlen(text) : 0;
    return yes;
}

bool celery_looks_hidden(struct kn_str s)
{
    static const char *const words[] = {"redacted", "filtered",  "hidden",  "masked", "secret",
                                        "censored", "sensitive", "removed", "private"};
    if (memmem(s.ptr, s.len, "***", 3))
        return true;
    while (s.len && memchr("<[({*_-. ", s.ptr[0], 9))
        s.ptr++, s.len--;
    while (s.len && memchr(">])}*_-. ", s.ptr[s.len - 1], 9))
        s.len--;
    for (size_t i = 0; i < KN_COUNT_OF(words); i++) {
        if (s.len == strlen(words[i]) && strncasecmp(s.ptr, words[i], s.len) == 0)
            return true;
    }
    return false;
}

static bool is_text_certain(struct voucher *v, const char *from, struct kn_str text)
{
    struct kn_str show = shown(v, from);
    if (memmem(text.ptr, text.len, "\xef\xbf\xbd", 3))
        return refuse(v, "%.*s has a character that was lost on the way", KN_STR_ARG(show));
    if (celery_looks_hidden(text))
        return refuse(v, "%.*s looks like what stands for something hidden", KN_STR_ARG(show));
    return true;
}

/* saferepr puts a backslash before each ' and nothing else; so a backslash before
 * anything else may be the text's own, or the end of it. Without one, there is only
 * one way to read the whole. */
static bool read_text(struct voucher *v, struct kn_str *ret)
{
    const char *from = v->p++;
    char *text = kn_arena_alloc(v->arena, (size_t)(v->end - v->p) + 1), *to = text;
    if (!text)
        return refuse(v, "out of memory");
    for (;; v->p++) {
        if (v->p == v->end)
            return refuse(v, "%.*s has no end", KN_STR_ARG(shown(v, from)));
        if (*v->p == '\'')
            break;
        if (*v->p == '\\' && (v->end - v->p < 2 || *++v->p != '\''))
            return refuse(v, "%.*s has a backslash, which Celery writes in two ways",
                          KN_STR_ARG(shown(v, from)));
        *to++ = *v->p;
    }
    v->p++;
    *ret = (struct kn_str){text, (size_t)(to - text)};
    return is_text_certain(v, from, *ret);
}

static const char *digits(const char *p, const char *end)
{
    while (p < end && *p >= '0' && *p <= '9')
        p++;
    return p;
}

static bool ends_value(const struct voucher *v, const char *p)
{
    return p == v->end || memchr(",)]}", *p, 4);
}

/* As Python writes int and float: 0, -12, 0.1, 1e+16, 1.5e-07. */
static bool read_number(struct voucher *v)
{
    const char *from = v->p, *p = from + (*from == '-');
    const char *whole = p;
    p = digits(p, v->end);
    bool good = p > whole && (*whole != '0' || p == whole + 1);
    bool real = false;
    if (good && p < v->end && *p == '.') {
        const char *fraction = ++p;
        p = digits(p, v->end);
        good = p > fraction;
        real = true;
    }
    if (good && p < v->end && *p == 'e') {
        p++;
        p += p < v->end && (*p == '+' || *p == '-');
        const char *exponent = p;
        p = digits(p, v->end);
        good = p > exponent;
        real = true;
    }
    double value;
    struct kn_str text = {from, (size_t)(p - from)};
    if (!good || !ends_value(v, p) || kn_str_eq(text, KN_STR("-0")) ||
        (real && !kn_str_to_f64(text, &value)))
        return refuse(v, "%.*s is no number as Python writes it", KN_STR_ARG(shown(v, from)));
    kn_buf_str(v->out, text);
    v->p = p;
    return true;
}

static bool read_value(struct voucher *v);

/* (1, 2), (1,), [1, 2]: as an array, which is what the task got. */
static bool read_items(struct voucher *v, bool tuple)
{
    const char *close = tuple ? ")" : "]";
    v->p++;
    kn_buf_char(v->out, '[');
    for (size_t count = 0; !take(v, close); count++) {
        if (count && !take(v, ", "))
            return refuse(v, "%.*s does not follow on what is before", KN_STR_ARG(shown(v, v->p)));
        kn_buf_text(v->out, count ? "," : "");
        if (!read_value(v))
            return false;
        if (tuple && count == 0 && take(v, ",)"))
            break;
        if (tuple && count == 0 && at(v, close))
            return refuse(v, "a value is in brackets");
    }
    kn_buf_char(v->out, ']');
    return true;
}

static bool read_dict(struct voucher *v)
{
    size_t count = 0;
    v->p++;
    kn_buf_char(v->out, '{');
    for (; !take(v, "}"); count++) {
        struct kn_str key = KN_STR_ABSENT;
        if (count && !take(v, ", "))
            return refuse(v, "%.*s does not follow on what is before", KN_STR_ARG(shown(v, v->p)));
        if (!at(v, "'"))
            return refuse(v, "the key %.*s is not a text", KN_STR_ARG(shown(v, v->p)));
        if (!read_text(v, &key))
            return false;
        if (kn_str_eq(key, KN_STR("__type__")))
            return refuse(v, "a dict has the key __type__, so kombu decodes it to something else");
        kn_buf_text(v->out, count ? "," : "");
        kn_buf_json_str(v->out, key);
        kn_buf_char(v->out, ':');
        if (!take(v, ": "))
            return refuse(v, "%.*s is no dict", KN_STR_ARG(shown(v, v->p)));
        if (!read_value(v))
            return false;
    }
    kn_buf_char(v->out, '}');
    return true;
}

static bool read_word(struct voucher *v)
{
    static const struct {
        const char *python, *json;
    } words[] = {{"None", "null"}, {"True", "true"}, {"False", "false"}};
    for (size_t i = 0; i < KN_COUNT_OF(words); i++) {
        if (at(v, words[i].python) && ends_value(v, v->p + strlen(words[i].python))) {
            v->p += strlen(words[i].python);
            kn_buf_text(v->out, words[i].json);
            return true;
        }
    }
    return refuse(v, "%.*s is no value that JSON has", KN_STR_ARG(shown(v, v->p)));
}

static bool read_value(struct voucher *v)
{
    char c = v->p < v->end ? *v->p : '\0';
    struct kn_str text = KN_STR_ABSENT;
    bool good;
    if (c == '\'') {
        good = read_text(v, &text);
        if (good)
            kn_buf_json_str(v->out, text);
        return good;
    }
    if (c == '-' || (c >= '0' && c <= '9'))
        return read_number(v);
    if (c != '(' && c != '[' && c != '{')
        return read_word(v);
    if (++v->depth > DEPTH_MAX)
        return refuse(v, "it is nested too deeply");
    good = c == '{' ? read_dict(v) : read_items(v, c == '(');
    v->depth--;
    return good;
}

static bool read_whole(struct voucher *v, struct kn_str text, bool kwargs)
{
    if (celery_repr_is_cut(text))
        return refuse(
            v, "Celery has cut it: %.*s",
            KN_STR_ARG(kn_utf8_head(
                (struct kn_str){text.ptr + (text.len > SHOWN_MAX ? text.len - SHOWN_MAX : 0),
                                text.len > SHOWN_MAX ? SHOWN_MAX : text.len},
                SHOWN_MAX)));
    if (!kn_utf8_valid(text))
        return refuse(v, "it is not UTF-8");
    if (!at(v, kwargs ? "{" : "(") && (kwargs || !at(v, "[")))
        return refuse(v, "%.*s is no %s", KN_STR_ARG(shown(v, v->p)), kwargs ? "dict" : "tuple");
    if (!read_value(v))
        return false;
    return v->p == v->end || refuse(v, "%.*s is behind the end", KN_STR_ARG(shown(v, v->p)));
}

static bool is_nothing(struct kn_str text)
{
    return kn_str_eq(text, KN_STR("()")) || kn_str_eq(text, KN_STR("[]")) ||
           kn_str_eq(text, KN_STR("{}"));
}

static const char *doubt(enum celery_accepts accepts)
{
    return accepts == CELERY_ACCEPTS_UNKNOWN
               ? "the settings of its worker are unknown, so its arguments may have been pickled, "
                 "and their text does not show their types"
               : "its worker accepts more than JSON and msgpack (accept_content), so the text of "
                 "its arguments does not show their types";
}

enum kn_status celery_vouch_repr(struct kn_str text, bool kwargs, enum celery_accepts accepts,
                                 struct kn_arena *arena, struct kn_buf *out,
                                 struct kn_str *ret_reason)
{
    struct voucher v = {.p = text.ptr, .end = text.ptr + text.len, .arena = arena, .out = out};
    size_t before = out->len;
    bool good = text.ptr != NULL;
    if (!good)
        refuse(&v, "the events do not include them");
    else if (!is_nothing(text) && accepts < CELERY_ACCEPTS_PLAIN)
        good = refuse(&v, "%s (arguments=events sends them as JSON anyway)", doubt(accepts));
    good = good && read_whole(&v, text, kwargs);
    if (!good) {
        out->len = before;
        *ret_reason = v.reason;
    }
    if (arena->overflow)
        return KN_NOMEM;
    return good ? kn_buf_status(out) : KN_UNSUPPORTED;
}

enum kn_status celery_vouch_stored(struct kn_str json, enum celery_accepts accepts,
                                   struct kn_str *ret_reason)
{
    if (accepts == CELERY_ACCEPTS_JSON || json.len == 2)
        return KN_OK;
    if (accepts < CELERY_ACCEPTS_PLAIN) {
        *ret_reason = kn_str_from(doubt(accepts));
        return KN_UNSUPPORTED;
    }
    if (!memmem(json.ptr, json.len, "__type__", 8))
        return KN_OK;
    *ret_reason = KN_STR("a value has the key __type__ and may have been something else");
    return KN_UNSUPPORTED;
}
