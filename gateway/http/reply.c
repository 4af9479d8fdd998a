#include "gateway/http/reply.h"

#include "gateway/http/cursor.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

void gw_fail(struct gw_exchange *x, int status, const char *format, ...)
{
    char detail[sizeof x->problem.detail];
    va_list args;
    va_start(args, format);
    vsnprintf(detail, sizeof detail, format, args);
    va_end(args);
    x->problem = (struct gw_problem){0};
    gw_problem_set(&x->problem, status, NULL, "%s", detail);
    gw_exchange_fail(x);
}

void gw_fail_unknown(struct gw_exchange *x, const char *why)
{
    struct kn_str id = kn_utf8_head(x->new_id, sizeof x->problem.new_id - 1);
    if (id.len)
        gw_fail(x, 504,
                "%s: it is unknown whether the task was sent. If it was, it has the id %.*s", why,
                KN_STR_ARG(id));
    else
        gw_fail(x, 504, "%s: it is unknown whether the action was taken", why);
    gw_tell_unknown(x);
}

void gw_tell_unknown(struct gw_exchange *x)
{
    struct kn_str id = kn_utf8_head(x->new_id, sizeof x->problem.new_id - 1);
    x->problem.code = GW_OUTCOME_UNKNOWN;
    snprintf(x->problem.new_id, sizeof x->problem.new_id, "%.*s", KN_STR_ARG(id));
    gw_exchange_fail(x);
}

void gw_fail_memory(struct gw_exchange *x)
{
    static const char why[] = "too many large responses in progress";
    if (x->acted)
        gw_fail_unknown(x, why);
    else
        gw_fail(x, 503, "%s, try again later", why);
}

void gw_answer_nothing(struct gw_exchange *x)
{
    x->problem = (struct gw_problem){0};
    x->status = 204;
    x->type = "application/json";
    kn_buf_clear(&x->body);
}

bool gw_params_ok(struct gw_exchange *x)
{
    if (x->arena.overflow) { /* what could not be read for want of memory is not at fault */
        gw_fail_memory(x);
        return false;
    }
    if (gw_params_finish(&x->params))
        return true;
    x->problem = x->params.problem;
    gw_exchange_fail(x);
    return false;
}

/* ---- lists ------------------------------------------------------------------------------ */

struct kn_str gw_read_cursor(struct gw_exchange *x)
{
    struct kn_str text = gw_params_text(&x->params, "cursor"), position = KN_STR_ABSENT;
    if (!text.ptr)
        return position;
    uint64_t print = gw_params_fingerprint(&x->params, x->path);
    enum kn_status status = gw_cursor_read(text, print, &x->arena, &position);
    if (status == KN_CONFLICT)
        gw_problem_set(&x->params.problem, 400, "cursor", "cursor: issued for other parameters");
    else if (status != KN_OK)
        gw_problem_set(&x->params.problem, 400, "cursor", "cursor: not issued by this list");
    return position;
}

void gw_end_list(struct gw_exchange *x, struct kn_str position)
{
    kn_buf_text(&x->body, "],\"next_cursor\":");
    if (position.ptr) {
        kn_buf_char(&x->body, '"');
        gw_cursor_write(&x->body, gw_params_fingerprint(&x->params, x->path), position);
        kn_buf_text(&x->body, "\"}");
    } else {
        kn_buf_text(&x->body, "null}");
    }
}

uint64_t gw_read_number_cursor(struct gw_exchange *x)
{
    struct kn_str position = gw_read_cursor(x);
    uint64_t number = 0;
    if (position.ptr && !kn_str_to_u64(position, &number))
        gw_problem_set(&x->params.problem, 400, "cursor", "cursor: not issued by this list");
    return number;
}

void gw_end_numbered_list(struct gw_exchange *x, uint64_t next)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, next);
    gw_end_list(x, next ? kn_str_from(text) : KN_STR_ABSENT);
}
