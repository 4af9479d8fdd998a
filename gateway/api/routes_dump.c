/* Writes the table of routes as JSON, for tests/api_doc_test.py. */
#include "gateway/api/routes.h"
#include "gateway/http/params.h"
#include "services/common/text/buf.h"

#include <stdio.h>

static void member(struct kn_buf *out, const char *name, const char *text)
{
    kn_buf_printf(out, "\"%s\":", name);
    kn_buf_json_str(out, text ? kn_str_from(text) : KN_STR_ABSENT);
    kn_buf_char(out, ',');
}

static void texts(struct kn_buf *out, const char *const *texts, size_t count)
{
    kn_buf_text(out, "\"texts\":[");
    for (size_t i = 0; texts && i < count && texts[i]; i++) {
        kn_buf_text(out, i ? "," : "");
        kn_buf_json_str(out, kn_str_from(texts[i]));
    }
    kn_buf_text(out, "]}");
}

static void param(struct kn_buf *out, const struct gw_param_spec *spec)
{
    static const char *const kinds[] = {
        [GW_TEXT] = "text",         [GW_TEXTS] = "texts", [GW_FLAG] = "flag",
        [GW_CHOICE] = "choice",     [GW_TIME] = "time",   [GW_NUMBER] = "number",
        [GW_DURATION] = "duration",
    };
    kn_buf_char(out, '{');
    member(out, "name", spec->name);
    member(out, "kind", kinds[spec->kind]);
    kn_buf_printf(out, "\"least\":%llu,\"most\":%llu,\"fallback\":%llu,",
                  (unsigned long long)spec->least, (unsigned long long)spec->most,
                  (unsigned long long)spec->fallback);
    if (spec->names)
        texts(out, spec->names->texts, spec->names->count);
    else
        texts(out, spec->choices, SIZE_MAX);
}

static void route(struct kn_buf *out, const struct gw_route *route)
{
    static const char *const methods[] = {
        [GW_GET] = "GET", [GW_UPGRADE] = "GET", [GW_POST] = "POST", [GW_DELETE] = "DELETE"};
    kn_buf_char(out, '{');
    member(out, "method", methods[route->method]);
    member(out, "path", route->pattern);
    member(out, "body", route->body);
    member(out, "answer", route->answer);
    kn_buf_text(out, "\"params\":[");
    for (const struct gw_param_spec *spec = route->params; spec->name; spec++) {
        kn_buf_text(out, spec == route->params ? "" : ",");
        param(out, spec);
    }
    kn_buf_text(out, "]}");
}

int main(void)
{
    struct kn_buf out;
    kn_buf_init(&out, 0);
    for (const struct gw_route *at = gw_routes; at->pattern; at++) {
        kn_buf_text(&out, at == gw_routes ? "[" : ",\n");
        route(&out, at);
    }
    kn_buf_text(&out, "]\n");
    bool written = kn_buf_status(&out) == KN_OK && fwrite(out.data, out.len, 1, stdout) == 1;
    kn_buf_fini(&out);
    return written ? 0 : 1;
}
