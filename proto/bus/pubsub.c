#include "proto/bus/internal.h"

#include <nng/protocol/pubsub0/pub.h>
#include <nng/protocol/pubsub0/sub.h>
#include <stdlib.h>

/* messages that may wait for one reader before some are dropped; under load each may have
 * megabytes */
enum { SEND_BUFFER = 16, RECEIVE_BUFFER = 24 };

struct kn_bus_publisher {
    struct kn_bus *bus;
    nng_socket socket;
};

struct kn_bus_subscriber {
    struct kn_bus *bus;
    nng_socket socket;
    const char *without;
    nng_aio *aio;
    atomic_uint_fast64_t malformed;
    atomic_bool stopped;
};

enum kn_status kn_bus_publisher_new(struct kn_bus *bus, const char *url,
                                    struct kn_bus_publisher **ret, struct kn_buf *error)
{
    struct kn_bus_publisher *publisher = calloc(1, sizeof *publisher);
    if (!publisher)
        return KN_NOMEM;
    publisher->bus = bus;
    int rv = nng_pub0_open(&publisher->socket);
    if (rv) {
        free(publisher);
        return bus_status(rv);
    }
    rv = nng_socket_set_int(publisher->socket, NNG_OPT_SENDBUF, SEND_BUFFER);
    enum kn_status status = bus_status(rv);
    if (status == KN_OK)
        status = bus_attach(bus, publisher->socket, BUS_BIND, url, error);
    if (status != KN_OK) {
        kn_bus_publisher_free(publisher);
        return status;
    }
    *ret = publisher;
    return KN_OK;
}

void kn_bus_publisher_free(struct kn_bus_publisher *publisher)
{
    if (!publisher)
        return;
    bus_close(publisher->bus, publisher->socket);
    free(publisher);
}

enum kn_status kn_bus_publish(struct kn_bus_publisher *publisher, uint64_t number,
                              enum kn_kind kind, const void *msg)
{
    nng_msg *raw;
    enum kn_status status = bus_pack(publisher->bus, number, kind, msg, &raw);
    if (status != KN_OK)
        return status;
    int rv = nng_sendmsg(publisher->socket, raw, NNG_FLAG_NONBLOCK);
    if (rv)
        nng_msg_free(raw);
    return bus_status(rv);
}

enum kn_status kn_bus_subscriber_new(struct kn_bus *bus, const char *url,
                                     struct kn_bus_subscriber **ret, struct kn_buf *error)
{
    struct kn_bus_subscriber *subscriber = calloc(1, sizeof *subscriber);
    if (!subscriber)
        return KN_NOMEM;
    subscriber->bus = bus;
    int rv = nng_sub0_open(&subscriber->socket);
    if (rv) {
        free(subscriber);
        return bus_status(rv);
    }
    enum kn_status status = KN_OK;
    if ((rv = nng_aio_alloc(&subscriber->aio, NULL, NULL)) != 0 ||
        (rv = nng_socket_set_int(subscriber->socket, NNG_OPT_RECVBUF, RECEIVE_BUFFER)) != 0 ||
        (rv = nng_socket_set(subscriber->socket, NNG_OPT_SUB_SUBSCRIBE, "", 0)) != 0)
        status = bus_status(rv);
    else
        status = bus_attach(bus, subscriber->socket, BUS_DIAL, url, error);
    if (status != KN_OK) {
        kn_bus_subscriber_free(subscriber);
        return status;
    }
    *ret = subscriber;
    return KN_OK;
}

void kn_bus_subscriber_without(struct kn_bus_subscriber *subscriber, const char *field)
{
    subscriber->without = field;
}

void kn_bus_subscriber_stop(struct kn_bus_subscriber *subscriber)
{
    atomic_store(&subscriber->stopped, true);
    nng_aio_stop(subscriber->aio);
}

void kn_bus_subscriber_free(struct kn_bus_subscriber *subscriber)
{
    if (!subscriber)
        return;
    bus_close(subscriber->bus, subscriber->socket);
    if (subscriber->aio)
        nng_aio_free(subscriber->aio);
    free(subscriber);
}

enum kn_status kn_bus_receive(struct kn_bus_subscriber *subscriber, int64_t timeout_us,
                              struct kn_bus_message **ret)
{
    for (;;) {
        if (atomic_load(&subscriber->stopped))
            return KN_CLOSED;
        nng_aio_set_timeout(subscriber->aio, bus_ms(timeout_us));
        nng_recv_aio(subscriber->socket, subscriber->aio);
        nng_aio_wait(subscriber->aio);
        int rv = nng_aio_result(subscriber->aio);
        if (atomic_load(&subscriber->stopped)) {
            if (rv == 0)
                nng_msg_free(nng_aio_get_msg(subscriber->aio));
            return KN_CLOSED;
        }
        if (rv)
            return bus_status(rv);
        enum kn_status status =
            bus_unpack(subscriber->bus, nng_aio_get_msg(subscriber->aio), subscriber->without, ret);
        if (status == KN_OK || status == KN_NOMEM)
            return status;
        atomic_fetch_add(&subscriber->malformed, 1);
    }
}

uint64_t kn_bus_subscriber_connects(const struct kn_bus_subscriber *subscriber)
{
    return bus_connects(subscriber->bus, subscriber->socket);
}

uint64_t kn_bus_subscriber_malformed(const struct kn_bus_subscriber *subscriber)
{
    return atomic_load(&subscriber->malformed);
}
