#include "services/control/find/route.h"

#include "services/broker/waiting.h"

#include <string.h>

static const char DELAYED[] = "celery_delayed_";

/* kombu/transport/native_delayed_delivery.py: 28 bits before the key, each with a dot. */
static struct control_route without_delay(struct control_route route)
{
    enum { BITS = 28 };
    size_t skip = 2 * (size_t)BITS;
    if (!kn_str_starts(route.exchange, kn_str_from(DELAYED)) || route.routing_key.len <= skip)
        return route;
    return (struct control_route){
        .queue = route.queue,
        .exchange = KN_STR("celery_delayed_delivery"),
        .routing_key = {route.routing_key.ptr + skip, route.routing_key.len - skip},
    };
}

struct control_route control_route_of(struct kn_str queue, struct kn_str exchange,
                                      struct kn_str routing_key)
{
    if (exchange.len)
        return without_delay((struct control_route){queue, exchange, routing_key});
    if (exchange.ptr && routing_key.len)
        queue = routing_key;
    return (struct control_route){.queue = queue};
}

/* ---- bindings of a Redis ------------------------------------------------------------------- */

/* Words between dots; "*" is one, "#" one or more, as kombu has it. */
static bool fits(struct kn_str pattern, struct kn_str key)
{
    const char *dot = pattern.len ? memchr(pattern.ptr, '.', pattern.len) : NULL;
    struct kn_str word = {pattern.ptr, dot ? (size_t)(dot - pattern.ptr) : pattern.len};
    struct kn_str rest = {dot ? dot + 1 : pattern.ptr + pattern.len,
                          dot ? pattern.len - word.len - 1 : 0};
    const char *key_dot = key.len ? memchr(key.ptr, '.', key.len) : NULL;
    size_t key_word = key_dot ? (size_t)(key_dot - key.ptr) : key.len;
    struct kn_str key_rest = {key_dot ? key_dot + 1 : key.ptr + key.len,
                              key_dot ? key.len - key_word - 1 : 0};
    if (kn_str_eq(word, KN_STR("#"))) {
        if (!dot)
            return true;
        return key_dot && (fits(rest, key_rest) || fits(pattern, key_rest));
    }
    if (!kn_str_eq(word, KN_STR("*")) && !kn_str_eq(word, (struct kn_str){key.ptr, key_word}))
        return false;
    if (!dot || !key_dot)
        return !dot && !key_dot;
    return fits(rest, key_rest);
}

static bool has(const struct kn_strs *strs, struct kn_str one)
{
    for (size_t i = 0; i < strs->count; i++)
        if (kn_str_eq(strs->items[i], one))
            return true;
    return false;
}

enum kn_status control_route_match(const struct kn_str *bindings, size_t count,
                                   struct kn_str separator, struct kn_str routing_key,
                                   struct kn_arena *arena, struct kn_strs *ret)
{
    struct kn_strs found = {kn_arena_array(arena, count + 1, sizeof *found.items), 0};
    if (!found.items)
        return KN_NOMEM;
    for (size_t i = 0; i < count; i++) {
        struct kn_str member = bindings[i], parts[3] = {KN_STR("")};
        for (size_t n = 0; n < 3; n++) {
            const char *end = n < 2 ? memmem(member.ptr, member.len, separator.ptr, separator.len)
                                    : member.ptr + member.len;
            size_t len = end ? (size_t)(end - member.ptr) : member.len;
            parts[n] = (struct kn_str){member.ptr, len};
            size_t skip = end && n < 2 ? len + separator.len : len;
            member.ptr += skip;
            member.len -= skip;
        }
        bool leads = parts[1].len ? fits(parts[0], routing_key) : kn_str_eq(parts[0], routing_key);
        if (parts[2].len && leads && !has(&found, parts[2]))
            found.items[found.count++] = parts[2];
    }
    *ret = found;
    return KN_OK;
}

enum kn_status control_route_queues(struct control_call *call, const struct control_route *route,
                                    struct kn_strs *ret)
{
    struct kn_strs bindings = {0};
    if (!route->exchange.len) {
        struct kn_str *one = kn_arena_alloc(call->arena, sizeof *one);
        if (!one)
            return KN_NOMEM;
        *one = kn_arena_str(call->arena, route->queue);
        *ret = (struct kn_strs){one, route->queue.len ? 1 : 0};
        return one->ptr || !route->queue.len ? KN_OK : KN_NOMEM;
    }
    enum kn_status status = broker_session_bindings(call->hand->session, route->exchange,
                                                    call->arena, &bindings.items, &bindings.count);
    if (status != KN_OK)
        return status;
    return control_route_match(bindings.items, bindings.count,
                               kn_str_from(call->options->broker->separator), route->routing_key,
                               call->arena, ret);
}
