#include "gateway/view/member.h"

#include "gateway/view/view.h"
#include "services/common/text/time.h"

void member(struct kn_buf *out, const char *name)
{
    kn_buf_text(out, ",\"");
    kn_buf_text(out, name);
    kn_buf_text(out, "\":");
}

void member_str(struct kn_buf *out, const char *name, struct kn_str value)
{
    member(out, name);
    kn_buf_json_str(out, value);
}

void member_i64(struct kn_buf *out, const char *name, int64_t value)
{
    member(out, name);
    kn_buf_i64(out, value);
}

void member_f64(struct kn_buf *out, const char *name, double value)
{
    member(out, name);
    kn_buf_json_f64(out, value);
}

void member_time(struct kn_buf *out, const char *name, int64_t us)
{
    member(out, name);
    kn_buf_json_time(out, us);
}

void member_bool(struct kn_buf *out, const char *name, bool value)
{
    member(out, name);
    kn_buf_text(out, value ? "true" : "false");
}

void gw_view_opt_i64(struct kn_buf *out, struct kn_opt_i64 value)
{
    if (value.set)
        kn_buf_i64(out, value.value);
    else
        kn_buf_text(out, "null");
}

void member_opt_i64(struct kn_buf *out, const char *name, struct kn_opt_i64 value)
{
    member(out, name);
    gw_view_opt_i64(out, value);
}

void member_opt_f64(struct kn_buf *out, const char *name, struct kn_opt_f64 value)
{
    member(out, name);
    if (value.set)
        kn_buf_json_f64(out, value.value);
    else
        kn_buf_text(out, "null");
}

void gw_view_texts(struct kn_buf *out, const struct kn_strs *texts)
{
    kn_buf_char(out, '[');
    for (size_t i = 0; i < texts->count; i++) {
        if (i)
            kn_buf_char(out, ',');
        kn_buf_json_str(out, texts->items[i]);
    }
    kn_buf_char(out, ']');
}

void member_strs(struct kn_buf *out, const char *name, const struct kn_strs *list)
{
    member(out, name);
    gw_view_texts(out, list);
}

void member_json(struct kn_buf *out, const char *name, struct kn_str json)
{
    member(out, name);
    kn_buf_str(out, json.len ? json : KN_STR("null"));
}
