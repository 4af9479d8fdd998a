#include "services/celery/remote/remote.h"

#include "services/celery/read/base64.h"
#include "services/celery/read/reader.h"
#include "services/common/text/time.h"

#include <inttypes.h>

/* ---- names --------------------------------------------------------------- */

static struct kn_str namespace_of(struct kn_str ns)
{
    return ns.ptr ? ns : KN_STR(CELERY_CONTROL_NAMESPACE);
}

void celery_remote_exchange(struct kn_buf *out, struct kn_str ns)
{
    kn_buf_str(out, namespace_of(ns));
    kn_buf_text(out, ".pidbox");
}

void celery_remote_reply_exchange(struct kn_buf *out, struct kn_str ns)
{
    kn_buf_text(out, "reply.");
    celery_remote_exchange(out, ns);
}

void celery_remote_reply_queue(struct kn_buf *out, struct kn_str ns, struct kn_str oid)
{
    kn_buf_str(out, oid);
    kn_buf_char(out, '.');
    celery_remote_reply_exchange(out, ns);
}

/* ---- commands ------------------------------------------------------------ */

/* Mailbox._publish */
static void write_reply_to(struct kn_buf *out, const struct celery_command *c)
{
    if (!c->ticket.ptr)
        return;
    kn_buf_text(out, ",\"ticket\":");
    kn_buf_json_str(out, c->ticket);
    kn_buf_text(out, ",\"reply_to\":{\"exchange\":\"");
    celery_remote_reply_exchange(out, c->ns);
    kn_buf_text(out, "\",\"routing_key\":");
    kn_buf_json_str(out, c->oid);
    kn_buf_char(out, '}');
}

void celery_command_body(struct kn_buf *out, const struct celery_command *c)
{
    kn_buf_text(out, "{\"method\":");
    kn_buf_json_str(out, c->method);
    kn_buf_text(out, ",\"arguments\":");
    kn_buf_str(out, c->arguments.ptr ? c->arguments : KN_STR("{}"));
    kn_buf_text(out, ",\"destination\":");
    if (c->destination_count == 0)
        kn_buf_text(out, "null");
    for (size_t i = 0; i < c->destination_count; i++) {
        kn_buf_char(out, i ? ',' : '[');
        kn_buf_json_str(out, c->destinations[i]);
    }
    if (c->destination_count)
        kn_buf_char(out, ']');
    kn_buf_text(out, ",\"pattern\":");
    kn_buf_json_str(out, c->pattern);
    kn_buf_text(out, ",\"matcher\":");
    kn_buf_json_str(out, c->matcher);
    write_reply_to(out, c);
    kn_buf_char(out, '}');
}

void celery_command_headers(struct kn_buf *out, const struct celery_command *c)
{
    kn_buf_printf(out, "{\"clock\":%" PRIu64 ",\"expires\":", c->clock);
    if (c->expires_us > 0)
        kn_buf_printf(out, "%" PRId64 ".%06" PRId64, c->expires_us / KN_SECOND,
                      c->expires_us % KN_SECOND);
    else
        kn_buf_char(out, '0');
    kn_buf_char(out, '}');
}

void celery_command_envelope(struct kn_buf *out, const struct celery_command *c,
                             struct kn_str delivery_tag)
{
    struct kn_buf body;
    kn_buf_init(&body, 0);
    celery_command_body(&body, c);
    if (kn_buf_status(&body) != KN_OK)
        kn_buf_fail(out, kn_buf_status(&body));
    kn_buf_text(out, "{\"body\":\"");
    celery_base64_encode(out, kn_buf_view(&body));
    kn_buf_text(out, "\",\"content-encoding\":\"utf-8\","
                     "\"content-type\":\"application/json\",\"headers\":");
    celery_command_headers(out, c);
    kn_buf_text(out, ",\"properties\":{\"delivery_mode\":2,\"delivery_info\":{\"exchange\":\"");
    celery_remote_exchange(out, c->ns);
    kn_buf_text(out, "\",\"routing_key\":\"\"},\"priority\":0,\"body_encoding\":\"base64\","
                     "\"delivery_tag\":");
    kn_buf_json_str(out, delivery_tag);
    kn_buf_text(out, "}}");
    kn_buf_fini(&body);
}

/* ---- replies ------------------------------------------------------------- */

/* {hostname: value}, of which value is written to out. */
static enum kn_status read_reply(struct celery_reader *r, struct kn_str *ret_hostname,
                                 struct kn_buf *out)
{
    struct celery_token map, key, value;
    enum kn_status status = celery_reader_next(r, &map);
    if (status != KN_OK || map.kind != CELERY_MAP)
        return status != KN_OK ? status : KN_INVALID;
    status = celery_reader_next(r, &key);
    if (status != KN_OK || key.kind != CELERY_TEXT)
        return status != KN_OK ? status : KN_INVALID;
    status = celery_reader_next(r, &value);
    if (status == KN_OK)
        status = celery_reader_json(r, &value, out);
    if (status == KN_OK)
        status = celery_reader_next(r, &value);
    if (status == KN_OK && (value.kind != CELERY_CLOSE || !celery_reader_at_end(r)))
        return KN_INVALID;
    *ret_hostname = key.text;
    return status;
}

enum kn_status celery_reply_decode(const struct celery_message *m, struct kn_arena *arena,
                                   struct celery_reply *ret_reply)
{
    enum celery_format format;
    struct celery_reply reply = {.ticket = m->ticket};
    *ret_reply = reply;
    if (m->compression.len || !celery_format_of(m->content_type, &format))
        return KN_UNSUPPORTED;
    if (format == CELERY_JSON && !kn_utf8_valid(m->body))
        return KN_INVALID;
    struct celery_reader r;
    struct kn_buf value;
    kn_buf_init(&value, 0);
    celery_reader_init(&r, format, m->body, arena);
    enum kn_status status = read_reply(&r, &reply.hostname, &value);
    if (status == KN_OK) {
        reply.value = kn_arena_str(arena, kn_buf_view(&value));
        reply.failed = kn_str_starts(reply.value, KN_STR("{\"error\":"));
        status = reply.value.ptr ? KN_OK : KN_NOMEM;
    }
    kn_buf_fini(&value);
    if (status == KN_OK)
        *ret_reply = reply;
    return status;
}
