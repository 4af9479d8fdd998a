#include "proto/bus/internal.h"

#include <nng/protocol/reqrep0/rep.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { THREADS_MAX = 64 };

struct server_thread {
    struct kn_bus_server *server;
    pthread_t thread;
    bool running;
    nng_ctx ctx;
    bool has_ctx;
    nng_aio *receive;
    nng_aio *send;
};

struct kn_bus_server {
    struct kn_bus *bus;
    nng_socket socket;
    kn_bus_handler *handler;
    void *arg;
    unsigned count;
    struct server_thread threads[];
};

struct kn_bus_reply {
    struct kn_bus *bus;
    nng_msg *raw;
    enum kn_status status; /* of packing it */
    char *error;
};

void kn_bus_reply_set(struct kn_bus_reply *reply, enum kn_kind kind, const void *msg)
{
    if (reply->raw)
        nng_msg_free(reply->raw);
    reply->raw = NULL;
    reply->status = bus_pack(reply->bus, 0, kind, msg, &reply->raw);
}

void kn_bus_reply_error(struct kn_bus_reply *reply, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    free(reply->error);
    if (vasprintf(&reply->error, format, args) < 0)
        reply->error = NULL;
    va_end(args);
}

static nng_msg *failure(struct kn_bus_reply *reply, enum kn_status status)
{
    struct kn_msg_failure msg = {.status = status, .text = kn_str_from(reply->error)};
    nng_msg *raw = NULL;
    if (bus_pack(reply->bus, 0, KN_KIND_FAILURE, &msg, &raw) != KN_OK)
        return NULL;
    return raw;
}

/* The answer to one request; NULL when there is no memory for any. */
static nng_msg *answer(struct kn_bus_server *server, nng_msg *raw)
{
    struct kn_bus_message *request;
    struct kn_bus_reply reply = {.bus = server->bus};
    enum kn_status status = bus_unpack(server->bus, raw, NULL, &request);
    if (status == KN_OK) {
        status = server->handler(server->arg, request, &reply);
        kn_bus_message_free(request);
        if (status == KN_OK)
            status = reply.status;
        if (status == KN_OK && !reply.raw)
            status = KN_INTERNAL;
    } else {
        kn_bus_reply_error(&reply, "the request can't be read: %s", kn_status_text(status));
    }
    if (status != KN_OK) {
        if (reply.raw)
            nng_msg_free(reply.raw);
        reply.raw = failure(&reply, status);
    }
    free(reply.error);
    return reply.raw;
}

static void *serve(void *arg)
{
    struct server_thread *t = arg;
    for (;;) {
        nng_ctx_recv(t->ctx, t->receive);
        nng_aio_wait(t->receive);
        int rv = nng_aio_result(t->receive);
        if (rv == NNG_ECLOSED || rv == NNG_ECANCELED)
            return NULL;
        if (rv)
            continue;
        nng_msg *reply = answer(t->server, nng_aio_get_msg(t->receive));
        if (!reply)
            continue;
        nng_aio_set_msg(t->send, reply);
        nng_ctx_send(t->ctx, t->send);
        nng_aio_wait(t->send);
        if (nng_aio_result(t->send) != 0)
            nng_msg_free(reply); /* who asked is gone */
    }
}

static int start_thread(struct kn_bus_server *server, struct server_thread *t)
{
    t->server = server;
    int rv;
    if ((rv = nng_aio_alloc(&t->receive, NULL, NULL)) != 0 ||
        (rv = nng_aio_alloc(&t->send, NULL, NULL)) != 0 ||
        (rv = nng_ctx_open(&t->ctx, server->socket)) != 0)
        return rv;
    t->has_ctx = true;
    nng_aio_set_timeout(t->receive, NNG_DURATION_INFINITE);
    nng_aio_set_timeout(t->send, 10 * 1000);
    if (pthread_create(&t->thread, NULL, serve, t) != 0)
        return NNG_ENOMEM;
    t->running = true;
    return 0;
}

void kn_bus_server_free(struct kn_bus_server *server)
{
    if (!server)
        return;
    for (unsigned i = 0; i < server->count; i++) {
        if (server->threads[i].receive)
            nng_aio_stop(server->threads[i].receive);
    }
    for (unsigned i = 0; i < server->count; i++) {
        if (server->threads[i].running)
            pthread_join(server->threads[i].thread, NULL);
    }
    bus_close(server->bus, server->socket);
    for (unsigned i = 0; i < server->count; i++) {
        struct server_thread *t = &server->threads[i];
        if (t->receive)
            nng_aio_free(t->receive);
        if (t->send)
            nng_aio_free(t->send);
    }
    free(server);
}

enum kn_status kn_bus_server_new(struct kn_bus *bus, const char *url, unsigned threads,
                                 kn_bus_handler *handler, void *arg, struct kn_bus_server **ret,
                                 struct kn_buf *error)
{
    if (threads < 1 || threads > THREADS_MAX)
        return KN_INVALID;
    struct kn_bus_server *server = calloc(1, sizeof *server + threads * sizeof *server->threads);
    if (!server)
        return KN_NOMEM;
    server->bus = bus;
    server->handler = handler;
    server->arg = arg;
    int rv = nng_rep0_open(&server->socket);
    if (rv) {
        free(server);
        return bus_status(rv);
    }
    server->count = threads;
    enum kn_status status = bus_attach(bus, server->socket, BUS_BIND, url, error);
    for (unsigned i = 0; i < threads && status == KN_OK; i++)
        status = bus_status(start_thread(server, &server->threads[i]));
    if (status != KN_OK) {
        kn_bus_server_free(server);
        return status;
    }
    *ret = server;
    return KN_OK;
}
