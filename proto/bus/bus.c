#include "proto/bus/bus.h"

#include "proto/bus/internal.h"
#include "services/common/count.h"
#include "services/common/text/loopback.h"
#include "services/common/text/time.h"

#include <errno.h>
#include <nng/supplemental/tls/tls.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define STUCK_AFTER (10 * KN_SECOND)

enum { DEFAULT_MESSAGE_MAX = 64 << 20, PEM_MAX = 1 << 20 };

/* ---- errors ---------------------------------------------------------------- */

enum kn_status bus_status(int nng_error)
{
    switch (nng_error) {
    case 0:
        return KN_OK;
    case NNG_ENOMEM:
        return KN_NOMEM;
    case NNG_ETIMEDOUT:
        return KN_TIMEOUT;
    case NNG_ECLOSED:
    case NNG_ECANCELED:
        return KN_CLOSED;
    case NNG_EADDRINUSE:
        return KN_EXISTS;
    case NNG_EPERM:
        return KN_DENIED;
    case NNG_EADDRINVAL:
    case NNG_EINVAL:
        return KN_INVALID;
    case NNG_EMSGSIZE:
        return KN_TOO_BIG;
    case NNG_ENOTSUP:
        return KN_UNSUPPORTED;
    default:
        return KN_IO;
    }
}

void bus_error(struct kn_buf *error, const char *format, ...)
{
    if (!error)
        return;
    va_list args;
    va_start(args, format);
    kn_buf_vprintf(error, format, args);
    va_end(args);
}

nng_duration bus_ms(int64_t us)
{
    int64_t ms = (us + 999) / 1000;
    if (ms < 1)
        return 1;
    return ms > INT32_MAX ? INT32_MAX : (nng_duration)ms;
}

/* ---- the bus itself ---------------------------------------------------------- */

static char *read_pem(const char *path, struct kn_buf *error)
{
    FILE *f = fopen(path, "re");
    if (!f) {
        bus_error(error, "%s: %s", path, strerror(errno));
        return NULL;
    }
    char *text = calloc(1, PEM_MAX);
    size_t n = text ? fread(text, 1, PEM_MAX - 1, f) : 0;
    fclose(f);
    if (n == 0) {
        bus_error(error, "%s: empty or unreadable", path);
        free(text);
        return NULL;
    }
    return text;
}

enum kn_status kn_bus_new(const struct kn_bus_options *options, struct kn_bus **ret,
                          struct kn_buf *error)
{
    if (strlen(options->sender) > KN_SENDER_MAX) {
        bus_error(error, "a sender id on the bus may have at most %d bytes", KN_SENDER_MAX);
        return KN_TOO_BIG;
    }
    struct kn_bus *bus = calloc(1, sizeof *bus);
    if (!bus || !(bus->sender = strdup(options->sender))) {
        free(bus);
        return KN_NOMEM;
    }
    pthread_mutex_init(&bus->lock, NULL);
    bus->message_max = options->message_max ? options->message_max : DEFAULT_MESSAGE_MAX;
    bus->insecure = options->insecure;
    const struct {
        const char *path;
        char **pem;
    } files[] = {{options->ca_file, &bus->ca},
                 {options->cert_file, &bus->cert},
                 {options->key_file, &bus->key}};
    for (size_t i = 0; i < KN_COUNT_OF(files); i++) {
        if (!files[i].path || files[i].path[0] == '\0')
            continue;
        *files[i].pem = read_pem(files[i].path, error);
        if (!*files[i].pem) {
            kn_bus_free(bus);
            return KN_CONFIG;
        }
    }
    bus->watch = bus_watch_new(bus, options->stuck_after ? options->stuck_after : STUCK_AFTER,
                               options->on_stuck, options->on_stuck_arg);
    if (!bus->watch) {
        kn_bus_free(bus);
        return KN_NOMEM;
    }
    *ret = bus;
    return KN_OK;
}

void kn_bus_limit_answers(struct kn_bus *bus, struct kn_budget *budget)
{
    bus->answers = budget;
}

void kn_bus_free(struct kn_bus *bus)
{
    if (!bus)
        return;
    bus_watch_free(bus->watch);
    pthread_mutex_destroy(&bus->lock);
    free(bus->sender);
    free(bus->ca);
    free(bus->cert);
    free(bus->key);
    free(bus);
}

/* ---- addresses ---------------------------------------------------------------- */

