#include "proto/codec_internal.h"

#include <string.h>

static void json_message(struct kn_buf *out, const struct kn_schema *schema, const char *msg);

static void json_list(struct kn_buf *out, const struct field *f, const struct any_list *list)
{
    const struct kn_schema *sub = f->type == TYPE_LIST ? f->sub() : NULL;
    kn_buf_char(out, '[');
    for (size_t i = 0; i < list->count; i++) {
        if (i)
            kn_buf_char(out, ',');
        if (f->type == TYPE_STRS)
            kn_buf_json_str(out, ((const struct kn_str *)list->items)[i]);
        else if (f->type == TYPE_F64S)
            kn_buf_json_f64(out, ((const double *)list->items)[i]);
        else
            json_message(out, sub, list->items + i * sub->size);
    }
    kn_buf_char(out, ']');
}

static void json_i64(struct kn_buf *out, int64_t value)
{
    kn_buf_i64(out, value);
}

static void json_value(struct kn_buf *out, const struct field *f, const char *at)
{
    switch ((enum field_type)f->type) {
    case TYPE_BOOL:
        kn_buf_text(out, *(const bool *)at ? "true" : "false");
        break;
    case TYPE_ENUM:
        kn_buf_json_str(out, kn_str_from(kn_enum_text(f->en, *(const uint8_t *)at)));
        break;
    case TYPE_U64:
        kn_buf_u64(out, *(const uint64_t *)at);
        break;
    case TYPE_I64:
        json_i64(out, *(const int64_t *)at);
        break;
    case TYPE_TIME:
        kn_buf_json_time(out, *(const int64_t *)at);
        break;
    case TYPE_F64:
        kn_buf_json_f64(out, *(const double *)at);
        break;
    case TYPE_OPT_I64:
        if (((const struct kn_opt_i64 *)at)->set)
            json_i64(out, ((const struct kn_opt_i64 *)at)->value);
        else
            kn_buf_text(out, "null");
        break;
    case TYPE_OPT_F64:
        if (((const struct kn_opt_f64 *)at)->set)
            kn_buf_json_f64(out, ((const struct kn_opt_f64 *)at)->value);
        else
            kn_buf_text(out, "null");
        break;
    case TYPE_STR:
        kn_buf_json_str(out, *(const struct kn_str *)at);
        break;
    case TYPE_JSON:
        if (((const struct kn_str *)at)->ptr)
            kn_buf_str(out, *(const struct kn_str *)at);
        else
            kn_buf_text(out, "null");
        break;
    case TYPE_MSG:
        if (*(const char *const *)at)
            json_message(out, f->sub(), *(const char *const *)at);
        else
            kn_buf_text(out, "null");
        break;
    case TYPE_STRS:
    case TYPE_F64S:
    case TYPE_LIST:
        json_list(out, f, (const struct any_list *)at);
        break;
    case TYPE_BIN:
        break;
    }
}

static bool is_skipped(const char *name, const char *const *skip)
{
    for (; skip && *skip; skip++) {
        if (strcmp(name, *skip) == 0)
            return true;
    }
    return false;
}

static bool json_members(struct kn_buf *out, const struct kn_schema *schema, const char *msg,
                         const char *const *skip)
{
    bool any = false;
    for (size_t i = 0; i < schema->count; i++) {
        const struct field *f = &schema->fields[i];
        if (f->type == TYPE_BIN || is_skipped(f->name, skip))
            continue;
        if (any)
            kn_buf_char(out, ',');
        any = true;
        kn_buf_char(out, '"');
        kn_buf_text(out, f->name);
        kn_buf_text(out, "\":");
        json_value(out, f, msg + f->offset);
    }
    return any;
}

static void json_message(struct kn_buf *out, const struct kn_schema *schema, const char *msg)
{
    kn_buf_char(out, '{');
    json_members(out, schema, msg, NULL);
    kn_buf_char(out, '}');
}

bool kn_msg_json_members(struct kn_buf *out, enum kn_kind kind, const void *msg,
                         const char *const *skip)
{
    const struct kn_schema *schema = kn_schema_of(kind);
    if (!schema) {
        kn_buf_fail(out, KN_INTERNAL);
        return false;
    }
    return json_members(out, schema, msg, skip);
}

void kn_msg_json(struct kn_buf *out, enum kn_kind kind, const void *msg)
{
    kn_buf_char(out, '{');
    kn_msg_json_members(out, kind, msg, NULL);
    kn_buf_char(out, '}');
}
