#include "services/broker/port/driver.h"

#include "services/common/text/time.h"

#include <stdio.h>
#include <stdlib.h>

enum kn_status broker_session_new(const struct broker_options *options, struct broker_session **ret)
{
    struct broker_session *s = options->url->driver->session_new();
    if (!s)
        return KN_NOMEM;
    s->options = *options;
    kn_buf_init(&s->error, 4096);
    kn_buf_init(&s->replies_of.exchange, 1024);
    kn_buf_init(&s->replies_of.routing_key, 1024);
    kn_buf_init(&s->replies_of.queue, 1024);
    *ret = s;
    return KN_OK;
}

bool broker_session_connected(const struct broker_session *s)
{
    return broker_session_driver(s)->connected(s);
}

void broker_session_replies_close(struct broker_session *s)
{
    if (s->replies_of.open || s->replies_of.left)
        broker_session_driver(s)->replies_close(s);
    s->replies_of.open = false;
    s->replies_of.left = false;
}

void broker_session_free(struct broker_session *s)
{
    if (!s)
        return;
    broker_session_replies_close(s);
    broker_session_driver(s)->session_fini(s);
    kn_buf_fini(&s->replies_of.exchange);
    kn_buf_fini(&s->replies_of.routing_key);
    kn_buf_fini(&s->replies_of.queue);
    kn_buf_fini(&s->error);
    free(s);
}

const char *broker_session_error(const struct broker_session *session)
{
    return session->text;
}

const struct broker_traits *broker_session_traits(const struct broker_session *session)
{
    return broker_traits(session->options.url);
}

enum kn_status broker_session_result(struct broker_session *s, enum kn_status status)
{
    if (status != KN_OK && (status != KN_TIMEOUT || s->error.len))
        snprintf(s->text, sizeof(s->text), "%.*s", (int)s->error.len,
                 s->error.len ? s->error.data : kn_status_text(status));
    kn_buf_clear(&s->error);
    return status;
}

/* A connection that was idle may have been cut without our notice: try again then. */
bool broker_session_again(const struct broker_session *s, bool was_connected, enum kn_status status)
{
    return status != KN_OK && was_connected && !broker_session_connected(s);
}

enum kn_status broker_session_fanout(struct broker_session *session, const char *exchange,
                                     const struct broker_outgoing *message, int64_t *ret_receivers)
{
    int64_t receivers = -1;
    bool before = broker_session_connected(session);
    enum kn_status status =
        broker_session_driver(session)->fanout(session, exchange, message, &receivers);
    if (!message->once && broker_session_again(session, before, status))
        status = broker_session_driver(session)->fanout(session, exchange, message, &receivers);
    if (status == KN_OK && ret_receivers)
        *ret_receivers = receivers;
    return broker_session_result(session, status);
}

enum kn_status broker_session_send(struct broker_session *session, const char *queue,
                                   const struct broker_outgoing *message)
{
    return broker_session_result(session,
                                 broker_session_driver(session)->send(session, queue, message));
}

enum kn_status broker_session_replies_open(struct broker_session *session, const char *exchange,
                                           const char *routing_key, const char *queue)
{
    const struct {
        struct kn_buf *to;
        const char *text;
    } texts[] = {{&session->replies_of.exchange, exchange},
                 {&session->replies_of.routing_key, routing_key},
                 {&session->replies_of.queue, queue}};
    broker_session_replies_close(session);
    for (size_t i = 0; i < 3; i++) {
        kn_buf_clear(texts[i].to);
        kn_buf_append(texts[i].to, texts[i].text, strlen(texts[i].text) + 1);
        if (kn_buf_status(texts[i].to) != KN_OK)
            return kn_buf_status(texts[i].to);
        texts[i].to->len--; /* the NUL stays behind it */
    }
    bool before = broker_session_connected(session);
    enum kn_status status = broker_session_driver(session)->replies_open(session);
    if (broker_session_again(session, before, status))
        status = broker_session_driver(session)->replies_open(session);
    session->replies_of.open = status == KN_OK;
    return broker_session_result(session, status);
}

enum kn_status broker_session_replies_receive(struct broker_session *session, int64_t timeout_us,
                                              struct broker_message *ret)
{
    if (!session->replies_of.open)
        return KN_CLOSED;
    enum kn_status status =
        broker_session_driver(session)->replies_receive(session, timeout_us, ret);
    if (status != KN_OK && status != KN_TIMEOUT) {
        session->replies_of.open = false;
        session->replies_of.left = true;
    }
    return broker_session_result(session, status);
}

enum kn_status broker_session_clock(struct broker_session *session, int64_t *ret_us)
{
    if (!broker_session_driver(session)->clock) {
        *ret_us = kn_time_now();
        return KN_OK;
    }
    bool before = broker_session_connected(session);
    enum kn_status status = broker_session_driver(session)->clock(session, ret_us);
    if (broker_session_again(session, before, status))
        status = broker_session_driver(session)->clock(session, ret_us);
    return broker_session_result(session, status);
}

enum kn_status broker_session_replies_sweep(struct broker_session *session, const char *exchange,
                                            const char *prefix, size_t *ret_count)
{
    size_t count = 0;
    enum kn_status status = KN_OK;
    if (broker_session_driver(session)->replies_sweep)
        status = broker_session_driver(session)->replies_sweep(session, exchange, prefix, &count);
    if (status == KN_OK)
        *ret_count = count;
    return broker_session_result(session, status);
}
