/* The result backends of a broker's workers: the configured one, else those that the
 * workers say they have. Only Redis is asked, and only read.
 *
 * One thread; the findings may be asked for by another one. */
#ifndef CONTROL_FIND_BACKENDS_H
#define CONTROL_FIND_BACKENDS_H

#include "proto/messages.h"
#include "services/broker/broker.h"
#include "services/common/data/arena.h"
#include "services/control/call/call.h"
#include "services/control/find/result_backend.h"

enum { CONTROL_BACKENDS_MAX = 4, CONTROL_BACKENDS_ASK_MAX = 256 };

struct control_backends;

/* The settings are copied; what they point to, and broker, must outlive it. NULL when out of
 * memory. */
struct control_backends *control_backends_new(const struct control_result_settings *settings,
                                              const struct broker_options *broker);
void control_backends_free(struct control_backends *backends);

/* What the workers that are online say: those that nobody names are forgotten. Does
 * nothing when one is configured. */
void control_backends_learn(struct control_backends *backends,
                            const struct kn_msg_worker_list *workers);

/* What the backends have of up to CONTROL_BACKENDS_ASK_MAX tasks: ret[i] is the event
 * that tells the end of ids[i], without its uuid. Without a final state, its type is CUSTOM and
 * type_name the state ("STARTED"), absent when there is nothing. Texts lie in the arena. False when
 * a backend that could know did not answer. */
bool control_backends_ask(struct control_backends *backends, const struct kn_str *ids, size_t count,
                          struct kn_arena *arena, struct kn_msg_event *ret);

/* A backend in which nothing was ever found may be the wrong one: another database, or
 * another prefix of the keys. Whether one is in doubt, and then whether it has any of up
 * to CONTROL_BACKENDS_ASK_MAX tasks that have ended: under the prefix, the prefix as
 * Celery completes it, or none, which it is asked with from then on. */
bool control_backends_in_doubt(const struct control_backends *backends);
void control_backends_probe(struct control_backends *backends, const struct kn_str *ids,
                            size_t count, struct kn_arena *arena);

/* Whether the backend of a worker with this configuration would know a task's end: when it
 * is read and has been right before, or when there is none. If not, the findings say that
 * a task stays unfinished for it. */
bool control_backends_vouch(struct control_backends *backends, struct kn_str conf);

/* What a backend has of one task, as it is: at most max bytes, in the arena. NOT_FOUND;
 * TOO_BIG; UNSUPPORTED when there is no backend that can be asked; or IO and so on, with a
 * sentence in the arena that says why. */
enum kn_status control_backends_value(struct control_backends *backends, struct kn_str id,
                                      size_t max, struct kn_arena *arena, struct kn_str *ret,
                                      struct kn_str *ret_why) KN_MUST_CHECK;

/* The same, asked once for a request: of the configured backend, else those of the workers. At most
 * CONTROL_RESULT_MAX bytes. */
enum { CONTROL_RESULT_MAX = 16 << 20 };
enum kn_status control_result_value(struct control_call *call,
                                    const struct kn_msg_worker_list *workers, struct kn_str id,
                                    struct kn_str *ret, struct kn_str *ret_why) KN_MUST_CHECK;

/* Adds what should be mended to the findings; texts lie in the arena. */
void control_backends_findings(struct control_backends *backends, struct kn_str source,
                               struct kn_arena *arena, struct kn_msg_service_status *status);

#endif