static enum kn_status check_url(const struct kn_bus *bus, const char *url, struct kn_buf *error)
{
    if (strncmp(url, "ipc://", 6) == 0 || strncmp(url, "inproc://", 9) == 0)
        return KN_OK;
    if (strncmp(url, "tls+tcp://", 10) == 0) {
        if (bus->ca && bus->cert && bus->key)
            return KN_OK;
        bus_error(error, "%s: requires bus.ca, bus.cert and bus.key", url);
        return KN_CONFIG;
    }
    if (strncmp(url, "tcp://", 6) == 0) {
        if (bus->insecure || kn_address_is_loopback(kn_str_from(url + 6)))
            return KN_OK;
        bus_error(error, "%s: beyond loopback the bus requires tls+tcp://, or bus.insecure: true",
                  url);
        return KN_DENIED;
    }
    bus_error(error, "%s: allowed on the bus: ipc://, tcp:// and tls+tcp://", url);
    return KN_INVALID;
}

/* "host" of "tls+tcp://host:port", to be freed. */
static char *host_of(const char *url)
{
    const char *host = strstr(url, "://") + 3;
    const char *end = strrchr(host, ':');
    char *copy = end ? strndup(host, (size_t)(end - host)) : strdup(host);
    return copy;
}

static int tls_config(const struct kn_bus *bus, enum bus_role role, const char *url,
                      nng_tls_config **ret)
{
    nng_tls_config *config;
    int rv =
        nng_tls_config_alloc(&config, role == BUS_BIND ? NNG_TLS_MODE_SERVER : NNG_TLS_MODE_CLIENT);
    if (rv)
        return rv;
    char *host = host_of(url);
    /* both sides show a certificate of the same authority */
    if ((rv = nng_tls_config_ca_chain(config, bus->ca, NULL)) == 0 &&
        (rv = nng_tls_config_own_cert(config, bus->cert, bus->key, NULL)) == 0 &&
        (rv = nng_tls_config_auth_mode(config, role == BUS_PROBE ? NNG_TLS_AUTH_MODE_NONE
                                                                 : NNG_TLS_AUTH_MODE_REQUIRED)) ==
            0 &&
        role == BUS_DIAL)
        rv = nng_tls_config_server_name(config, host ? host : "");
    free(host);
    if (rv) {
        nng_tls_config_free(config);
        return rv;
    }
    *ret = config;
    return 0;
}

static int bind_url(nng_socket socket, const char *url, nng_tls_config *tls, uint32_t *ret_id)
{
    nng_listener listener;
    int rv = nng_listener_create(&listener, socket, url);
    if (rv)
        return rv;
    if (tls)
        rv = nng_listener_set_ptr(listener, NNG_OPT_TLS_CONFIG, tls);
    if (rv == 0 && strncmp(url, "ipc://", 6) == 0)
        rv = nng_listener_set_int(listener, NNG_OPT_IPC_PERMISSIONS, 0600);
    if (rv == 0)
        rv = nng_listener_start(listener, 0);
    if (rv)
        nng_listener_close(listener);
    else
        *ret_id = listener.id;
    return rv;
}

static int dial_url(nng_socket socket, enum bus_role role, const char *url, nng_tls_config *tls,
                    uint32_t *ret_id)
{
    nng_duration min_ms = role == BUS_PROBE ? BUS_PROBE_RECONNECT_MS : BUS_RECONNECT_MIN_MS;
    nng_duration max_ms = role == BUS_PROBE ? BUS_PROBE_RECONNECT_MS : BUS_RECONNECT_MAX_MS;
    nng_dialer dialer;
    int rv = nng_dialer_create(&dialer, socket, url);
    if (rv)
        return rv;
    if (tls)
        rv = nng_dialer_set_ptr(dialer, NNG_OPT_TLS_CONFIG, tls);
    if (rv == 0)
        rv = nng_dialer_set_ms(dialer, NNG_OPT_RECONNMINT, min_ms);
    if (rv == 0)
        rv = nng_dialer_set_ms(dialer, NNG_OPT_RECONNMAXT, max_ms);
    if (rv == 0)
        rv = nng_dialer_start(dialer, NNG_FLAG_NONBLOCK);
    if (rv)
        nng_dialer_close(dialer);
    else
        *ret_id = dialer.id;
    return rv;
}

int bus_start(struct kn_bus *bus, nng_socket socket, enum bus_role role, const char *url,
              uint32_t *ret_id)
{
    nng_tls_config *tls = NULL;
    int rv = 0;
    if (strncmp(url, "tls+tcp://", 10) == 0)
        rv = tls_config(bus, role, url, &tls);
    if (rv == 0)
        rv = role == BUS_BIND ? bind_url(socket, url, tls, ret_id)
                              : dial_url(socket, role, url, tls, ret_id);
    if (tls)
        nng_tls_config_free(tls);
    return rv;
}

