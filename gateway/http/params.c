#include "gateway/http/params.h"

#include "services/common/text/time.h"

#include <assert.h>
#include <stdio.h>

enum kn_status gw_percent_decode(struct kn_str text, bool plus, struct kn_arena *arena,
                                 struct kn_str *ret)
{
    char *to = kn_arena_alloc(arena, text.len + 1);
    if (!to)
        return KN_NOMEM;
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '%') {
            if (text.len - i < 3)
                return KN_INVALID;
            int a = kn_hex_digit(text.ptr[i + 1]), b = kn_hex_digit(text.ptr[i + 2]);
            if (a < 0 || b < 0)
                return KN_INVALID;
            c = (char)(a * 16 + b);
            i += 2;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        if (c == '\0')
            return KN_INVALID;
        to[n++] = c;
    }
    struct kn_str decoded = {to, n};
    if (!kn_utf8_valid(decoded))
        return KN_INVALID;
    *ret = decoded;
    return KN_OK;
}

static void add_param(struct gw_params *params, struct kn_str text)
{
    const char *equals = memchr(text.ptr, '=', text.len);
    size_t key_len = equals ? (size_t)(equals - text.ptr) : text.len;
    struct kn_str raw_key = {text.ptr, key_len};
    struct kn_str raw_value =
        equals ? (struct kn_str){equals + 1, text.len - key_len - 1} : KN_STR("");
    struct gw_param *param = &params->items[params->count];
    if (gw_percent_decode(raw_key, true, params->arena, &param->key) != KN_OK) {
        gw_problem_set(&params->problem, 400, NULL,
                       "the name of a parameter has an invalid %%XX, a NUL or is not UTF-8");
        return;
    }
    if (gw_percent_decode(raw_value, true, params->arena, &param->value) != KN_OK) {
        char name[64];
        snprintf(name, sizeof name, "%.*s", KN_STR_ARG(kn_utf8_head(param->key, 60)));
        gw_problem_set(&params->problem, 400, name,
                       "%s: the value has an invalid %%XX, a NUL or is not UTF-8", name);
        return;
    }
    params->count++;
}

void gw_params_init(struct gw_params *params, struct kn_str query,
                    const struct gw_param_spec *specs, struct kn_arena *arena)
{
    *params = (struct gw_params){.arena = arena, .specs = specs};
    params->items = kn_arena_array(arena, GW_PARAMS_MAX, sizeof *params->items);
    if (!params->items) {
        gw_problem_set(&params->problem, 503, NULL, "out of memory");
        return;
    }
    const char *at = query.ptr, *end = query.ptr + query.len;
    while (query.len && at < end && !params->problem.status) {
        const char *amp = memchr(at, '&', (size_t)(end - at));
        const char *stop = amp ? amp : end;
        if (stop > at && params->count == GW_PARAMS_MAX) {
            gw_problem_set(&params->problem, 400, NULL, "too many parameters: the maximum is %d",
                           GW_PARAMS_MAX);
            return;
        }
        if (stop > at)
            add_param(params, (struct kn_str){at, (size_t)(stop - at)});
        at = stop + 1;
    }
}

/* Of this kind, which is asserted. */
static const struct gw_param_spec *spec_of(struct gw_params *params, const char *key,
                                           enum gw_param_kind kind)
{
    static const char *const no_choices[] = {"", NULL};
    static const struct gw_param_spec none = {.choices = no_choices};
    const struct gw_param_spec *specs = params->specs;
    for (size_t i = 0; specs && specs[i].name; i++)
        if (strcmp(specs[i].name, key) == 0) {
            assert(specs[i].kind == kind && "the route declares another kind");
            params->read |= UINT64_C(1) << i;
            return &specs[i];
        }
    assert(!"the route does not declare this parameter");
    (void)kind;
    return &none;
}

/* The next parameter called key after *at; NULL when there is none. */
static struct gw_param *next_param(struct gw_params *params, const char *key, size_t *at)
{
    struct kn_str name = kn_str_from(key);
    while (*at < params->count) {
        struct gw_param *param = &params->items[(*at)++];
        if (!kn_str_eq(param->key, name))
            continue;
        param->used = true;
        if (param->value.len > GW_PARAM_MAX)
            gw_problem_set(&params->problem, 400, key, "%s: longer than %d bytes", key,
                           GW_PARAM_MAX);
        else if (param->value.len == 0)
            gw_problem_set(&params->problem, 400, key, "%s: must not be empty", key);
        else
            return param;
    }
    return NULL;
}

/* One value; absent when it is not there. More than one is a problem. */
static struct kn_str only_value(struct gw_params *params, const char *key)
{
    size_t at = 0;
    struct gw_param *param = next_param(params, key, &at);
    if (param && next_param(params, key, &at))
        gw_problem_set(&params->problem, 400, key, "%s: may be given only once", key);
    return param ? param->value : KN_STR_ABSENT;
}

struct kn_str gw_params_text(struct gw_params *params, const char *key)
{
    spec_of(params, key, GW_TEXT);
    return only_value(params, key);
}

static void describe_choices(struct kn_buf *out, const char *const *texts, size_t count)
{
    for (size_t i = 0; i < count && texts[i]; i++)
        kn_buf_printf(out, "%s%s", i ? ", " : "", texts[i]);
    kn_buf_append(out, "", 1);
}

