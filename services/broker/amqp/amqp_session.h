/* A session with RabbitMQ, and the functions in its driver. */
#ifndef BROKER_AMQP_AMQP_SESSION_H
#define BROKER_AMQP_AMQP_SESSION_H

#include "services/broker/amqp/amqp.h"
#include "services/broker/port/driver.h"
#include "services/common/data/arena.h"

struct amqp_session {
    struct broker_session base;
    struct broker_amqp amqp;    /* to publish */
    struct broker_amqp replies; /* a separate connection: replies must not mix with answers */
    bool confirming;            /* the channel with publisher confirms is open */
    bool unprobed;              /* the user may not declare or use the probe exchange */
    amqp_envelope_t envelope;
    bool has_envelope;
};

static inline struct amqp_session *amqp_session_of(struct broker_session *session)
{
    return (struct amqp_session *)session;
}

/* Headers as an AMQP table, allocated in the arena. TOO_BIG, NOMEM. */
enum kn_status broker_amqp_table(const struct broker_header *headers, size_t count,
                                 struct kn_arena *arena, amqp_table_t *ret) KN_MUST_CHECK;
/* Connects, and opens the first channel. */
enum kn_status broker_amqp_connect(struct amqp_session *s) KN_MUST_CHECK;
/* Closes the connection after a failure: the next call opens a new one. */
enum kn_status broker_amqp_give_up(struct amqp_session *s, enum kn_status status);
/* Connects. AGAIN: RabbitMQ blocks publishers; the connection stays open. */
enum kn_status broker_amqp_may_publish(struct amqp_session *s) KN_MUST_CHECK;
/* Sends a message unchanged to a queue, with confirmation. NOT_FOUND, FULL: the broker did not
 * accept it. */
enum kn_status broker_amqp_put(struct amqp_session *s, const char *queue,
                               const amqp_message_t *message) KN_MUST_CHECK;

/* ---- for the driver: see driver.h ------------------------------------------------------ */

enum kn_status broker_amqp_receive(struct broker_receiver *r, struct kn_buf *error) KN_MUST_CHECK;
struct broker_meter *broker_amqp_meter_new(void);
void broker_amqp_meter_fini(struct broker_meter *meter);
bool broker_amqp_meter_connected(const struct broker_meter *meter);
enum kn_status broker_amqp_measure(struct broker_meter *meter, struct kn_arena *arena,
                                   struct broker_depths *depths) KN_MUST_CHECK;
enum kn_status broker_amqp_places(struct broker_meter *meter, struct kn_arena *arena,
                                  struct kn_str *ret, size_t max, size_t *ret_count) KN_MUST_CHECK;

struct broker_session *broker_amqp_session_new(void);
void broker_amqp_session_fini(struct broker_session *s);
bool broker_amqp_connected(const struct broker_session *s);
enum kn_status broker_amqp_look(struct broker_session *s, const struct broker_look *look,
                                struct kn_arena *arena, struct broker_page *ret) KN_MUST_CHECK;
enum kn_status broker_amqp_no_stream(struct broker_session *s, const char *queue);
enum kn_status broker_amqp_purge(struct broker_session *s, const struct broker_purge *purge,
                                 uint64_t *ret_count) KN_MUST_CHECK;
enum kn_status broker_amqp_move(struct broker_session *s, const struct broker_move *move,
                                struct broker_moved *ret) KN_MUST_CHECK;
enum kn_status broker_amqp_remove(struct broker_session *s, const struct broker_removal *removal,
                                  struct broker_removed *ret) KN_MUST_CHECK;
enum kn_status broker_amqp_fanout(struct broker_session *s, const char *exchange,
                                  const struct broker_outgoing *message,
                                  int64_t *ret_receivers) KN_MUST_CHECK;
enum kn_status broker_amqp_send(struct broker_session *s, const char *queue,
                                const struct broker_outgoing *message) KN_MUST_CHECK;
enum kn_status broker_amqp_replies_open(struct broker_session *s) KN_MUST_CHECK;
enum kn_status broker_amqp_replies_receive(struct broker_session *s, int64_t timeout_us,
                                           struct broker_message *ret) KN_MUST_CHECK;
void broker_amqp_replies_close(struct broker_session *s);

#endif