enum kn_status bus_attach(struct kn_bus *bus, nng_socket socket, enum bus_role role,
                          const char *url, struct kn_buf *error)
{
    enum kn_status status = check_url(bus, url, error);
    if (status != KN_OK)
        return status;
    int rv = nng_socket_set_size(socket, NNG_OPT_RECVMAXSZ, bus->message_max);
    if (rv == 0)
        rv = bus_endpoint_add(bus, socket, role, url);
    if (rv)
        bus_error(error, "%s: can't be %s: %s", url, role == BUS_BIND ? "bound" : "dialled",
                  nng_strerror(rv));
    return bus_status(rv);
}

/* ---- messages ------------------------------------------------------------------ */

struct message {
    struct kn_bus_message pub; /* first: what the caller holds */
    nng_msg *raw;
    struct kn_arena arena; /* its budget is raw's too */
};

/* Takes what buf holds, and empties it. */
static enum kn_status wrap(struct kn_buf *buf, nng_msg **ret)
{
    enum kn_status status = kn_buf_status(buf);
    nng_msg *raw = NULL;
    if (status == KN_OK && nng_msg_alloc(&raw, 0) != 0)
        status = KN_NOMEM;
    struct kn_str data = kn_buf_view(buf);
    if (status == KN_OK && nng_msg_append(raw, data.ptr, data.len) != 0) {
        nng_msg_free(raw);
        status = KN_NOMEM;
    }
    kn_buf_fini(buf);
    if (status == KN_OK)
        *ret = raw;
    return status;
}

enum kn_status bus_pack(struct kn_bus *bus, uint64_t number, enum kn_kind kind, const void *msg,
                        nng_msg **ret)
{
    struct kn_buf buf;
    kn_buf_init(&buf, bus->message_max);
    kn_envelope_encode(&buf, kn_str_from(bus->sender), number, kind, msg);
    return wrap(&buf, ret);
}

enum kn_status bus_pack_body(struct kn_bus *bus, uint64_t number, enum kn_kind kind,
                             struct kn_str body, nng_msg **ret)
{
    struct kn_buf buf;
    kn_buf_init(&buf, bus->message_max);
    kn_envelope_encode_body(&buf, kn_str_from(bus->sender), number, kind, body);
    return wrap(&buf, ret);
}

static enum kn_status unpack(struct kn_bus *bus, nng_msg *raw, struct kn_budget *budget,
                             const char *without, struct kn_bus_message **ret)
{
    struct message *message = calloc(1, sizeof *message);
    if (!message) {
        kn_budget_give(budget, nng_msg_len(raw));
        nng_msg_free(raw);
        return KN_NOMEM;
    }
    message->raw = raw;
    /* structs are larger than their encoding: a bound on how much larger */
    kn_arena_init(&message->arena, 8 * bus->message_max);
    message->arena.budget = budget;
    struct kn_str data = {nng_msg_body(raw), nng_msg_len(raw)};
    struct kn_envelope envelope;
    enum kn_status status = kn_envelope_decode(data, &envelope);
    if (status == KN_OK) {
        void *msg = kn_arena_alloc(&message->arena, kn_msg_size(envelope.kind));
        message->pub =
            (struct kn_bus_message){envelope.kind, envelope.sender, envelope.number, msg};
        status =
            msg ? kn_msg_decode_without(envelope.body, envelope.kind, without, &message->arena, msg)
                : KN_NOMEM;
    }
    if (status != KN_OK) {
        kn_bus_message_free(&message->pub);
        return status;
    }
    *ret = &message->pub;
    return KN_OK;
}

enum kn_status bus_unpack(struct kn_bus *bus, nng_msg *raw, const char *without,
                          struct kn_bus_message **ret)
{
    return unpack(bus, raw, NULL, without, ret);
}

enum kn_status bus_unpack_answer(struct kn_bus *bus, nng_msg *raw, struct kn_bus_message **ret)
{
    return unpack(bus, raw, bus->answers, NULL, ret);
}

void kn_bus_message_free(struct kn_bus_message *pub)
{
    if (!pub)
        return;
    struct message *message = (struct message *)(void *)pub;
    kn_arena_fini(&message->arena);
    kn_budget_give(message->arena.budget, nng_msg_len(message->raw));
    nng_msg_free(message->raw);
    free(message);
}
