#include "gateway/http/body.h"

#include "gateway/http/reply.h"
#include "services/celery/read/reader.h"
#include "services/common/text/time.h"

#include <assert.h>
#include <stdio.h>

struct gw_member {
    struct kn_str key;
    struct kn_str raw; /* the value, as it was written */
    struct celery_token token;
    bool used;
};

/* ---- reading it ------------------------------------------------------------------------ */

static void refuse(struct gw_exchange *x, const char *key, const char *what)
{
    if (key)
        gw_problem_set(&x->params.problem, 400, key, "%s: %s", key, what);
    else
        gw_problem_set(&x->params.problem, 400, NULL, "the request body %s", what);
}

static enum kn_status read_member(struct gw_exchange *x, struct celery_reader *r,
                                  const struct celery_token *key)
{
    struct gw_member *member = &x->members[x->n_members];
    const char *from = r->p;
    enum kn_status status = celery_reader_next(r, &member->token);
    if (status == KN_OK)
        status = celery_reader_skip(r, &member->token);
    if (status != KN_OK)
        return status;
    while (from < r->p && strchr(" \t\r\n:", *from))
        from++;
    member->key = key->text;
    member->raw = (struct kn_str){from, (size_t)(r->p - from)};
    x->n_members++;
    return KN_OK;
}

static enum kn_status read_object(struct gw_exchange *x, struct celery_reader *r)
{
    struct celery_token token;
    enum kn_status status = celery_reader_next(r, &token);
    if (status == KN_OK && token.kind != CELERY_MAP)
        return KN_UNSUPPORTED;
    while (status == KN_OK) {
        status = celery_reader_next(r, &token);
        if (status != KN_OK || token.kind == CELERY_CLOSE)
            break;
        if (x->n_members == GW_MEMBERS_MAX)
            return KN_FULL;
        status = read_member(x, r, &token);
    }
    return status == KN_OK && !celery_reader_at_end(r) ? KN_INVALID : status;
}

void gw_body_read(struct gw_exchange *x)
{
    x->n_members = 0;
    if (!x->body_in.len)
        return;
    x->members = kn_arena_array(&x->arena, GW_MEMBERS_MAX, sizeof *x->members);
    if (!x->members) {
        gw_problem_set(&x->params.problem, 503, NULL, "out of memory");
        return;
    }
    if (!kn_utf8_valid(x->body_in)) {
        refuse(x, NULL, "is not UTF-8");
        return;
    }
    struct celery_reader reader;
    celery_reader_init(&reader, CELERY_JSON, x->body_in, &x->arena);
    switch (read_object(x, &reader)) {
    case KN_OK:
        return;
    case KN_UNSUPPORTED:
        refuse(x, NULL, "must be a JSON object");
        break;
    case KN_FULL:
        refuse(x, NULL, "has too many members");
        break;
    case KN_TOO_DEEP:
        refuse(x, NULL, "is nested too deeply");
        break;
    default:
        refuse(x, NULL, "is not valid JSON");
    }
    x->n_members = 0;
}

/* Whether the route declares this member. Unused where assertions are off. */
__attribute__((unused)) static bool is_declared(const struct gw_exchange *x, const char *key)
{
    size_t len = strlen(key);
    for (const char *at = x->body_names; at; at = strchr(at, ' ')) {
        at += *at == ' ';
        if (strncmp(at, key, len) == 0 && (at[len] == ' ' || at[len] == '\0'))
            return true;
    }
    return !x->body_names;
}

/* NULL when it is not there, or null. */
static struct gw_member *find(struct gw_exchange *x, const char *key)
{
    assert(is_declared(x, key));
    struct gw_member *found = NULL;
    for (size_t i = 0; i < x->n_members; i++) {
        struct gw_member *member = &x->members[i];
        if (!kn_str_eq(member->key, kn_str_from(key)))
            continue;
        member->used = true;
        if (found)
            refuse(x, key, "may be given only once");
        found = member;
    }
    return found && found->token.kind != CELERY_NULL ? found : NULL;
}

/* ---- values ---------------------------------------------------------------------------- */

static bool has_nul(struct kn_str text)
{
    return text.len && memchr(text.ptr, '\0', text.len);
}