static void refuse_choice(struct gw_params *params, const char *key, const char *const *texts,
                          size_t count)
{
    struct kn_buf list;
    kn_buf_init(&list, 256);
    describe_choices(&list, texts, count);
    gw_problem_set(&params->problem, 400, key, "%s: must be one of %s", key,
                   kn_buf_status(&list) == KN_OK ? list.data : "the known ones");
    kn_buf_fini(&list);
}

struct kn_strs gw_params_texts(struct gw_params *params, const char *key)
{
    const struct kn_enum *names = spec_of(params, key, GW_TEXTS)->names;
    struct kn_strs list = {0};
    size_t at = 0;
    for (struct gw_param *param; (param = next_param(params, key, &at));) {
        unsigned number;
        if (names && !kn_enum_parse(names, param->value, &number)) {
            refuse_choice(params, key, names->texts, names->count);
            break;
        }
        if (list.count == GW_REPEAT_MAX) {
            gw_problem_set(&params->problem, 400, key, "%s: may have at most %d values", key,
                           GW_REPEAT_MAX);
            break;
        }
        if (!list.items)
            list.items = kn_arena_array(params->arena, GW_REPEAT_MAX, sizeof *list.items);
        if (!list.items) {
            gw_problem_set(&params->problem, 503, NULL, "out of memory");
            break;
        }
        list.items[list.count++] = param->value;
    }
    return list;
}

static const char *choose(struct gw_params *params, const char *key, const char *const *choices)
{
    struct kn_str text = only_value(params, key);
    if (!text.ptr)
        return choices[0];
    for (size_t i = 0; choices[i]; i++)
        if (kn_str_eq(text, kn_str_from(choices[i])))
            return choices[i];
    refuse_choice(params, key, choices, SIZE_MAX);
    return choices[0];
}

const char *gw_params_choice(struct gw_params *params, const char *key)
{
    return choose(params, key, spec_of(params, key, GW_CHOICE)->choices);
}

bool gw_params_flag(struct gw_params *params, const char *key)
{
    static const char *const choices[] = {"false", "true", NULL};
    spec_of(params, key, GW_FLAG);
    return choose(params, key, choices) == choices[1];
}

int64_t gw_params_time(struct gw_params *params, const char *key)
{
    spec_of(params, key, GW_TIME);
    struct kn_str text = only_value(params, key);
    int64_t us = 0;
    if (text.ptr && !kn_time_parse(text, &us))
        gw_problem_set(&params->problem, 400, key,
                       "%s: must be a time such as 2026-11-23T10:00:00Z", key);
    return us;
}

void gw_params_period(struct gw_params *params, int64_t *ret_from, int64_t *ret_to)
{
    *ret_from = gw_params_time(params, "from");
    *ret_to = gw_params_time(params, "to");
    if (!*ret_to)
        *ret_to = kn_time_now();
    if (!*ret_from)
        *ret_from = *ret_to - KN_HOUR;
    if (*ret_from >= *ret_to)
        gw_problem_set(&params->problem, 400, "from", "from: must be before to");
}

uint64_t gw_params_u64(struct gw_params *params, const char *key)
{
    const struct gw_param_spec *spec = spec_of(params, key, GW_NUMBER);
    struct kn_str text = only_value(params, key);
    if (!text.ptr)
        return spec->fallback;
    uint64_t value;
    if (kn_str_to_u64(text, &value) && value >= spec->least && value <= spec->most)
        return value;
    gw_problem_set(&params->problem, 400, key, "%s: must be a whole number from %llu to %llu", key,
                   (unsigned long long)spec->least, (unsigned long long)spec->most);
    return spec->fallback;
}

int64_t gw_params_duration(struct gw_params *params, const char *key)
{
    spec_of(params, key, GW_DURATION);
    struct kn_str text = only_value(params, key);
    int64_t us = 0;
    if (text.ptr && (!kn_duration_parse(text, &us) || us <= 0)) {
        gw_problem_set(&params->problem, 400, key,
                       "%s: must be a duration such as 30s, 5m, 12h or 1d", key);
        return 0;
    }
    return us;
}

uint64_t gw_params_fingerprint(const struct gw_params *params, struct kn_str path)
{
    uint64_t sum = kn_hash64(0, path.ptr, path.len);
    for (size_t i = 0; i < params->count; i++) {
        const struct gw_param *param = &params->items[i];
        if (kn_str_eq(param->key, KN_STR("limit")) || kn_str_eq(param->key, KN_STR("cursor")))
            continue;
        uint64_t hash = kn_hash64(0, param->key.ptr, param->key.len);
        hash = kn_hash64(hash, "=", 1);
        sum += kn_hash64(hash, param->value.ptr, param->value.len);
    }
    return sum;
}

/* A route that declares what its handler does not read tells clients something untrue. */
static void assert_all_read(const struct gw_params *params)
{
    for (size_t i = 0; params->specs && params->specs[i].name; i++)
        assert(params->read >> i & 1);
}

bool gw_params_finish(struct gw_params *params)
{
    assert_all_read(params);
    for (size_t i = 0; i < params->count && !params->problem.status; i++) {
        if (params->items[i].used)
            continue;
        char name[64];
        snprintf(name, sizeof name, "%.*s", KN_STR_ARG(kn_utf8_head(params->items[i].key, 60)));
        gw_problem_set(&params->problem, 400, name, "unknown parameter %s", name);
    }
    return params->problem.status == 0;
}
