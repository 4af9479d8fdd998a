/* The bus: messages between our services over nng, which nobody else includes.
 *
 *   publish and subscribe   one publisher binds, any number dial; may drop for a
 *                           slow reader; the number in the envelope shows it
 *   request and reply       one server binds, any number dial; several requests
 *                           at once on both sides
 *
 * Addresses are URLs: ipc:///path, tcp://host:port, tls+tcp://host:port. Beyond
 * loopback, tcp:// is refused unless the bus is told to be insecure, and
 * tls+tcp:// takes certificates of both sides.
 *
 * Everything here may be used from several threads at once, unless it says
 * otherwise. Nothing here logs above debug. */
#ifndef KN_PROTO_BUS_BUS_H
#define KN_PROTO_BUS_BUS_H

#include "proto/codec.h"
#include "services/common/budget.h"

struct kn_bus;
struct kn_bus_publisher;
struct kn_bus_subscriber;
struct kn_bus_client;
struct kn_bus_server;

struct kn_bus_options {
    const char *sender;  /* id of this process, at most KN_SENDER_MAX bytes */
    size_t message_max;  /* bytes of one message, 0: 64 MiB; more is refused */
    bool insecure;       /* allow tcp:// beyond loopback */
    const char *ca_file; /* PEM; for tls+tcp://; NULL or "": none */
    const char *cert_file;
    const char *key_file;
    /* Called once, on another thread, when nng can no longer clear away connections that broke
     * (closing.c says why), or bind again what it has lost: those that stand still work, but none
     * is made again, and the process should end to be started anew. NULL: nobody is told. */
    void (*on_stuck)(void *arg);
    void *on_stuck_arg;
    int64_t stuck_after; /* µs, 0: 10 s */
};

/* Copies what options point to. On failure a sentence may be appended to error, which may be
 * NULL, here and below. */
enum kn_status kn_bus_new(const struct kn_bus_options *options, struct kn_bus **ret,
                          struct kn_buf *error) KN_MUST_CHECK;
/* Everything that was made with it must be freed before. NULL is allowed. */
void kn_bus_free(struct kn_bus *bus);
/* Before the first request: takes the memory of answers from a budget, which must outlive the
 * bus. An answer that does not fit is dropped as it arrives, and its request returns NOMEM. */
void kn_bus_limit_answers(struct kn_bus *bus, struct kn_budget *budget);

/* ---- messages -------------------------------------------------------------- */

/* A message that came in. It owns all that msg points to. */
struct kn_bus_message {
    enum kn_kind kind;
    struct kn_str sender;
    uint64_t number; /* of a publisher; in a request: µs that its sender waits for the answer */
    const void *msg; /* struct kn_msg_<kind> */
};
void kn_bus_message_free(struct kn_bus_message *message);

/* ---- publish and subscribe -------------------------------------------------- */

/* Binds url. */
enum kn_status kn_bus_publisher_new(struct kn_bus *bus, const char *url,
                                    struct kn_bus_publisher **ret,
                                    struct kn_buf *error) KN_MUST_CHECK;
void kn_bus_publisher_free(struct kn_bus_publisher *publisher);
/* Never waits. number: of the envelope. TOO_BIG when it is larger than message_max. */
enum kn_status kn_bus_publish(struct kn_bus_publisher *publisher, uint64_t number,
                              enum kn_kind kind, const void *msg) KN_MUST_CHECK;

/* Dials url, and redials for ever; that nobody is there is no error. */
enum kn_status kn_bus_subscriber_new(struct kn_bus *bus, const char *url,
                                     struct kn_bus_subscriber **ret,
                                     struct kn_buf *error) KN_MUST_CHECK;
void kn_bus_subscriber_free(struct kn_bus_subscriber *subscriber);
/* Passes over the field of that name (static text, NULL: none) in every message: it stays
 * absent. Before the first kn_bus_receive. */
void kn_bus_subscriber_without(struct kn_bus_subscriber *subscriber, const char *field);
/* Waits for the next message, up to timeout_us. TIMEOUT when none came, CLOSED
 * after kn_bus_subscriber_stop. Messages that can't be read are counted and
 * passed over. One thread at a time. */
enum kn_status kn_bus_receive(struct kn_bus_subscriber *subscriber, int64_t timeout_us,
                              struct kn_bus_message **ret) KN_MUST_CHECK;
/* Makes a kn_bus_receive that waits, and every later one, return CLOSED. */
void kn_bus_subscriber_stop(struct kn_bus_subscriber *subscriber);
/* How often a connection to the publisher was made; 0: never yet. */
uint64_t kn_bus_subscriber_connects(const struct kn_bus_subscriber *subscriber);
/* How many messages could not be read. */
uint64_t kn_bus_subscriber_malformed(const struct kn_bus_subscriber *subscriber);

