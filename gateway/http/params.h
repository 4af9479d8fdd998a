/* The query string of a request. It is split and decoded once; then each parameter is read by name,
 * as declared by its route. Reading an undeclared parameter is a bug. The client's first mistake is
 * kept in params->problem: read all parameters, then call gw_params_finish once, which also refuses
 * undeclared ones. */
#ifndef KN_GATEWAY_HTTP_PARAMS_H
#define KN_GATEWAY_HTTP_PARAMS_H

#include "gateway/http/problem.h"
#include "proto/messages.h"
#include "services/common/data/arena.h"

enum {
    GW_PARAMS_MAX = 256, /* parameters of one request */
    GW_PARAM_MAX = 1024, /* bytes of one value, decoded */
    GW_REPEAT_MAX = 100, /* values of one parameter */
};

enum gw_param_kind {
    GW_TEXT,
    GW_TEXTS, /* any number of values */
    GW_FLAG,
    GW_CHOICE,
    GW_TIME,
    GW_NUMBER,
    GW_DURATION,
};

/* A parameter as declared by its route. A list ends with one without a name. */
struct gw_param_spec {
    const char *name;
    enum gw_param_kind kind;
    const struct kn_enum *names;    /* GW_TEXTS: the allowed values; NULL: any */
    const char *const *choices;     /* GW_CHOICE, ended by NULL; default: the first */
    uint64_t least, most, fallback; /* GW_NUMBER; fallback is the default */
};

#define GW_PARAM_TEXT(name_)                                                                       \
    {                                                                                              \
        .name = (name_), .kind = GW_TEXT                                                           \
    }
#define GW_PARAM_TEXTS(name_)                                                                      \
    {                                                                                              \
        .name = (name_), .kind = GW_TEXTS                                                          \
    }
#define GW_PARAM_NAMES(name_, names_)                                                              \
    {                                                                                              \
        .name = (name_), .kind = GW_TEXTS, .names = (names_)                                       \
    }
#define GW_PARAM_FLAG(name_)                                                                       \
    {                                                                                              \
        .name = (name_), .kind = GW_FLAG                                                           \
    }
#define GW_PARAM_CHOICE(name_, ...)                                                                \
    {                                                                                              \
        .name = (name_), .kind = GW_CHOICE, .choices = (const char *const[])                       \
        {                                                                                          \
            __VA_ARGS__, NULL                                                                      \
        }                                                                                          \
    }
#define GW_PARAM_TIME(name_)                                                                       \
    {                                                                                              \
        .name = (name_), .kind = GW_TIME                                                           \
    }
#define GW_PARAM_DURATION(name_)                                                                   \
    {                                                                                              \
        .name = (name_), .kind = GW_DURATION                                                       \
    }
#define GW_PARAM_NUMBER(name_, least_, most_, fallback_)                                           \
    {                                                                                              \
        .name = (name_), .kind = GW_NUMBER, .least = (least_), .most = (most_),                    \
        .fallback = (fallback_)                                                                    \
    }

struct gw_param {
    struct kn_str key;
    struct kn_str value;
    bool used;
};

struct gw_params {
    struct kn_arena *arena;            /* not owned */
    const struct gw_param_spec *specs; /* not owned; NULL: none */
    uint64_t read;                     /* specs already read, by bit */
    struct gw_param *items;
    size_t count;
    struct gw_problem problem;
};

/* Decodes %XX (and, with plus, "+" as a space) into the arena. INVALID: a broken
 * escape, a NUL or bytes that are not UTF-8. */
enum kn_status gw_percent_decode(struct kn_str text, bool plus, struct kn_arena *arena,
                                 struct kn_str *ret) KN_MUST_CHECK;

/* query: the text after "?"; may be absent. specs: at most 64, or NULL. Everything lies in the
 * arena. */
void gw_params_init(struct gw_params *params, struct kn_str query,
                    const struct gw_param_spec *specs, struct kn_arena *arena);

/* One value, or absent. More than one is a problem. */
struct kn_str gw_params_text(struct gw_params *params, const char *key);
struct kn_strs gw_params_texts(struct gw_params *params, const char *key);
/* "true" or "false"; default: false. */
bool gw_params_flag(struct gw_params *params, const char *key);
/* One of the choices; default: the first. */
const char *gw_params_choice(struct gw_params *params, const char *key);
/* RFC 3339; 0 if absent. */
int64_t gw_params_time(struct gw_params *params, const char *key);
/* from and to; default: the last hour. from must be before to. */
void gw_params_period(struct gw_params *params, int64_t *ret_from, int64_t *ret_to);
uint64_t gw_params_u64(struct gw_params *params, const char *key);
/* Microseconds; 0 if absent. */
int64_t gw_params_duration(struct gw_params *params, const char *key);

/* A hash of the path and the parameters, except limit and cursor; their order does not
 * matter. */
uint64_t gw_params_fingerprint(const struct gw_params *params, struct kn_str path);

/* True if all parameters are valid; otherwise params->problem is set. */
bool gw_params_finish(struct gw_params *params) KN_MUST_CHECK;

#endif
