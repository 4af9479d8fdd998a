#include "services/broker/redis/reroute.h"

/* A place in a text; ends[] of what was found are places too. */
struct scan {
    const char *at, *end;
};

static void skip_space(struct scan *s)
{
    while (s->at < s->end && memchr(" \t\r\n", *s->at, 4))
        s->at++;
}

static bool take(struct scan *s, char c)
{
    skip_space(s);
    if (s->at == s->end || *s->at != c)
        return false;
    s->at++;
    return true;
}

/* A text with its quotes. */
static bool take_string(struct scan *s, struct kn_str *ret)
{
    skip_space(s);
    const char *start = s->at;
    if (!take(s, '"'))
        return false;
    for (; s->at < s->end; s->at++) {
        if (*s->at == '"') {
            s->at++;
            *ret = (struct kn_str){start, (size_t)(s->at - start)};
            return true;
        }
        if (*s->at == '\\' && ++s->at == s->end)
            return false;
    }
    return false;
}

/* Any value, from its first byte to its last. Brackets are only counted. */
static bool take_value(struct scan *s, struct kn_str *ret)
{
    struct kn_str text;
    size_t depth = 0;
    skip_space(s);
    const char *start = s->at;
    while (s->at < s->end) {
        char c = *s->at;
        if (depth == 0 && s->at > start && memchr(",}] \t\r\n", c, 7))
            break;
        if (c == '"') {
            if (!take_string(s, &text))
                return false;
        } else {
            s->at++;
            depth += c == '{' || c == '[';
            if ((c == '}' || c == ']') && depth-- == 0)
                return false;
        }
        if (depth == 0 && (c == '"' || c == '}' || c == ']'))
            break;
    }
    *ret = (struct kn_str){start, (size_t)(s->at - start)};
    return depth == 0 && ret->len > 0;
}

/* The value of a key (with its quotes); of several the last one, as in Python. */
static bool find(struct kn_str object, struct kn_str key, struct kn_str *ret)
{
    struct scan s = {object.ptr, object.ptr + object.len};
    struct kn_str name, value, found = KN_STR_ABSENT;
    if (!take(&s, '{'))
        return false;
    while (!take(&s, '}')) {
        if (!take_string(&s, &name) || !take(&s, ':') || !take_value(&s, &value))
            return false;
        if (kn_str_eq(name, key))
            found = value;
        if (!take(&s, ',') && (s.at == s.end || *s.at != '}'))
            return false;
    }
    *ret = found;
    return found.ptr;
}

enum kn_status broker_reroute(struct kn_str envelope, struct kn_str queue, struct kn_buf *out)
{
    struct kn_str properties, info, exchange, routing_key;
    if (!find(envelope, KN_STR("\"properties\""), &properties) ||
        !find(properties, KN_STR("\"delivery_info\""), &info) ||
        !find(info, KN_STR("\"exchange\""), &exchange) ||
        !find(info, KN_STR("\"routing_key\""), &routing_key))
        return KN_INVALID;
    bool exchange_first = exchange.ptr < routing_key.ptr;
    struct kn_str first = exchange_first ? exchange : routing_key;
    struct kn_str second = exchange_first ? routing_key : exchange;
    kn_buf_append(out, envelope.ptr, (size_t)(first.ptr - envelope.ptr));
    kn_buf_json_str(out, exchange_first ? KN_STR("") : queue);
    const char *middle = first.ptr + first.len, *rest = second.ptr + second.len;
    kn_buf_append(out, middle, (size_t)(second.ptr - middle));
    kn_buf_json_str(out, exchange_first ? queue : KN_STR(""));
    kn_buf_append(out, rest, (size_t)(envelope.ptr + envelope.len - rest));
    return kn_buf_status(out);
}
