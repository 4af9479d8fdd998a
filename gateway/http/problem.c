#include "gateway/http/problem.h"

#include "services/common/count.h"

#include <stdarg.h>
#include <stdio.h>

void gw_problem_set(struct gw_problem *problem, int status, const char *parameter,
                    const char *format, ...)
{
    if (problem->status)
        return;
    problem->status = status;
    snprintf(problem->parameter, sizeof problem->parameter, "%s", parameter ? parameter : "");
    va_list args;
    va_start(args, format);
    vsnprintf(problem->detail, sizeof problem->detail, format, args);
    va_end(args);
}

void gw_problem_json(struct kn_buf *out, const struct gw_problem *problem, struct kn_str instance)
{
    kn_buf_text(out, "{\"type\":\"about:blank\",\"title\":");
    kn_buf_json_str(out, kn_str_from(gw_http_reason(problem->status)));
    kn_buf_printf(out, ",\"status\":%d,\"detail\":", problem->status);
    kn_buf_json_str(out, kn_str_from(problem->detail));
    if (instance.ptr) {
        kn_buf_text(out, ",\"instance\":");
        kn_buf_json_str(out, kn_utf8_head(instance, 1024));
    }
    if (problem->parameter[0]) {
        kn_buf_text(out, ",\"parameter\":");
        kn_buf_json_str(out, kn_str_from(problem->parameter));
    }
    const struct {
        const char *name, *text;
    } more[] = {{"code", problem->code}, {"new_id", problem->new_id}};
    for (size_t i = 0; i < KN_COUNT_OF(more); i++) {
        if (!more[i].text || !*more[i].text)
            continue;
        kn_buf_printf(out, ",\"%s\":", more[i].name);
        kn_buf_json_str(out, kn_str_from(more[i].text));
    }
    kn_buf_char(out, '}');
}

const char *gw_http_reason(int status)
{
    static const struct {
        int status;
        const char *reason;
    } table[] = {
        {200, "OK"},
        {202, "Accepted"},
        {204, "No Content"},
        {304, "Not Modified"},
        {400, "Bad Request"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {411, "Length Required"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {417, "Expectation Failed"},
        {415, "Unsupported Media Type"},
        {421, "Misdirected Request"},
        {426, "Upgrade Required"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
    };
    for (size_t i = 0; i < KN_COUNT_OF(table); i++)
        if (table[i].status == status)
            return table[i].reason;
    return "Error";
}
