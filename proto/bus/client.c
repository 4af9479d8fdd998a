#include "proto/bus/internal.h"
#include "services/common/text/time.h"

#include <nng/protocol/reqrep0/req.h>
#include <pthread.h>
#include <stdlib.h>

/* A request is sent again when the connection broke, but not while it stands: a
 * slow answer is not a lost one. We do that ourselves: nng 1.5's own resending
 * was seen to forget a request whose server was killed. */

struct kn_bus_client {
    struct kn_bus *bus;
    nng_socket socket;
    atomic_bool stopped;
};

enum call_state { CALL_SENDING, CALL_RECEIVING, CALL_DONE };

struct kn_bus_call {
    struct kn_bus *bus;
    nng_ctx ctx;
    nng_aio *aio;
    int64_t deadline;     /* monotonic */
    pthread_mutex_t lock; /* state, sent, error, answer */
    pthread_cond_t done;
    enum call_state state;
    bool sent; /* once at least */
    int error;
    nng_msg *request; /* kept until it is answered */
    nng_msg *answer;  /* its length was taken from the bus's budget */
};

enum kn_status kn_bus_client_new(struct kn_bus *bus, const char *url, struct kn_bus_client **ret,
                                 struct kn_buf *error)
{
    struct kn_bus_client *client = calloc(1, sizeof *client);
    if (!client)
        return KN_NOMEM;
    client->bus = bus;
    int rv = nng_req0_open(&client->socket);
    if (rv) {
        free(client);
        return bus_status(rv);
    }
    rv = nng_socket_set_ms(client->socket, NNG_OPT_REQ_RESENDTIME, NNG_DURATION_INFINITE);
    enum kn_status status = bus_status(rv);
    if (status == KN_OK)
        status = bus_attach(bus, client->socket, BUS_DIAL, url, error);
    if (status != KN_OK) {
        kn_bus_client_free(client);
        return status;
    }
    *ret = client;
    return KN_OK;
}

void kn_bus_client_stop(struct kn_bus_client *client)
{
    if (!atomic_exchange(&client->stopped, true))
        bus_close(client->bus, client->socket);
}

void kn_bus_client_free(struct kn_bus_client *client)
{
    if (!client)
        return;
    kn_bus_client_stop(client);
    free(client);
}

static void finish_locked(struct kn_bus_call *call, int error)
{
    call->state = CALL_DONE;
    call->error = error;
    pthread_cond_broadcast(&call->done);
}

#if defined(__SANITIZE_ADDRESS__)
const char *__lsan_default_suppressions(void);

/* nng before 1.6 loses a message that it is sending when the connection breaks
 * (https://github.com/nanomsg/nng/issues/1713): one for each such break. */
const char *__lsan_default_suppressions(void)
{
    return "leak:bus_send_copy\n";
}
#endif

/* Sends a copy of the request. An error number of nng, 0 when it is under way. */
static int bus_send_copy(struct kn_bus_call *call)
{
    int64_t left = call->deadline - kn_time_mono();
    if (left <= 0)
        return NNG_ETIMEDOUT;
    nng_msg *copy;
    int rv = nng_msg_dup(&copy, call->request);
    if (rv)
        return rv;
    nng_aio_set_timeout(call->aio, bus_ms(left));
    nng_aio_set_msg(call->aio, copy);
    nng_ctx_send(call->ctx, call->aio);
    return 0;
}

static void after_send(struct kn_bus_call *call, int rv)
{
    pthread_mutex_lock(&call->lock);
    if (rv) {
        nng_msg_free(nng_aio_get_msg(call->aio));
        nng_aio_set_msg(call->aio, NULL);
        finish_locked(call, rv);
    } else {
        call->state = CALL_RECEIVING;
        call->sent = true;
    }
    pthread_mutex_unlock(&call->lock);
    if (rv)
        return;
    nng_aio_set_timeout(call->aio, bus_ms(call->deadline - kn_time_mono()));
    nng_ctx_recv(call->ctx, call->aio);
}

