/* The result backends of a broker's workers: the configured one, else those in the workers'
 * configuration. Only Redis is supported, and it is only read.
 *
 * One thread; another thread may get the findings. */
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

/* Updates the backends from the online workers, and forgets those no longer named. Does nothing
 * when a backend is configured. */
void control_backends_learn(struct control_backends *backends,
                            const struct kn_msg_worker_list *workers);

/* Looks up at most CONTROL_BACKENDS_ASK_MAX tasks in the backends: ret[i] is the event that reports
 * the end of ids[i], without its uuid. Without a final state, its type is CUSTOM and type_name is
 * the state ("STARTED"), absent if there is no data. Texts are in the arena. False when a backend
 * that may have the data did not answer. */
bool control_backends_ask(struct control_backends *backends, const struct kn_str *ids, size_t count,
                          struct kn_arena *arena, struct kn_msg_event *ret);

/* A backend in which nothing was ever found may be the wrong one: another database, or another key
 * prefix. The first function returns whether a backend is in doubt. The second checks whether it
 * has any of at most CONTROL_BACKENDS_ASK_MAX ended tasks: with the prefix, with the prefix as
 * Celery completes it, or without. The one that works is used from then on. */
bool control_backends_in_doubt(const struct control_backends *backends);
void control_backends_probe(struct control_backends *backends, const struct kn_str *ids,
                            size_t count, struct kn_arena *arena);

/* Whether the backend of a worker with this configuration is reliable about a task's end: it can be
 * read and was right before, or there is no backend. If not, the findings report that a task stays
 * unfinished because of it. */
bool control_backends_vouch(struct control_backends *backends, struct kn_str conf);

/* A backend's data of one task, unchanged: at most max bytes, in the arena. NOT_FOUND; TOO_BIG;
 * UNSUPPORTED when no backend can be read; or IO and so on, with a sentence in the arena that says
 * why. */
enum kn_status control_backends_value(struct control_backends *backends, struct kn_str id,
                                      size_t max, struct kn_arena *arena, struct kn_str *ret,
                                      struct kn_str *ret_why) KN_MUST_CHECK;

/* The same for a single request: from the configured backend, else from those of the workers. At
 * most CONTROL_RESULT_MAX bytes. */
enum { CONTROL_RESULT_MAX = 16 << 20 };
enum kn_status control_result_value(struct control_call *call,
                                    const struct kn_msg_worker_list *workers, struct kn_str id,
                                    struct kn_str *ret, struct kn_str *ret_why) KN_MUST_CHECK;

/* Adds problems to the findings; texts are in the arena. */
void control_backends_findings(struct control_backends *backends, struct kn_str source,
                               struct kn_arena *arena, struct kn_msg_service_status *status);

#endif
