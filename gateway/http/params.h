/* The query string of a request. It is split and decoded once; then each
 * parameter is read by name. The first mistake is kept in params->problem, so
 * read without looking and ask once with gw_params_finish, which also refuses
 * what nobody read. */
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

struct gw_param {
    struct kn_str key;
    struct kn_str value;
    bool used;
};

struct gw_params {
    struct kn_arena *arena; /* not owned */
    struct gw_param *items;
    size_t count;
    struct gw_problem problem;
};

/* Decodes %XX (and, with plus, "+" as a space) into the arena. INVALID: a broken
 * escape, a NUL or bytes that are not UTF-8. */
enum kn_status gw_percent_decode(struct kn_str text, bool plus, struct kn_arena *arena,
                                 struct kn_str *ret) KN_MUST_CHECK;

/* query: what stands after "?"; may be absent. Everything lies in the arena. */
void gw_params_init(struct gw_params *params, struct kn_str query, struct kn_arena *arena);

/* One text; absent when it is not there. More than one is a problem. */
struct kn_str gw_params_text(struct gw_params *params, const char *key);
/* Any number of texts. With names, each must be one of its texts. */
struct kn_strs gw_params_texts(struct gw_params *params, const char *key,
                               const struct kn_enum *names);
/* "true" or "false"; false when it is not there. */
bool gw_params_flag(struct gw_params *params, const char *key);
/* One of choices (ended by NULL); choices[0] when it is not there. */
const char *gw_params_choice(struct gw_params *params, const char *key, const char *const *choices);
/* RFC 3339; 0 when it is not there. */
int64_t gw_params_time(struct gw_params *params, const char *key);
/* from and to; without them the last hour. From must come before to. */
void gw_params_period(struct gw_params *params, int64_t *ret_from, int64_t *ret_to);
uint64_t gw_params_u64(struct gw_params *params, const char *key, uint64_t least, uint64_t most,
                       uint64_t fallback);
/* Microseconds; 0 when it is not there. */
int64_t gw_params_duration(struct gw_params *params, const char *key);

/* The same for any order of the parameters, another one for other parameters;
 * limit and cursor do not count. */
uint64_t gw_params_fingerprint(const struct gw_params *params, struct kn_str path);

/* True when all is well; otherwise params->problem says what is not. */
bool gw_params_finish(struct gw_params *params) KN_MUST_CHECK;

#endif
