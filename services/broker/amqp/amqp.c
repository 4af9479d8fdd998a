#include "services/broker/amqp/amqp.h"

#include "services/broker/net/net.h"
#include "services/broker/net/tls.h"
#include "services/common/text/time.h"

#include <fcntl.h>
#include <sys/time.h>
#include <unistd.h>

#define FRAME_MAX 131072

static void say(struct kn_buf *error, struct kn_str text)
{
    if (!error)
        return;
    kn_buf_clear(error);
    kn_buf_str(error, text);
}

/* RabbitMQ answers 404, too, if the node that has a queue is down or does not answer in time. */
static bool is_absent(struct kn_str text)
{
    return kn_str_starts(text, KN_STR("NOT_FOUND - no queue '")) ||
           kn_str_starts(text, KN_STR("NOT_FOUND - no exchange '"));
}

static enum kn_status status_of(uint16_t code, struct kn_str text)
{
    switch (code) {
    case AMQP_NOT_FOUND:
        return is_absent(text) ? KN_NOT_FOUND : KN_IO;
    case AMQP_ACCESS_REFUSED:
    case AMQP_NOT_ALLOWED:
    case AMQP_RESOURCE_LOCKED:
        return KN_DENIED;
    case AMQP_PRECONDITION_FAILED:
        return KN_CONFLICT;
    default:
        return KN_IO;
    }
}

/* Which right a method needs; before version 4, RabbitMQ names only the object. */
static const char *right_for(uint16_t class_id, uint16_t method_id, struct kn_str text)
{
    enum { EXCHANGE = 40, QUEUE = 50, BASIC = 60 };
    enum { DECLARE = 10, BIND = 20, PURGE = 30, PUBLISH = 40 };
    bool on_exchange = memmem(text.ptr, text.len, "exchange", 8);
    if (class_id == EXCHANGE || (class_id == QUEUE && method_id == DECLARE))
        return "configure";
    if (class_id == QUEUE && method_id == BIND)
        return on_exchange ? "read" : "write";
    if (class_id == BASIC && method_id == PUBLISH)
        return "write";
    return class_id == BASIC || (class_id == QUEUE && method_id == PURGE) ? "read" : NULL;
}

static void say_why(struct kn_buf *error, const amqp_channel_close_t *close)
{
    struct kn_str text = broker_amqp_str(close->reply_text);
    const char *right = close->reply_code == AMQP_ACCESS_REFUSED
                            ? right_for(close->class_id, close->method_id, text)
                            : NULL;
    say(error, text);
    if (right && error)
        kn_buf_printf(error, " (right: %s)", right);
}

enum kn_status broker_amqp_reply(amqp_rpc_reply_t reply, struct kn_buf *error)
{
    if (reply.reply_type == AMQP_RESPONSE_NORMAL)
        return KN_OK;
    if (reply.reply_type == AMQP_RESPONSE_SERVER_EXCEPTION) {
        if (reply.reply.id == AMQP_CHANNEL_CLOSE_METHOD) {
            const amqp_channel_close_t *close_ = reply.reply.decoded;
            say_why(error, close_);
            return status_of(close_->reply_code, broker_amqp_str(close_->reply_text));
        }
        if (reply.reply.id == AMQP_CONNECTION_CLOSE_METHOD) {
            const amqp_connection_close_t *close_ = reply.reply.decoded;
            say(error, broker_amqp_str(close_->reply_text));
            if (close_->reply_code == AMQP_NOT_IMPLEMENTED)
                return KN_UNSUPPORTED;
        }
        return KN_CLOSED;
    }
    int code = reply.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION ? reply.library_error
                                                                   : AMQP_STATUS_SOCKET_ERROR;
    enum kn_status status = code == AMQP_STATUS_TIMEOUT ? KN_TIMEOUT : KN_CLOSED;
    say(error,
        kn_str_from(status == KN_TIMEOUT ? kn_status_text(status) : amqp_error_string2(code)));
    return status;
}

enum kn_status broker_amqp_outcome(struct broker_amqp *amqp, struct kn_buf *error)
{
    return broker_amqp_reply(amqp_get_rpc_reply(amqp->conn), error);
}

bool broker_amqp_alive(enum kn_status outcome)
{
    return outcome != KN_CLOSED && outcome != KN_TIMEOUT && outcome != KN_NOMEM &&
           outcome != KN_UNSUPPORTED;
}

