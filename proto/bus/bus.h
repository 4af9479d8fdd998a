/* The bus: messages between our services over nng. No other module includes nng.
 *
 *   publish and subscribe   one publisher binds, any number dial; may drop messages for a slow
 *                           reader; the numbers in envelopes reveal it
 *   request and reply       one server binds, any number dial; several requests
 *                           at once on both sides
 *
 * Addresses are URLs: ipc:///path, tcp://host:port, tls+tcp://host:port. Beyond loopback, tcp:// is
 * refused unless the bus is insecure, and tls+tcp:// needs certificates on both sides.
 *
 * Everything here is thread-safe unless stated otherwise. Nothing here logs above debug. */
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
    /* Called once, on another thread, when nng can no longer clean up broken connections (closing.c
     * says why), or when a lost address cannot be bound again. Existing connections keep working,
     * but new ones fail, so the process should exit and be restarted. May be NULL. */
    void (*on_stuck)(void *arg);
    void *on_stuck_arg;
    int64_t stuck_after; /* µs, 0: 10 s */
};

/* Copies what options point to. On failure a sentence may be appended to error, which may be
 * NULL, here and below. */
enum kn_status kn_bus_new(const struct kn_bus_options *options, struct kn_bus **ret,
                          struct kn_buf *error) KN_MUST_CHECK;
/* Free everything made from the bus first. NULL is allowed. */
void kn_bus_free(struct kn_bus *bus);
/* Call before the first request: takes the memory of answers from a budget, which must outlive the
 * bus. An answer that exceeds the budget is dropped on arrival, and its request returns NOMEM. */
void kn_bus_limit_answers(struct kn_bus *bus, struct kn_budget *budget);

/* ---- messages -------------------------------------------------------------- */

/* A received message. Owns everything msg points to. */
struct kn_bus_message {
    enum kn_kind kind;
    struct kn_str sender;
    uint64_t number; /* of a publisher; in a request: µs the sender waits for the answer */
    const void *msg; /* struct kn_msg_<kind> */
};
void kn_bus_message_free(struct kn_bus_message *message);

/* ---- publish and subscribe -------------------------------------------------- */

/* Binds url. */
enum kn_status kn_bus_publisher_new(struct kn_bus *bus, const char *url,
                                    struct kn_bus_publisher **ret,
                                    struct kn_buf *error) KN_MUST_CHECK;
void kn_bus_publisher_free(struct kn_bus_publisher *publisher);
/* Never blocks. number: goes into the envelope. TOO_BIG: larger than message_max. */
enum kn_status kn_bus_publish(struct kn_bus_publisher *publisher, uint64_t number,
                              enum kn_kind kind, const void *msg) KN_MUST_CHECK;

/* Dials url, and redials forever. A missing publisher is no error. */
enum kn_status kn_bus_subscriber_new(struct kn_bus *bus, const char *url,
                                     struct kn_bus_subscriber **ret,
                                     struct kn_buf *error) KN_MUST_CHECK;
void kn_bus_subscriber_free(struct kn_bus_subscriber *subscriber);
/* Skips the field of this name (static text; NULL: none) in every message, so it stays absent. Call
 * before the first kn_bus_receive. */
void kn_bus_subscriber_without(struct kn_bus_subscriber *subscriber, const char *field);
/* Waits for the next message, up to timeout_us. TIMEOUT when none arrived, CLOSED after
 * kn_bus_subscriber_stop. Unreadable messages are counted and skipped. One thread at a time. */
enum kn_status kn_bus_receive(struct kn_bus_subscriber *subscriber, int64_t timeout_us,
                              struct kn_bus_message **ret) KN_MUST_CHECK;
/* Makes a blocked kn_bus_receive, and every later one, return CLOSED. */
void kn_bus_subscriber_stop(struct kn_bus_subscriber *subscriber);
/* Number of connections made to the publisher; 0: not connected yet. */
uint64_t kn_bus_subscriber_connects(const struct kn_bus_subscriber *subscriber);
/* Number of unreadable messages. */
uint64_t kn_bus_subscriber_malformed(const struct kn_bus_subscriber *subscriber);

/* ---- request and reply ------------------------------------------------------- */

/* Dials url, and redials forever. A request that is pending when the server disappears is sent
 * again when the server is back, so requests must be safe to repeat. */
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
/* The same for an answer of one kind: UNSUPPORTED without a sentence for any other kind. */
enum kn_status kn_bus_ask(struct kn_bus_client *client, enum kn_kind kind, const void *msg,
                          int64_t timeout_us, enum kn_kind wanted, struct kn_bus_message **ret,
                          struct kn_buf *error) KN_MUST_CHECK;
/* The same for callers that don't need the reason of a failure; NULL: no answer. */
struct kn_bus_message *kn_bus_request_kind(struct kn_bus_client *client, enum kn_kind kind,
                                           const void *msg, int64_t timeout_us,
                                           enum kn_kind wanted) KN_MUST_CHECK;
/* Makes all pending requests, and every later one, return CLOSED. */
void kn_bus_client_stop(struct kn_bus_client *client);

/* The same in two steps, for several requests at the same time. msg may be freed after start.
 * Finish or drop every started call. */
struct kn_bus_call;
enum kn_status kn_bus_call_start(struct kn_bus_client *client, enum kn_kind kind, const void *msg,
                                 int64_t timeout_us, struct kn_bus_call **ret) KN_MUST_CHECK;
/* The same for a message already written by kn_msg_encode. */
enum kn_status kn_bus_call_start_encoded(struct kn_bus_client *client, enum kn_kind kind,
                                         struct kn_str body, int64_t timeout_us,
                                         struct kn_bus_call **ret) KN_MUST_CHECK;
/* True if kn_bus_call_finish would return at once. */
bool kn_bus_call_ready(struct kn_bus_call *call);
/* Waits until the call has ended. Returns whether the request was ever sent: if so, the server may
 * have carried it out. */
bool kn_bus_call_wait(struct kn_bus_call *call);
/* Waits as kn_bus_request does, and frees the call. */
enum kn_status kn_bus_call_finish(struct kn_bus_call *call, struct kn_bus_message **ret,
                                  struct kn_buf *error) KN_MUST_CHECK;
/* The same as kn_bus_ask: UNSUPPORTED for an answer of another kind. */
enum kn_status kn_bus_call_finish_kind(struct kn_bus_call *call, enum kn_kind wanted,
                                       struct kn_bus_message **ret,
                                       struct kn_buf *error) KN_MUST_CHECK;
/* Abandons the call and frees it. NULL is allowed. */
void kn_bus_call_drop(struct kn_bus_call *call);

struct kn_bus_reply;
/* Answers a request. Runs on one of the server's threads; several run at once. Either calls
 * kn_bus_reply_set once and returns OK, or returns a failure, with details in kn_bus_reply_error if
 * it likes. */
typedef enum kn_status kn_bus_handler(void *arg, const struct kn_bus_message *request,
                                      struct kn_bus_reply *reply);
/* msg may be freed afterwards. */
void kn_bus_reply_set(struct kn_bus_reply *reply, enum kn_kind kind, const void *msg);
/* One sentence that goes with the handler's status. */
void kn_bus_reply_error(struct kn_bus_reply *reply, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Binds url, and answers with threads threads (1 to 64). */
enum kn_status kn_bus_server_new(struct kn_bus *bus, const char *url, unsigned threads,
                                 kn_bus_handler *handler, void *arg, struct kn_bus_server **ret,
                                 struct kn_buf *error) KN_MUST_CHECK;
/* Stops accepting requests, and waits for running handlers. */
void kn_bus_server_free(struct kn_bus_server *server);

#endif
