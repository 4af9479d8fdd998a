/* Asks workers over the broker: sends one question to all or some of them, and returns replies as
 * they arrive. Connects on first use. One thread. */
#ifndef CONTROL_ASK_PIDBOX_H
#define CONTROL_ASK_PIDBOX_H

#include "services/broker/session.h"
#include "services/celery/remote/remote.h"

struct control_pidbox;

/* options must outlive it. */
enum kn_status control_pidbox_new(const struct broker_options *options,
                                  struct control_pidbox **ret) KN_MUST_CHECK;
void control_pidbox_free(struct control_pidbox *pidbox);
/* The last failure, without secrets; "" if none. */
const char *control_pidbox_error(const struct control_pidbox *pidbox);

/* Creates a reply queue with a unique name, and removes it again. lasts_us: maximum time of use. A
 * process that is killed meanwhile leaves the queue behind on Redis, and any control removes it
 * after this time. */
enum kn_status control_pidbox_open(struct control_pidbox *pidbox, int64_t lasts_us) KN_MUST_CHECK;
void control_pidbox_close(struct control_pidbox *pidbox);
/* Removes such leftover queues. */
enum kn_status control_pidbox_sweep(struct control_pidbox *pidbox, size_t *ret_count) KN_MUST_CHECK;

/* Sends a command. Its replies carry the ticket; absent: no replies wanted. hostnames: count 0 for
 * all workers. *ret_receivers: number of receivers, -1 if unknown. */
struct control_question_text {
    const char *method, *arguments;
    struct kn_str ticket;
    const struct kn_str *hostnames;
    size_t count;
    int64_t expires_at; /* wall clock; workers ignore the command afterwards */
    bool once;          /* must not arrive twice: don't retry an uncertain failure */
};
enum kn_status control_pidbox_ask(struct control_pidbox *pidbox,
                                  const struct control_question_text *question,
                                  int64_t *ret_receivers) KN_MUST_CHECK;

/* The next reply. Texts are in the arena or live until the next call. TIMEOUT; INVALID and so on
 * for an unreadable reply, which is skipped, so call again; CLOSED or IO when the connection was
 * lost. */
enum kn_status control_pidbox_reply(struct control_pidbox *pidbox, int64_t timeout_us,
                                    struct kn_arena *arena, struct celery_reply *ret) KN_MUST_CHECK;
/* The content type (or compression) of the last UNSUPPORTED reply; "" if none. Untrusted, any
 * UTF-8. */
const char *control_pidbox_unread(const struct control_pidbox *pidbox);
/* The received part of that reply's body. Untrusted: must not be decoded. Valid until the next
 * call, or as long as the arena passed to it. */
struct kn_str control_pidbox_unread_body(const struct control_pidbox *pidbox);
/* Whether the connection is unusable after this result. */
bool control_pidbox_lost(enum kn_status status);

#endif
