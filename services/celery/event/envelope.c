#include "services/celery/event/envelope.h"

#include "services/celery/read/base64.h"
#include "services/celery/read/reader.h"

#include <strings.h>

struct envelope {
    struct celery_reader reader;
    struct celery_message message;
    struct kn_str body_encoding;
    const char *error;
};

/* A member of an object that is text goes here; others are skipped. */
struct member {
    struct kn_str name;
    struct kn_str *text;
};

static enum kn_status read_member(struct celery_reader *r, const struct member *members,
                                  struct kn_str key, const struct celery_token *value)
{
    for (const struct member *m = members; m->name.ptr; m++) {
        if (value->kind == CELERY_TEXT && kn_str_eq(key, m->name))
            *m->text = value->text;
    }
    return celery_reader_skip(r, value);
}

/* The members of the object that was just opened, and its end. */
static enum kn_status read_object(struct celery_reader *r, const struct member *members)
{
    for (;;) {
        struct celery_token key, value;
        enum kn_status status = celery_reader_next(r, &key);
        if (status != KN_OK || key.kind == CELERY_CLOSE)
            return status;
        status = celery_reader_next(r, &value);
        if (status == KN_OK)
            status = read_member(r, members, key.text, &value);
        if (status != KN_OK)
            return status;
    }
}

static enum kn_status read_properties(struct envelope *e)
{
    struct celery_message *m = &e->message;
    const struct member members[] = {{KN_STR("body_encoding"), &e->body_encoding},
                                     {KN_STR("correlation_id"), &m->correlation_id},
                                     {KN_STR("reply_to"), &m->reply_to},
                                     {KN_STR_ABSENT, NULL}};
    const struct member delivery[] = {{KN_STR("exchange"), &m->exchange},
                                      {KN_STR("routing_key"), &m->routing_key},
                                      {KN_STR_ABSENT, NULL}};
    for (;;) {
        struct celery_token key, value;
        enum kn_status status = celery_reader_next(&e->reader, &key);
        if (status != KN_OK || key.kind == CELERY_CLOSE)
            return status;
        status = celery_reader_next(&e->reader, &value);
        if (status != KN_OK)
            return status;
        if (value.kind == CELERY_MAP && kn_str_eq(key.text, KN_STR("delivery_info")))
            status = read_object(&e->reader, delivery);
        else
            status = read_member(&e->reader, members, key.text, &value);
        if (status != KN_OK)
            return status;
    }
}

static enum kn_status read_envelope(struct envelope *e)
{
    struct celery_message *m = &e->message;
    const struct member members[] = {{KN_STR("body"), &m->body},
                                     {KN_STR("content-type"), &m->content_type},
                                     {KN_STR("content-encoding"), &m->content_encoding},
                                     {KN_STR_ABSENT, NULL}};
    const struct member headers[] = {{KN_STR("compression"), &m->compression},
                                     {KN_STR("ticket"), &m->ticket},
                                     {KN_STR_ABSENT, NULL}};
    for (;;) {
        struct celery_token key, value;
        enum kn_status status = celery_reader_next(&e->reader, &key);
        if (status != KN_OK || key.kind == CELERY_CLOSE)
            return status;
        status = celery_reader_next(&e->reader, &value);
        if (status != KN_OK)
            return status;
        const char *start = e->reader.p - 1;
        if (value.kind == CELERY_MAP && kn_str_eq(key.text, KN_STR("headers"))) {
            status = read_object(&e->reader, headers);
            m->headers = (struct kn_str){start, (size_t)(e->reader.p - start)};
        } else if (value.kind == CELERY_MAP && kn_str_eq(key.text, KN_STR("properties"))) {
            status = read_properties(e);
            m->properties = (struct kn_str){start, (size_t)(e->reader.p - start)};
        } else {
            status = read_member(&e->reader, members, key.text, &value);
        }
        if (status != KN_OK)
            return status;
    }
}

/* Channel.decode_body: base64, or unchanged. */
static enum kn_status decode_body(struct envelope *e, struct kn_arena *arena)
{
    struct kn_str encoding = e->body_encoding;
    struct kn_str *body = &e->message.body;
    if (encoding.len == 0 || (encoding.len == 5 && strncasecmp(encoding.ptr, "utf-8", 5) == 0))
        return KN_OK;
    if (!kn_str_eq(encoding, KN_STR("base64"))) {
        e->error = "unknown body_encoding";
        return KN_UNSUPPORTED;
    }
    size_t len;
    char *bytes = kn_arena_alloc(arena, body->len / 4 * 3 + 4);
    if (!bytes)
        return KN_NOMEM;
    if (!celery_base64_decode(*body, bytes, &len)) {
        e->error = "body: not base64";
        return KN_INVALID;
    }
    *body = (struct kn_str){bytes, len};
    return KN_OK;
}

/* All but the body, which may be anything and is looked at by who reads it. */
static bool texts_are_utf8(const struct celery_message *m)
{
    return kn_utf8_valid(m->content_type) && kn_utf8_valid(m->content_encoding) &&
           kn_utf8_valid(m->compression) && kn_utf8_valid(m->ticket) &&
           kn_utf8_valid(m->exchange) && kn_utf8_valid(m->routing_key) &&
           kn_utf8_valid(m->correlation_id) && kn_utf8_valid(m->reply_to);
}

enum kn_status celery_envelope_decode(struct kn_str payload, struct kn_arena *arena,
                                      struct celery_message *ret_message, const char **ret_why)
{
    struct envelope e;
    struct celery_token token;
    e.message = (struct celery_message){0};
    e.body_encoding = KN_STR_ABSENT;
    e.error = NULL;
    celery_reader_init(&e.reader, CELERY_JSON, payload, arena);
    enum kn_status status = celery_reader_next(&e.reader, &token);
    if (status == KN_OK && token.kind != CELERY_MAP) {
        e.error = "no JSON object";
        status = KN_INVALID;
    }
    if (status == KN_OK)
        status = read_envelope(&e);
    if (status == KN_OK && !celery_reader_at_end(&e.reader)) {
        e.error = "trailing data";
        status = KN_INVALID;
    }
    if (status == KN_OK && !e.message.body.ptr) {
        e.error = "no body";
        status = KN_INVALID;
    }
    if (status == KN_OK)
        status = decode_body(&e, arena);
    if (status == KN_OK && !texts_are_utf8(&e.message)) {
        e.error = "not UTF-8";
        status = KN_INVALID;
    }
    if (status == KN_OK)
        *ret_message = e.message;
    else if (status != KN_NOMEM)
        *ret_why = e.error ? e.error : e.reader.error;
    return status;
}
