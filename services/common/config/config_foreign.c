#include "services/common/config/config_foreign.h"

#include "services/common/count.h"
#include "services/common/text/str.h"

#include <arpa/inet.h>
#include <string.h>

static const char digits[] = "0123456789";

static bool is_number(const char *value)
{
    return *value && value[strspn(value, digits)] == '\0';
}

static bool is_ip(const char *value)
{
    unsigned char bytes[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, value, bytes) == 1 || inet_pton(AF_INET6, value, bytes) == 1;
}

static bool is_protocol(const char *value)
{
    return strcmp(value, "tcp") == 0 || strcmp(value, "udp") == 0 || strcmp(value, "sctp") == 0;
}

static bool is_port_url(const char *value)
{
    return strncmp(value, "tcp://", 6) == 0 || strncmp(value, "udp://", 6) == 0 ||
           strncmp(value, "sctp://", 7) == 0;
}

/* "/web/db": the linking container, and its name for the other one. */
static bool is_link(const char *value)
{
    return value[0] == '/' && value[1] && strchr(value + 1, '/');
}

/* "8080_TCP", "8080_TCP_ADDR", … behind "PORT_". */
static bool is_port_variable(struct kn_str rest, const char *value)
{
    static const struct {
        const char *name;
        bool (*fits)(const char *value);
    } parts[] = {{"", is_port_url},          {"_PROTO", is_protocol}, {"_PORT", is_number},
                 {"_ADDR", is_ip},           {"_START", is_port_url}, {"_END", is_port_url},
                 {"_PORT_START", is_number}, {"_PORT_END", is_number}};
    size_t number = 0;
    while (number < rest.len && strchr(digits, rest.ptr[number]))
        number++;
    struct kn_str tail = {rest.ptr + number, rest.len - number};
    size_t protocol = kn_str_starts(tail, KN_STR("_SCTP")) ? 5 : 4;
    if (number == 0 || !(protocol == 5 || kn_str_starts(tail, KN_STR("_TCP")) ||
                         kn_str_starts(tail, KN_STR("_UDP"))))
        return false;
    tail = (struct kn_str){tail.ptr + protocol, tail.len - protocol};
    for (size_t i = 0; i < KN_COUNT_OF(parts); i++)
        if (kn_str_eq(tail, kn_str_from(parts[i].name)))
            return parts[i].fits(value);
    return false;
}

/* Whether env has the NAME of the link whose ENV_ starts at place of variable. */
static bool has_link(const char *const *env, const char *variable, const char *place)
{
    size_t len = (size_t)(place - variable);
    for (size_t i = 0; env && env[i]; i++)
        if (strncmp(env[i], variable, len) == 0 && strncmp(env[i] + len, "NAME=", 5) == 0)
            return is_link(env[i] + len + 5);
    return false;
}

static bool is_ours_elsewhere(struct kn_str name)
{
    return kn_str_starts(name, KN_STR("TEST_")) || kn_str_starts(name, KN_STR("DEV_")) ||
           kn_str_eq(name, KN_STR("URL"));
}

/* Whether words, the end of variable's name, and value have the form of generated variables. */
static bool fits(const char *variable, struct kn_str words, const char *value,
                 const char *const *env)
{
    if (kn_str_eq(words, KN_STR("SERVICE_HOST")))
        return is_ip(value);
    if (kn_str_eq(words, KN_STR("SERVICE_PORT")) || kn_str_starts(words, KN_STR("SERVICE_PORT_")))
        return is_number(value);
    if (kn_str_eq(words, KN_STR("PORT")))
        return is_port_url(value);
    if (kn_str_starts(words, KN_STR("PORT_")))
        return is_port_variable((struct kn_str){words.ptr + 5, words.len - 5}, value);
    if (kn_str_eq(words, KN_STR("NAME")))
        return is_link(value);
    return kn_str_starts(words, KN_STR("ENV_")) && has_link(env, variable, words.ptr);
}

bool config_is_foreign(const char *variable, const char *const *env)
{
    const char *end = variable + strcspn(variable, "=");
    const char *start = variable + strlen("KANCHI_");
    if (is_ours_elsewhere((struct kn_str){start, (size_t)(end - start)}))
        return true;
    for (const char *word = start; word < end; word++)
        if (word[-1] == '_' &&
            fits(variable, (struct kn_str){word, (size_t)(end - word)}, end + 1, env))
            return true;
    return false;
}