enum kn_status broker_amqp_channel(struct broker_amqp *amqp, amqp_channel_t channel,
                                   struct kn_buf *error)
{
    amqp_channel_open(amqp->conn, channel);
    return broker_amqp_outcome(amqp, error);
}

enum kn_status broker_amqp_reopen(struct broker_amqp *amqp, amqp_channel_t channel,
                                  struct kn_buf *error)
{
    amqp_channel_close_ok_t ok = {0};
    if (amqp_send_method(amqp->conn, channel, AMQP_CHANNEL_CLOSE_OK_METHOD, &ok) != AMQP_STATUS_OK)
        return KN_CLOSED;
    return broker_amqp_channel(amqp, channel, error);
}

enum kn_status broker_amqp_exchange(struct broker_amqp *amqp, amqp_channel_t channel,
                                    const char *name, const char *type, bool durable,
                                    struct kn_buf *error, bool *ret_created)
{
    amqp_bytes_t exchange = amqp_cstring_bytes(name);
    amqp_bytes_t kind = amqp_cstring_bytes(type);
    amqp_exchange_declare(amqp->conn, channel, exchange, kind, 1, 0, 0, 0, amqp_empty_table);
    enum kn_status status = broker_amqp_outcome(amqp, error);
    if (ret_created)
        *ret_created = status == KN_NOT_FOUND;
    if (status != KN_NOT_FOUND)
        return status;
    status = broker_amqp_reopen(amqp, channel, error);
    if (status != KN_OK)
        return status;
    amqp_exchange_declare(amqp->conn, channel, exchange, kind, 0, durable, 0, 0, amqp_empty_table);
    return broker_amqp_outcome(amqp, error);
}

enum kn_status broker_amqp_classic(struct broker_amqp *amqp, amqp_channel_t channel,
                                   const char *queue, struct kn_buf *error)
{
    amqp_basic_qos(amqp->conn, channel, 0, 1, 1);
    amqp_rpc_reply_t reply = amqp_get_rpc_reply(amqp->conn);
    if (reply.reply_type == AMQP_RESPONSE_NORMAL) {
        amqp_basic_consume(amqp->conn, channel, amqp_cstring_bytes(queue),
                           amqp_cstring_bytes(BROKER_TRIAL_TAG), 0, 0, 0, amqp_empty_table);
        reply = amqp_get_rpc_reply(amqp->conn);
    }
    enum kn_status status = broker_amqp_reply(reply, error);
    if (status == KN_CONFLICT) /* a stream requires a prefetch limit of each consumer */
        status = KN_UNSUPPORTED;
    if (status == KN_UNSUPPORTED)
        say(error, KN_STR("only a classic queue returns messages to their positions"));
    return status;
}

struct kn_str broker_amqp_header(const amqp_basic_properties_t *properties, const char *name)
{
    if (!(properties->_flags & AMQP_BASIC_HEADERS_FLAG))
        return KN_STR_ABSENT;
    for (int i = 0; i < properties->headers.num_entries; i++) {
        const amqp_table_entry_t *entry = &properties->headers.entries[i];
        bool text =
            entry->value.kind == AMQP_FIELD_KIND_UTF8 || entry->value.kind == AMQP_FIELD_KIND_BYTES;
        if (text && kn_str_eq(broker_amqp_str(entry->key), kn_str_from(name)))
            return broker_amqp_str(entry->value.value.bytes);
    }
    return KN_STR_ABSENT;
}

void broker_amqp_describe(const amqp_basic_properties_t *properties, struct broker_message *ret)
{
    amqp_flags_t flags = properties->_flags;
    ret->content_type = flags & AMQP_BASIC_CONTENT_TYPE_FLAG
                            ? broker_amqp_str(properties->content_type)
                            : KN_STR_ABSENT;
    ret->content_encoding = flags & AMQP_BASIC_CONTENT_ENCODING_FLAG
                                ? broker_amqp_str(properties->content_encoding)
                                : KN_STR_ABSENT;
    ret->compression = broker_amqp_header(properties, "compression");
    ret->ticket = broker_amqp_header(properties, "ticket");
}

/* Connects the socket and gives it to librabbitmq, which wants it non-blocking. */
static enum kn_status open_socket(const struct broker_options *options,
                                  const struct broker_host *host, int wake_fd, struct kn_buf *error,
                                  struct broker_amqp *ret)
{
    int fd = -1;
    enum kn_status status =
        broker_net_tcp(host->host, host->port, options->connect_timeout_us, wake_fd, error, &fd);
    if (status == KN_OK && host->tls.enabled)
        status = broker_tls_open(fd, &host->tls, host->host, options->connect_timeout_us, error,
                                 &fd, &ret->tls);
    if (status != KN_OK)
        return status;
    ret->conn = amqp_new_connection();
    amqp_socket_t *sock = ret->conn ? amqp_tcp_socket_new(ret->conn) : NULL;
    if (!sock || fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) != 0) {
        close(fd);
        return KN_NOMEM;
    }
    amqp_tcp_socket_set_sockfd(sock, fd);
    return KN_OK;
}

