/* A message as kombu writes it on Redis. */
#include "services/broker/amqp/amqp_waiting.h"

#include <openssl/evp.h>

enum { DEPTH_MAX = 8 };

static void write_table(struct kn_buf *out, const amqp_table_t *table, int depth);

static void write_value(struct kn_buf *out, const amqp_field_value_t *value, int depth)
{
    switch (value->kind) {
    case AMQP_FIELD_KIND_BOOLEAN:
        kn_buf_text(out, value->value.boolean ? "true" : "false");
        break;
    case AMQP_FIELD_KIND_I8:
        kn_buf_printf(out, "%d", value->value.i8);
        break;
    case AMQP_FIELD_KIND_U8:
        kn_buf_printf(out, "%u", value->value.u8);
        break;
    case AMQP_FIELD_KIND_I16:
        kn_buf_printf(out, "%d", value->value.i16);
        break;
    case AMQP_FIELD_KIND_U16:
        kn_buf_printf(out, "%u", value->value.u16);
        break;
    case AMQP_FIELD_KIND_I32:
        kn_buf_printf(out, "%d", value->value.i32);
        break;
    case AMQP_FIELD_KIND_U32:
        kn_buf_printf(out, "%u", value->value.u32);
        break;
    case AMQP_FIELD_KIND_I64:
        kn_buf_printf(out, "%lld", (long long)value->value.i64);
        break;
    case AMQP_FIELD_KIND_U64:
    case AMQP_FIELD_KIND_TIMESTAMP:
        kn_buf_printf(out, "%llu", (unsigned long long)value->value.u64);
        break;
    case AMQP_FIELD_KIND_F32:
        kn_buf_json_f64(out, value->value.f32);
        break;
    case AMQP_FIELD_KIND_F64:
        kn_buf_json_f64(out, value->value.f64);
        break;
    case AMQP_FIELD_KIND_UTF8:
    case AMQP_FIELD_KIND_BYTES:
        kn_buf_json_str(out, broker_amqp_str(value->value.bytes));
        break;
    case AMQP_FIELD_KIND_ARRAY:
        if (depth == DEPTH_MAX) {
            kn_buf_fail(out, KN_TOO_DEEP);
            break;
        }
        kn_buf_char(out, '[');
        for (int i = 0; i < value->value.array.num_entries; i++) {
            kn_buf_text(out, i ? "," : "");
            write_value(out, &value->value.array.entries[i], depth + 1);
        }
        kn_buf_char(out, ']');
        break;
    case AMQP_FIELD_KIND_TABLE:
        write_table(out, &value->value.table, depth + 1);
        break;
    default:
        kn_buf_text(out, "null");
    }
}

static void write_table(struct kn_buf *out, const amqp_table_t *table, int depth)
{
    if (depth > DEPTH_MAX)
        kn_buf_fail(out, KN_TOO_DEEP);
    if (kn_buf_status(out) != KN_OK)
        return;
    kn_buf_char(out, '{');
    for (int i = 0; i < table->num_entries; i++) {
        kn_buf_text(out, i ? "," : "");
        kn_buf_json_str(out, broker_amqp_str(table->entries[i].key));
        kn_buf_char(out, ':');
        write_value(out, &table->entries[i].value, depth);
    }
    kn_buf_char(out, '}');
}

static void write_text(struct kn_buf *out, const char *key, const amqp_basic_properties_t *p,
                       amqp_flags_t flag, amqp_bytes_t text)
{
    if (!(p->_flags & flag))
        return;
    kn_buf_printf(out, "\"%s\":", key);
    kn_buf_json_str(out, broker_amqp_str(text));
    kn_buf_char(out, ',');
}

static void write_body(struct kn_buf *out, amqp_bytes_t body)
{
    char *to = kn_buf_reserve(out, (body.len + 2) / 3 * 4 + 1);
    if (to && body.len)
        out->len += (size_t)EVP_EncodeBlock((unsigned char *)to, body.bytes, (int)body.len);
}

void amqp_write_envelope(struct kn_buf *out, const amqp_message_t *message, struct kn_str exchange,
                         struct kn_str routing_key)
{
    const amqp_basic_properties_t *p = &message->properties;
    static const amqp_table_t none = {0};
    kn_buf_char(out, '{');
    write_text(out, "content-type", p, AMQP_BASIC_CONTENT_TYPE_FLAG, p->content_type);
    write_text(out, "content-encoding", p, AMQP_BASIC_CONTENT_ENCODING_FLAG, p->content_encoding);
    kn_buf_text(out, "\"headers\":");
    write_table(out, p->_flags & AMQP_BASIC_HEADERS_FLAG ? &p->headers : &none, 0);
    kn_buf_text(out, ",\"properties\":{");
    write_text(out, "correlation_id", p, AMQP_BASIC_CORRELATION_ID_FLAG, p->correlation_id);
    write_text(out, "reply_to", p, AMQP_BASIC_REPLY_TO_FLAG, p->reply_to);
    write_text(out, "expiration", p, AMQP_BASIC_EXPIRATION_FLAG, p->expiration);
    if (p->_flags & AMQP_BASIC_DELIVERY_MODE_FLAG)
        kn_buf_printf(out, "\"delivery_mode\":%u,", p->delivery_mode);
    if (p->_flags & AMQP_BASIC_PRIORITY_FLAG)
        kn_buf_printf(out, "\"priority\":%u,", p->priority);
    kn_buf_text(out, "\"delivery_info\":{\"exchange\":");
    kn_buf_json_str(out, exchange);
    kn_buf_text(out, ",\"routing_key\":");
    kn_buf_json_str(out, routing_key);
    kn_buf_text(out, "},\"body_encoding\":\"base64\"},\"body\":\"");
    write_body(out, message->body);
    kn_buf_text(out, "\"}");
}
