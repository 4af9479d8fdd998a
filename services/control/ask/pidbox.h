/* Asks workers over the broker: one question to all or some of them, and the
 * replies as they come. Connects when it is first needed. One thread. */
#ifndef CONTROL_ASK_PIDBOX_H
#define CONTROL_ASK_PIDBOX_H

#include "services/broker/session.h"
#include "services/celery/remote/remote.h"

struct control_pidbox;

/* options must outlive it. */
enum kn_status control_pidbox_new(const struct broker_options *options,
                                  struct control_pidbox **ret) KN_MUST_CHECK;
void control_pidbox_free(struct control_pidbox *pidbox);
/* The last failure; "" when there was none. Never a secret. */
const char *control_pidbox_error(const struct control_pidbox *pidbox);

/* Makes a queue for replies, with a name of its own, and takes it away again. lasts_us:
 * how long it will be used at most; whoever is killed meanwhile leaves it behind on
 * Redis, and any control takes it away when that has passed. */
enum kn_status control_pidbox_open(struct control_pidbox *pidbox, int64_t lasts_us) KN_MUST_CHECK;
void control_pidbox_close(struct control_pidbox *pidbox);
/* Takes away what was left behind so. */
enum kn_status control_pidbox_sweep(struct control_pidbox *pidbox, size_t *ret_count) KN_MUST_CHECK;

/* Sends a command, replies to which carry the ticket; absent: none are wanted. hostnames: count 0
 * for everybody. *ret_receivers: to how many it went, -1 when that is not known. */
struct control_question_text {
    const char *method, *arguments;
    struct kn_str ticket;
    const struct kn_str *hostnames;
    size_t count;
    int64_t expires_at; /* wall clock; workers pass it over afterwards */
    bool once;          /* it must not arrive twice: an uncertain failure is one */
};
enum kn_status control_pidbox_ask(struct control_pidbox *pidbox,
                                  const struct control_question_text *question,
                                  int64_t *ret_receivers) KN_MUST_CHECK;

/* The next reply. Texts lie in the arena or live until the next call. TIMEOUT;
 * INVALID and so on when a reply can't be read (it is gone then, and the next may
 * be asked for); CLOSED or IO when the connection was lost. */
enum kn_status control_pidbox_reply(struct control_pidbox *pidbox, int64_t timeout_us,
                                    struct kn_arena *arena, struct celery_reply *ret) KN_MUST_CHECK;
/* The content type (or compression) of the last reply that was UNSUPPORTED; "" when there was
 * none. From outside: any UTF-8. */
const char *control_pidbox_unread(const struct control_pidbox *pidbox);
/* The body of that reply, as far as it was received. It comes from outside and must not be decoded.
 * Valid until the next call, or as long as the arena that was given to it. */
struct kn_str control_pidbox_unread_body(const struct control_pidbox *pidbox);
/* Whether the connection is no good any more after such a result. */
bool control_pidbox_lost(enum kn_status status);

#endif