/* ---- request and reply ------------------------------------------------------- */

/* Dials url, and redials for ever. A request that was under way when the server
 * went is sent again when it is back: what a request does must bear that. */
enum kn_status kn_bus_client_new(struct kn_bus *bus, const char *url, struct kn_bus_client **ret,
                                 struct kn_buf *error) KN_MUST_CHECK;
void kn_bus_client_free(struct kn_bus_client *client);

/* Sends a request and waits for its answer, up to timeout_us. *ret is to be freed
 * with kn_bus_message_free. TIMEOUT when no answer came; NOMEM without a sentence
 * when it does not fit into the budget (kn_bus_limit_answers); else, when the server
 * said no, its status, and error has its sentence, if it
 * gave one. */
enum kn_status kn_bus_request(struct kn_bus_client *client, enum kn_kind kind, const void *msg,
                              int64_t timeout_us, struct kn_bus_message **ret,
                              struct kn_buf *error) KN_MUST_CHECK;
/* The same for an answer of one kind: UNSUPPORTED without a sentence when it is of another. */
enum kn_status kn_bus_ask(struct kn_bus_client *client, enum kn_kind kind, const void *msg,
                          int64_t timeout_us, enum kn_kind wanted, struct kn_bus_message **ret,
                          struct kn_buf *error) KN_MUST_CHECK;
/* The same when it does not matter why there is none; NULL: none. */
struct kn_bus_message *kn_bus_request_kind(struct kn_bus_client *client, enum kn_kind kind,
                                           const void *msg, int64_t timeout_us,
                                           enum kn_kind wanted) KN_MUST_CHECK;
/* Makes all requests that wait, and every later one, return CLOSED. */
void kn_bus_client_stop(struct kn_bus_client *client);

/* The same in two steps, for requests that are to be under way together. msg is
 * no longer needed after start. Every call that was started must be finished or
 * dropped. */
struct kn_bus_call;
enum kn_status kn_bus_call_start(struct kn_bus_client *client, enum kn_kind kind, const void *msg,
                                 int64_t timeout_us, struct kn_bus_call **ret) KN_MUST_CHECK;
/* The same for a message that kn_msg_encode has written before. */
enum kn_status kn_bus_call_start_encoded(struct kn_bus_client *client, enum kn_kind kind,
                                         struct kn_str body, int64_t timeout_us,
                                         struct kn_bus_call **ret) KN_MUST_CHECK;
/* Whether kn_bus_call_finish would not wait. */
bool kn_bus_call_ready(struct kn_bus_call *call);
/* Waits until it has ended. Whether the request ever left for the server, which may have done what
 * it asks for then. */
bool kn_bus_call_wait(struct kn_bus_call *call);
/* Waits as kn_bus_request does, and frees the call. */
enum kn_status kn_bus_call_finish(struct kn_bus_call *call, struct kn_bus_message **ret,
                                  struct kn_buf *error) KN_MUST_CHECK;
/* The same as kn_bus_ask: UNSUPPORTED when the answer is of another kind than wanted. */
enum kn_status kn_bus_call_finish_kind(struct kn_bus_call *call, enum kn_kind wanted,
                                       struct kn_bus_message **ret,
                                       struct kn_buf *error) KN_MUST_CHECK;
/* Gives up on it, and frees it. NULL is allowed. */
void kn_bus_call_drop(struct kn_bus_call *call);

struct kn_bus_reply;
/* Answers a request; runs on one of the server's threads, several at once. It
 * calls kn_bus_reply_set once and returns OK, or returns a status (and may say
 * more with kn_bus_reply_error). */
typedef enum kn_status kn_bus_handler(void *arg, const struct kn_bus_message *request,
                                      struct kn_bus_reply *reply);
/* msg is no longer needed afterwards. */
void kn_bus_reply_set(struct kn_bus_reply *reply, enum kn_kind kind, const void *msg);
/* One sentence that goes with the status that the handler returns. */
void kn_bus_reply_error(struct kn_bus_reply *reply, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Binds url, and answers with threads threads (1 to 64). */
enum kn_status kn_bus_server_new(struct kn_bus *bus, const char *url, unsigned threads,
                                 kn_bus_handler *handler, void *arg, struct kn_bus_server **ret,
                                 struct kn_buf *error) KN_MUST_CHECK;
/* Stops taking requests, waits for those that are being handled. */
void kn_bus_server_free(struct kn_bus_server *server);

#endif
