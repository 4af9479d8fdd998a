#include "services/control/ask/pidbox.h"

#include "services/common/count.h"
#include "services/common/process/service.h"
#include "services/common/text/time.h"

#include <stdio.h>
#include <stdlib.h>

struct control_pidbox {
    struct broker_session *session;
    char oid[64]; /* routing key of our replies, until the next open */
    char unique[17];
    uint64_t opened, sent;
    struct kn_buf body, envelope;
    struct kn_str ns; /* control_exchange */
    char exchange[160], reply_exchange[160], reply_queue[256];
    char unread[64];
    struct kn_str unread_body;
};

/* A name of remote.h as C text. */
static void copy_name(struct kn_buf *scratch, char *ret, size_t size)
{
    snprintf(ret, size, "%.*s", KN_STR_ARG(kn_buf_view(scratch)));
    kn_buf_clear(scratch);
}

enum kn_status control_pidbox_new(const struct broker_options *options, struct control_pidbox **ret)
{
    struct control_pidbox *pidbox = calloc(1, sizeof *pidbox);
    if (!pidbox)
        return KN_NOMEM;
    enum kn_status status = broker_session_new(options, &pidbox->session);
    if (status != KN_OK) {
        free(pidbox);
        return status;
    }
    pidbox->ns = kn_str_from(options->control_exchange);
    kn_random_hex(pidbox->unique, sizeof pidbox->unique);
    kn_buf_init(&pidbox->body, 0);
    kn_buf_init(&pidbox->envelope, 0);
    celery_remote_exchange(&pidbox->body, pidbox->ns);
    copy_name(&pidbox->body, pidbox->exchange, sizeof pidbox->exchange);
    celery_remote_reply_exchange(&pidbox->body, pidbox->ns);
    copy_name(&pidbox->body, pidbox->reply_exchange, sizeof pidbox->reply_exchange);
    *ret = pidbox;
    return KN_OK;
}

void control_pidbox_free(struct control_pidbox *pidbox)
{
    if (!pidbox)
        return;
    broker_session_free(pidbox->session);
    kn_buf_fini(&pidbox->body);
    kn_buf_fini(&pidbox->envelope);
    free(pidbox);
}

const char *control_pidbox_error(const struct control_pidbox *pidbox)
{
    return broker_session_error(pidbox->session);
}

/* "kanchi-<until when, in seconds>-<unique>", see broker_session_replies_sweep. */
#define OID_PREFIX "kanchi-"
static const int64_t SLACK_US = 5 * KN_SECOND;

enum kn_status control_pidbox_open(struct control_pidbox *pidbox, int64_t lasts_us)
{
    int64_t now;
    enum kn_status status = broker_session_clock(pidbox->session, &now);
    if (status != KN_OK)
        return status;
    snprintf(pidbox->oid, sizeof pidbox->oid, OID_PREFIX "%lld-%s%llu",
             (long long)((now + lasts_us + SLACK_US) / KN_SECOND), pidbox->unique,
             (unsigned long long)++pidbox->opened);
    kn_buf_clear(&pidbox->body);
    celery_remote_reply_queue(&pidbox->body, pidbox->ns, kn_str_from(pidbox->oid));
    copy_name(&pidbox->body, pidbox->reply_queue, sizeof pidbox->reply_queue);
    return broker_session_replies_open(pidbox->session, pidbox->reply_exchange, pidbox->oid,
                                       pidbox->reply_queue);
}

enum kn_status control_pidbox_sweep(struct control_pidbox *pidbox, size_t *ret_count)
{
    return broker_session_replies_sweep(pidbox->session, pidbox->reply_exchange, OID_PREFIX,
                                        ret_count);
}

void control_pidbox_close(struct control_pidbox *pidbox)
{
    broker_session_replies_close(pidbox->session);
}

enum kn_status control_pidbox_ask(struct control_pidbox *pidbox,
                                  const struct control_question_text *question,
                                  int64_t *ret_receivers)
{
    struct celery_command command = {
        .ns = pidbox->ns,
        .method = kn_str_from(question->method),
        .arguments = kn_str_from(question->arguments),
        .destinations = question->hostnames,
        .destination_count = question->count,
        .ticket = question->ticket,
        .oid = kn_str_from(pidbox->oid),
        .expires_us = question->expires_at,
    };
    char tag[48];
    snprintf(tag, sizeof tag, "%s-%llu", pidbox->unique, (unsigned long long)++pidbox->sent);
    kn_buf_clear(&pidbox->body);
    kn_buf_clear(&pidbox->envelope);
    celery_command_body(&pidbox->body, &command);
    celery_command_envelope(&pidbox->envelope, &command, kn_str_from(tag));
    enum kn_status status = kn_buf_status(&pidbox->body);
    if (status == KN_OK)
        status = kn_buf_status(&pidbox->envelope);
    if (status != KN_OK)
        return status;
    const struct broker_header headers[] = {
        {.name = "clock", .type = BROKER_HEADER_I64, .i64 = (int64_t)command.clock},
        {.name = "expires",
         .type = BROKER_HEADER_F64,
         .f64 = (double)question->expires_at / (double)KN_SECOND},
    };
    const struct broker_outgoing message = {
        .envelope = kn_buf_view(&pidbox->envelope),
        .body = kn_buf_view(&pidbox->body),
        .content_type = KN_STR("application/json"),
        .content_encoding = KN_STR("utf-8"),
        .headers = headers,
        .header_count = KN_COUNT_OF(headers),
        .delivery_mode = 2,
        .once = question->once,
    };
    return broker_session_fanout(pidbox->session, pidbox->exchange, &message, ret_receivers);
}

static void note_unread(struct control_pidbox *pidbox, const struct celery_message *reply)
{
    struct kn_str what = reply->compression.len ? reply->compression : reply->content_type;
    what = kn_utf8_valid(what) ? kn_utf8_head(what, sizeof pidbox->unread - 1) : KN_STR("");
    snprintf(pidbox->unread, sizeof pidbox->unread, "%.*s", KN_STR_ARG(what));
    pidbox->unread_body = reply->body;
}

enum kn_status control_pidbox_reply(struct control_pidbox *pidbox, int64_t timeout_us,
                                    struct kn_arena *arena, struct celery_reply *ret)
{
    struct broker_message message;
    enum kn_status status = broker_session_replies_receive(pidbox->session, timeout_us, &message);
    if (status != KN_OK)
        return status;
    struct celery_message reply = {
        .body = message.body,
        .content_type = message.content_type,
        .content_encoding = message.content_encoding,
        .compression = message.compression,
        .ticket = message.ticket,
    };
    const char *error;
    if (broker_session_traits(pidbox->session)->enveloped)
        status = celery_envelope_decode(message.body, arena, &reply, &error);
    if (status == KN_OK) {
        status = celery_reply_decode(&reply, arena, ret);
        if (status == KN_UNSUPPORTED)
            note_unread(pidbox, &reply);
    }
    return status;
}

const char *control_pidbox_unread(const struct control_pidbox *pidbox)
{
    return pidbox->unread;
}

struct kn_str control_pidbox_unread_body(const struct control_pidbox *pidbox)
{
    return pidbox->unread_body;
}

bool control_pidbox_lost(enum kn_status status)
{
    return status == KN_CLOSED || status == KN_IO || status == KN_DENIED || status == KN_NOT_FOUND;
}