struct kn_str gw_body_text(struct gw_exchange *x, const char *key)
{
    struct gw_member *member = find(x, key);
    if (!member)
        return KN_STR_ABSENT;
    if (member->token.kind != CELERY_TEXT || has_nul(member->token.text)) {
        refuse(x, key, "must be a string without NUL");
        return KN_STR_ABSENT;
    }
    if (!member->token.text.len) {
        refuse(x, key, "must not be empty");
        return KN_STR_ABSENT;
    }
    return member->token.text;
}

struct kn_strs gw_body_texts(struct gw_exchange *x, const char *key)
{
    struct kn_strs list = {0};
    struct gw_member *member = find(x, key);
    if (!member)
        return list;
    size_t cap = 1;
    for (size_t i = 0; i < member->raw.len; i++)
        cap += member->raw.ptr[i] == ',';
    list.items = cap <= GW_LIST_MAX ? kn_arena_array(&x->arena, cap, sizeof *list.items) : NULL;
    struct celery_reader reader;
    struct celery_token token;
    celery_reader_init(&reader, CELERY_JSON, member->raw, &x->arena);
    bool good =
        list.items && celery_reader_next(&reader, &token) == KN_OK && token.kind == CELERY_LIST;
    while (good) {
        good = celery_reader_next(&reader, &token) == KN_OK;
        if (!good || token.kind == CELERY_CLOSE)
            break;
        good = token.kind == CELERY_TEXT && token.text.len && !has_nul(token.text);
        if (good)
            list.items[list.count++] = token.text;
    }
    if (!good) {
        refuse(x, key, "must be a list of at most 100000 non-empty strings");
        list.count = 0;
    }
    return list;
}

bool gw_body_flag(struct gw_exchange *x, const char *key, bool fallback)
{
    struct gw_member *member = find(x, key);
    if (!member)
        return fallback;
    if (member->token.kind != CELERY_BOOL)
        refuse(x, key, "must be true or false");
    return member->token.boolean;
}

struct kn_opt_i64 gw_body_i64(struct gw_exchange *x, const char *key, int64_t least, int64_t most)
{
    struct gw_member *member = find(x, key);
    int64_t value;
    if (!member)
        return (struct kn_opt_i64){0};
    if (member->token.kind == CELERY_INT && celery_token_i64(&member->token, &value) &&
        value >= least && value <= most)
        return KN_SOME_I64(value);
    gw_problem_set(&x->params.problem, 400, key, "%s: must be a whole number from %lld to %lld",
                   key, (long long)least, (long long)most);
    return (struct kn_opt_i64){0};
}

struct kn_opt_f64 gw_body_f64(struct gw_exchange *x, const char *key, double least, double most)
{
    struct gw_member *member = find(x, key);
    double value;
    if (!member)
        return (struct kn_opt_f64){0};
    bool number = member->token.kind == CELERY_INT || member->token.kind == CELERY_FLOAT;
    if (number && celery_token_f64(&member->token, &value) && value >= least && value <= most)
        return KN_SOME_F64(value);
    gw_problem_set(&x->params.problem, 400, key, "%s: must be a number from %g to %g", key, least,
                   most);
    return (struct kn_opt_f64){0};
}

int64_t gw_body_time(struct gw_exchange *x, const char *key)
{
    struct kn_str text = gw_body_text(x, key);
    int64_t us = 0;
    if (text.ptr && !kn_time_parse(text, &us))
        refuse(x, key, "must be a time such as 2026-11-23T10:00:00Z");
    return us;
}

struct kn_str gw_body_json(struct gw_exchange *x, const char *key, char kind)
{
    struct gw_member *member = find(x, key);
    if (!member)
        return KN_STR_ABSENT;
    if (kind && member->raw.ptr[0] != kind) {
        refuse(x, key, kind == '[' ? "must be a list" : "must be an object");
        return KN_STR_ABSENT;
    }
    return member->raw;
}

void gw_body_refuse_rest(struct gw_exchange *x)
{
    for (size_t i = 0; i < x->n_members; i++) {
        char key[64];
        if (x->members[i].used)
            continue;
        snprintf(key, sizeof key, "%.*s", KN_STR_ARG(kn_utf8_head(x->members[i].key, 60)));
        refuse(x, key, "unknown field");
        break;
    }
}

bool gw_body_ok(struct gw_exchange *x)
{
    gw_body_refuse_rest(x);
    return gw_params_ok(x);
}
