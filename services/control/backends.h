/* The result backends of a broker's workers: the configured one, else those that the
 * workers say they have. Only Redis is asked, and only read.
 *
 * One thread; the findings may be asked for by another one. */
#ifndef CONTROL_BACKENDS_H
#define CONTROL_BACKENDS_H

#include "proto/messages.h"
#include "services/broker/broker.h"
#include "services/common/arena.h"

enum { CONTROL_BACKENDS_MAX = 4, CONTROL_BACKENDS_ASK_MAX = 256 };

struct control_backends;

/* configured: a URL, "" for none; prefix: of the keys. Everything must outlive it.
 * NULL when memory is out. */
struct control_backends *control_backends_new(const char *configured, const char *prefix,
                                              const struct broker_options *broker);
void control_backends_free(struct control_backends *backends);

/* What the workers that are online say: those that nobody names are forgotten. Does
 * nothing when one is configured. */
void control_backends_learn(struct control_backends *backends,
                            const struct kn_msg_worker_list *workers);

/* What the backends have of up to CONTROL_BACKENDS_ASK_MAX tasks: ret[i] is the event
 * that tells the end of ids[i], without its uuid; its type is CUSTOM when there is
 * none. Texts lie in the arena. False when a backend that could know did not answer. */
bool control_backends_ask(struct control_backends *backends, const struct kn_str *ids, size_t count,
                          struct kn_arena *arena, struct kn_msg_event *ret);

/* What a backend has of one task, as it is: at most max bytes, in the arena. NOT_FOUND;
 * TOO_BIG; UNSUPPORTED when there is no backend that can be asked; or IO and so on, with a
 * sentence in the arena that says why. */
enum kn_status control_backends_value(struct control_backends *backends, struct kn_str id,
                                      size_t max, struct kn_arena *arena, struct kn_str *ret,
                                      struct kn_str *ret_why) KN_MUST_CHECK;

/* Adds what should be mended to the findings; texts lie in the arena. */
void control_backends_findings(struct control_backends *backends, struct kn_str source,
                               struct kn_arena *arena, struct kn_msg_service_status *status);

#endif