static void after_receive(struct kn_bus_call *call, int rv)
{
    if (rv == NNG_ECONNRESET) {
        pthread_mutex_lock(&call->lock);
        call->state = CALL_SENDING;
        pthread_mutex_unlock(&call->lock);
        rv = bus_send_copy(call);
        if (rv == 0)
            return;
    }
    nng_msg *answer = rv ? NULL : nng_aio_get_msg(call->aio);
    /* counted here, not by the waiting thread: otherwise many answers could arrive before the first
     * is counted */
    if (answer && !kn_budget_take(call->bus->answers, nng_msg_len(answer))) {
        nng_msg_free(answer);
        answer = NULL;
        rv = NNG_ENOMEM;
    }
    pthread_mutex_lock(&call->lock);
    call->answer = answer;
    finish_locked(call, rv);
    pthread_mutex_unlock(&call->lock);
}

/* Callback of nng: what was under way has ended. */
static void call_step(void *arg)
{
    struct kn_bus_call *call = arg;
    int rv = nng_aio_result(call->aio);
    pthread_mutex_lock(&call->lock);
    enum call_state state = call->state;
    pthread_mutex_unlock(&call->lock);
    if (state == CALL_SENDING)
        after_send(call, rv);
    else
        after_receive(call, rv);
}

/* Takes raw over, also on failure. */
static enum kn_status start(struct kn_bus_client *client, nng_msg *raw, int64_t timeout_us,
                            struct kn_bus_call **ret)
{
    struct kn_bus_call *call = calloc(1, sizeof *call);
    if (!call) {
        nng_msg_free(raw);
        return KN_NOMEM;
    }
    call->bus = client->bus;
    call->deadline = kn_time_mono() + timeout_us;
    int rv = nng_ctx_open(&call->ctx, client->socket);
    if (rv == 0 && (rv = nng_aio_alloc(&call->aio, call_step, call)) != 0)
        nng_ctx_close(call->ctx);
    if (rv) {
        nng_msg_free(raw);
        free(call);
        return bus_status(rv);
    }
    pthread_mutex_init(&call->lock, NULL);
    pthread_cond_init(&call->done, NULL);
    call->request = raw;
    rv = bus_send_copy(call);
    if (rv) {
        kn_bus_call_drop(call);
        return bus_status(rv);
    }
    *ret = call;
    return KN_OK;
}

/* The number of a request. */
static uint64_t patience_of(int64_t timeout_us)
{
    return timeout_us > 0 ? (uint64_t)timeout_us : 0;
}

enum kn_status kn_bus_call_start(struct kn_bus_client *client, enum kn_kind kind, const void *msg,
                                 int64_t timeout_us, struct kn_bus_call **ret)
{
    if (atomic_load(&client->stopped))
        return KN_CLOSED;
    nng_msg *raw;
    enum kn_status status = bus_pack(client->bus, patience_of(timeout_us), kind, msg, &raw);
    return status == KN_OK ? start(client, raw, timeout_us, ret) : status;
}

enum kn_status kn_bus_call_start_encoded(struct kn_bus_client *client, enum kn_kind kind,
                                         struct kn_str body, int64_t timeout_us,
                                         struct kn_bus_call **ret)
{
    if (atomic_load(&client->stopped))
        return KN_CLOSED;
    nng_msg *raw;
    enum kn_status status = bus_pack_body(client->bus, patience_of(timeout_us), kind, body, &raw);
    return status == KN_OK ? start(client, raw, timeout_us, ret) : status;
}

bool kn_bus_call_ready(struct kn_bus_call *call)
{
    pthread_mutex_lock(&call->lock);
    bool ready = call->state == CALL_DONE;
    pthread_mutex_unlock(&call->lock);
    return ready;
}

