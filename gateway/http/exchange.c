#include "gateway/http/exchange.h"

#include <stdio.h>

void gw_exchange_init(struct gw_exchange *x, struct kn_budget *memory)
{
    *x = (struct gw_exchange){.status = 200, .type = "application/json"};
    kn_arena_init(&x->arena, GW_REQUEST_ARENA_MAX);
    kn_buf_init(&x->body, GW_BODY_MAX);
    x->arena.budget = x->body.budget = memory;
}

void gw_exchange_fini(struct gw_exchange *x)
{
    if (!x)
        return;
    kn_buf_fini(&x->body);
    kn_arena_fini(&x->arena);
}

void gw_exchange_fail(struct gw_exchange *x)
{
    x->status = x->problem.status;
    x->type = "application/problem+json";
    x->cache = NULL;
    x->encoding = NULL;
    x->page = false;
    x->etag[0] = '\0';
    x->stored = KN_STR_ABSENT;
    if (x->status == 503 && !x->retry_after)
        x->retry_after = 2;
    kn_buf_fini(&x->body);
    gw_problem_json(&x->body, &x->problem, x->path);
}

struct kn_str gw_exchange_body(const struct gw_exchange *x)
{
    return x->stored.ptr ? x->stored : kn_buf_view(&x->body);
}

void gw_exchange_tag(struct gw_exchange *x)
{
    if (x->status != 200)
        return;
    if (!x->etag[0]) {
        struct kn_str body = gw_exchange_body(x);
        snprintf(x->etag, sizeof x->etag, "\"%016llx\"",
                 (unsigned long long)kn_hash64(0, body.ptr, body.len));
    }
    if (!gw_etag_matches(x->if_none_match, x->etag))
        return;
    x->status = 304;
    x->stored = KN_STR_ABSENT;
    kn_buf_clear(&x->body);
}

bool gw_etag_matches(struct kn_str header, const char *etag)
{
    struct kn_str want = kn_str_from(etag);
    size_t i = 0;
    while (i < header.len) {
        while (i < header.len && strchr(" \t,", header.ptr[i]))
            i++;
        size_t start = i;
        while (i < header.len && header.ptr[i] != ',')
            i++;
        size_t end = i;
        while (end > start && (header.ptr[end - 1] == ' ' || header.ptr[end - 1] == '\t'))
            end--;
        struct kn_str tag = {header.ptr + start, end - start};
        if (kn_str_starts(tag, KN_STR("W/")))
            tag = (struct kn_str){tag.ptr + 2, tag.len - 2};
        if (kn_str_eq(tag, want) || kn_str_eq(tag, KN_STR("*")))
            return true;
    }
    return false;
}