/* Our capabilities, so that the broker sends these notifications. */
static amqp_table_entry_t capability(const char *name)
{
    return (amqp_table_entry_t){.key = amqp_cstring_bytes(name),
                                .value = {.kind = AMQP_FIELD_KIND_BOOLEAN, .value.boolean = 1}};
}

/* A connection that ends before the broker has sent anything. */
static void explain(const struct broker_amqp *amqp, struct kn_buf *error)
{
    const char *reason = broker_tls_reason(amqp->tls);
    if (!amqp->host->tls.enabled)
        kn_buf_text(error, " before the login: a TLS port requires amqps://");
    else if (strstr(reason, "certificate"))
        kn_buf_printf(error, ": TLS: %s%s", reason,
                      amqp->host->tls.cert_file
                          ? ""
                          : "; the broker requires a client certificate (tls_cert and tls_key)");
    else if (*reason)
        kn_buf_printf(error, ": TLS: %s", reason);
}

static enum kn_status login(const struct broker_options *options, struct broker_amqp *amqp,
                            int heartbeat, struct kn_buf *error)
{
    const struct broker_host *host = amqp->host;
    struct timeval limit = {.tv_sec = options->connect_timeout_us / KN_SECOND,
                            .tv_usec = options->connect_timeout_us % KN_SECOND};
    amqp_table_entry_t capabilities[] = {capability("consumer_cancel_notify"),
                                         capability("connection.blocked")};
    amqp_table_entry_t entries[] = {
        {.key = amqp_cstring_bytes("connection_name"),
         .value = {.kind = AMQP_FIELD_KIND_UTF8, .value.bytes = amqp_cstring_bytes("kanchi")}},
        {.key = amqp_cstring_bytes("capabilities"),
         .value = {.kind = AMQP_FIELD_KIND_TABLE,
                   .value.table = {.num_entries = 2, .entries = capabilities}}}};
    amqp_table_t properties = {.num_entries = 2, .entries = entries};
    amqp_set_handshake_timeout(amqp->conn, &limit);
    amqp_set_rpc_timeout(amqp->conn, &limit);
    /* With EXTERNAL, RabbitMQ uses only the certificate; librabbitmq can't send an empty
     * identity. */
    amqp_rpc_reply_t reply =
        host->external
            ? amqp_login_with_properties(amqp->conn, host->vhost, 0, FRAME_MAX, heartbeat,
                                         &properties, AMQP_SASL_METHOD_EXTERNAL, "-")
            : amqp_login_with_properties(amqp->conn, host->vhost, 0, FRAME_MAX, heartbeat,
                                         &properties, AMQP_SASL_METHOD_PLAIN, host->user,
                                         host->password);
    enum kn_status status = broker_amqp_reply(reply, error);
    if (reply.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION && status == KN_CLOSED)
        explain(amqp, error);
    return status;
}

enum kn_status broker_amqp_open(const struct broker_options *options, int heartbeat, int wake_fd,
                                struct kn_buf *error, struct broker_amqp *ret)
{
    const struct broker_url *url = options->url;
    enum kn_status status = KN_CONFIG;
    for (size_t i = 0; i < url->host_count && status != KN_OK; i++) {
        struct broker_amqp amqp = {.host = &url->hosts[i]};
        status = open_socket(options, &url->hosts[i], wake_fd, error, &amqp);
        if (status == KN_CLOSED)
            return status;
        if (status == KN_OK)
            status = login(options, &amqp, heartbeat, error);
        if (status == KN_OK)
            *ret = amqp;
        else
            broker_amqp_close(&amqp, false);
    }
    return status == KN_CLOSED ? KN_IO : status;
}

void broker_amqp_close(struct broker_amqp *amqp, bool good)
{
    if (amqp->conn) {
        if (good && !amqp->blocked[0])
            (void)amqp_connection_close(amqp->conn, AMQP_REPLY_SUCCESS);
        (void)amqp_destroy_connection(amqp->conn);
    }
    broker_tls_free(amqp->tls);
    *amqp = (struct broker_amqp){0};
}