void kn_bus_call_drop(struct kn_bus_call *call)
{
    if (!call)
        return;
    /* cancels pending operations, so that the callback no longer runs */
    nng_aio_stop(call->aio);
    nng_ctx_close(call->ctx);
    nng_aio_free(call->aio);
    nng_msg_free(call->request);
    if (call->answer) {
        kn_budget_give(call->bus->answers, nng_msg_len(call->answer));
        nng_msg_free(call->answer);
    }
    pthread_mutex_destroy(&call->lock);
    pthread_cond_destroy(&call->done);
    free(call);
}

/* A FAILURE that the server sent becomes its status and text. */
static enum kn_status check_failure(struct kn_bus_message *message, struct kn_buf *error)
{
    if (message->kind != KN_KIND_FAILURE)
        return KN_OK;
    const struct kn_msg_failure *failure = message->msg;
    if (failure->text.ptr)
        bus_error(error, "%.*s", KN_STR_ARG(failure->text));
    bool known = failure->status > KN_OK && failure->status <= KN_UNCERTAIN;
    return known ? (enum kn_status)failure->status : KN_INTERNAL;
}

static void await_locked(struct kn_bus_call *call)
{
    while (call->state != CALL_DONE)
        pthread_cond_wait(&call->done, &call->lock);
}

bool kn_bus_call_wait(struct kn_bus_call *call)
{
    pthread_mutex_lock(&call->lock);
    await_locked(call);
    bool sent = call->sent;
    pthread_mutex_unlock(&call->lock);
    return sent;
}

enum kn_status kn_bus_call_finish(struct kn_bus_call *call, struct kn_bus_message **ret,
                                  struct kn_buf *error)
{
    pthread_mutex_lock(&call->lock);
    await_locked(call);
    pthread_mutex_unlock(&call->lock);
    enum kn_status status = bus_status(call->error);
    nng_msg *answer = call->answer;
    struct kn_bus *bus = call->bus;
    call->answer = NULL;
    kn_bus_call_drop(call);
    if (status != KN_OK)
        return status;
    struct kn_bus_message *message;
    status = bus_unpack_answer(bus, answer, &message);
    if (status != KN_OK)
        return status;
    status = check_failure(message, error);
    if (status != KN_OK) {
        kn_bus_message_free(message);
        return status;
    }
    *ret = message;
    return KN_OK;
}

enum kn_status kn_bus_request(struct kn_bus_client *client, enum kn_kind kind, const void *msg,
                              int64_t timeout_us, struct kn_bus_message **ret, struct kn_buf *error)
{
    struct kn_bus_call *call = NULL;
    enum kn_status status = kn_bus_call_start(client, kind, msg, timeout_us, &call);
    if (status != KN_OK)
        return status;
    return kn_bus_call_finish(call, ret, error);
}

enum kn_status kn_bus_call_finish_kind(struct kn_bus_call *call, enum kn_kind wanted,
                                       struct kn_bus_message **ret, struct kn_buf *error)
{
    struct kn_bus_message *answer;
    enum kn_status status = kn_bus_call_finish(call, &answer, error);
    if (status == KN_OK && answer->kind != wanted) {
        kn_bus_message_free(answer);
        status = KN_UNSUPPORTED;
    }
    if (status == KN_OK)
        *ret = answer;
    return status;
}

enum kn_status kn_bus_ask(struct kn_bus_client *client, enum kn_kind kind, const void *msg,
                          int64_t timeout_us, enum kn_kind wanted, struct kn_bus_message **ret,
                          struct kn_buf *error)
{
    struct kn_bus_call *call = NULL;
    enum kn_status status = kn_bus_call_start(client, kind, msg, timeout_us, &call);
    return status == KN_OK ? kn_bus_call_finish_kind(call, wanted, ret, error) : status;
}

struct kn_bus_message *kn_bus_request_kind(struct kn_bus_client *client, enum kn_kind kind,
                                           const void *msg, int64_t timeout_us, enum kn_kind wanted)
{
    struct kn_bus_message *answer = NULL;
    return kn_bus_ask(client, kind, msg, timeout_us, wanted, &answer, NULL) == KN_OK ? answer
                                                                                     : NULL;
}
