/* Enumerations used in messages. One table per enumeration defines the C constants and the names in
 * JSON. The numbers are sent on the bus: append, never renumber. */
#ifndef KN_PROTO_ENUMS_H
#define KN_PROTO_ENUMS_H

#include "services/common/text/str.h"

/* Types of Celery's events; the names are Celery's own (celery/events/state.py,
 * TASK_EVENT_TO_STATE, and celery/events/dispatcher.py). CUSTOM is any other type; the message
 * carries its name separately. */
#define KN_EVENT_TYPE_MAP(X)                                                                       \
    X(0, CUSTOM, "custom")                                                                         \
    X(1, TASK_SENT, "task-sent")                                                                   \
    X(2, TASK_RECEIVED, "task-received")                                                           \
    X(3, TASK_STARTED, "task-started")                                                             \
    X(4, TASK_SUCCEEDED, "task-succeeded")                                                         \
    X(5, TASK_FAILED, "task-failed")                                                               \
    X(6, TASK_REJECTED, "task-rejected")                                                           \
    X(7, TASK_REVOKED, "task-revoked")                                                             \
    X(8, TASK_RETRIED, "task-retried")                                                             \
    X(9, WORKER_ONLINE, "worker-online")                                                           \
    X(10, WORKER_HEARTBEAT, "worker-heartbeat")                                                    \
    X(11, WORKER_OFFLINE, "worker-offline")                                                        \
    X(12, TASK_ORPHANED, "task-orphaned") /* ours: Celery never sends it */

#define KN_TASK_STATUS_MAP(X)                                                                      \
    X(0, PENDING, "pending")                                                                       \
    X(1, RECEIVED, "received")                                                                     \
    X(2, STARTED, "started")                                                                       \
    X(3, SUCCESS, "success")                                                                       \
    X(4, FAILURE, "failure")                                                                       \
    X(5, RETRY, "retry")                                                                           \
    X(6, REVOKED, "revoked")                                                                       \
    X(7, REJECTED, "rejected")                                                                     \
    X(8, ORPHANED, "orphaned")

/* What people read in tables of the CLI. The dashboard has the same words in every language's
 * catalogue (frontend/app/texts); its tests compare the English ones with these. */
#define KN_TASK_STATUS_LABEL_MAP(X)                                                                \
    X(PENDING, "Queued")                                                                           \
    X(RECEIVED, "Received")                                                                        \
    X(STARTED, "Running")                                                                          \
    X(SUCCESS, "Succeeded")                                                                        \
    X(FAILURE, "Failed")                                                                           \
    X(RETRY, "Retrying")                                                                           \
    X(REVOKED, "Revoked")                                                                          \
    X(REJECTED, "Rejected")                                                                        \
    X(ORPHANED, "Lost")

/* How a task fares that a retry sent. UNSEEN: no event of it has arrived. */
#define KN_NEW_TASK_MAP(X) KN_TASK_STATUS_MAP(X) X(9, UNSEEN, "unseen")

/* The source of a task's status. */
#define KN_ORIGIN_MAP(X)                                                                           \
    X(0, EVENTS, "events")                                                                         \
    X(1, BACKEND, "backend")                                                                       \
    X(2, WORKER, "worker")                                                                         \
    X(3, BROKER, "broker")

/* UNKNOWN: it was online when Kanchi stopped hearing its broker. */
#define KN_WORKER_STATUS_MAP(X)                                                                    \
    X(0, OFFLINE, "offline")                                                                       \
    X(1, ONLINE, "online")                                                                         \
    X(2, UNKNOWN, "unknown")

/* A change in a worker's life. RESTART: restarted without having gone offline. UNKNOWN: its broker
 * could not be heard from then on. */
#define KN_WORKER_CHANGE_MAP(X)                                                                    \
    X(0, OFFLINE, "offline")                                                                       \
    X(1, ONLINE, "online")                                                                         \
    X(2, RESTART, "restart")                                                                       \
    X(3, UNKNOWN, "unknown")

/* State of one of our services, as reported by the service. AWAY is set by storage when a service
 * has not reported for a while. */
#define KN_SERVICE_STATE_MAP(X)                                                                    \
    X(0, STARTING, "starting")                                                                     \
    X(1, READY, "ready")                                                                           \
    X(2, DEGRADED, "degraded")                                                                     \
    X(3, STOPPING, "stopping")                                                                     \
    X(4, AWAY, "away")

/* State of a connection to a broker. UNKNOWN: nobody can say, as storage does not respond. */
#define KN_LINK_STATE_MAP(X)                                                                       \
    X(0, CONNECTING, "connecting")                                                                 \
    X(1, CONNECTED, "connected")                                                                   \
    X(2, AWAY, "away")                                                                             \
    X(3, UNKNOWN, "unknown")

#define KN_SEVERITY_MAP(X)                                                                         \
    X(0, INFO, "info")                                                                             \
    X(1, WARNING, "warning")                                                                       \
    X(2, ERROR, "error")

/* Actions on tasks, workers, queues and brokers. */
#define KN_VERB_MAP(X)                                                                             \
    X(0, NONE, "none")                                                                             \
    X(1, COMMAND, "command") /* remote control of workers; see its method */                       \
    X(2, RETRY, "retry")                                                                           \
    X(3, APPLY, "apply")                                                                           \
    X(4, REVOKE, "revoke")                                                                         \
    X(5, RESOLVE, "resolve")                                                                       \
    X(6, PURGE, "purge")                                                                           \
    X(7, MOVE, "move")                                                                             \
    X(8, PAUSE, "pause")                                                                           \
    X(9, RESUME, "resume")                                                                         \
    X(10, BULK, "bulk")                                                                            \
    X(11, CANCEL, "cancel")   /* of a bulk job */                                                  \
    X(12, DISMISS, "dismiss") /* an issue of the dashboard */

/* The outcome of an action. UNKNOWN: the process that started it stopped before reporting the
 * outcome, or (with a text) the broker did not confirm a message. Such an action is never
 * repeated. */
#define KN_OUTCOME_MAP(X)                                                                          \
    X(0, UNKNOWN, "unknown")                                                                       \
    X(1, DONE, "done")                                                                             \
    X(2, PARTLY, "partly")                                                                         \
    X(3, REFUSED, "refused") /* nothing was changed */                                             \
    X(4, FAILED, "failed")

/* What a bulk job does to each of its tasks. */
#define KN_JOB_ACTION_MAP(X)                                                                       \
    X(0, RETRY, "retry")                                                                           \
    X(1, REVOKE, "revoke")                                                                         \
    X(2, RESOLVE, "resolve")                                                                       \
    X(3, UNRESOLVE, "unresolve")

/* CANCELLING: no more tasks are started, and some started tasks have not ended. */
#define KN_JOB_STATE_MAP(X)                                                                        \
    X(0, RUNNING, "running")                                                                       \
    X(1, CANCELLING, "cancelling")                                                                 \
    X(2, DONE, "done")                                                                             \
    X(3, CANCELLED, "cancelled")

/* State of one task of a job. REFUSED: nothing was done, and the reason is given. UNCERTAIN: the
 * task was started, but the process that did so is gone; the task is not started again. */
#define KN_ITEM_STATE_MAP(X)                                                                       \
    X(0, WAITING, "waiting")                                                                       \
    X(1, BEGUN, "begun")                                                                           \
    X(2, DONE, "done")                                                                             \
    X(3, REFUSED, "refused")                                                                       \
    X(4, FAILED, "failed")                                                                         \
    X(5, UNCERTAIN, "uncertain")                                                                   \
    X(6, CANCELLED, "cancelled")

/* enumeration in lower case, in upper case */
#define KN_ENUM_MAP(E)                                                                             \
    E(event_type, EVENT_TYPE)                                                                      \
    E(task_status, TASK_STATUS)                                                                    \
    E(origin, ORIGIN)                                                                              \
    E(worker_status, WORKER_STATUS)                                                                \
    E(service_state, SERVICE_STATE)                                                                \
    E(link_state, LINK_STATE)                                                                      \
    E(severity, SEVERITY)                                                                          \
    E(verb, VERB)                                                                                  \
    E(outcome, OUTCOME)                                                                            \
    E(job_action, JOB_ACTION)                                                                      \
    E(job_state, JOB_STATE)                                                                        \
    E(new_task, NEW_TASK)                                                                          \
    E(item_state, ITEM_STATE)                                                                      \
    E(worker_change, WORKER_CHANGE)

#define X(number, name, text) KN_EVENT_##name = number,
enum kn_event_type { KN_EVENT_TYPE_MAP(X) KN_EVENT_TYPE_COUNT };
#undef X
#define X(number, name, text) KN_TASK_##name = number,
enum kn_task_status { KN_TASK_STATUS_MAP(X) KN_TASK_STATUS_COUNT };
#undef X
enum { KN_NEW_TASK_UNSEEN = KN_TASK_STATUS_COUNT, KN_NEW_TASK_COUNT };
#define X(number, name, text) KN_ORIGIN_##name = number,
enum kn_origin { KN_ORIGIN_MAP(X) KN_ORIGIN_COUNT };
#undef X
#define X(number, name, text) KN_WORKER_##name = number,
enum kn_worker_status { KN_WORKER_STATUS_MAP(X) KN_WORKER_STATUS_COUNT };
#undef X
#define X(number, name, text) KN_SERVICE_##name = number,
enum kn_service_state { KN_SERVICE_STATE_MAP(X) KN_SERVICE_STATE_COUNT };
#undef X
#define X(number, name, text) KN_LINK_##name = number,
enum kn_link_state { KN_LINK_STATE_MAP(X) KN_LINK_STATE_COUNT };
#undef X
#define X(number, name, text) KN_SEVERITY_##name = number,
enum kn_severity { KN_SEVERITY_MAP(X) KN_SEVERITY_COUNT };
#undef X
#define X(number, name, text) KN_VERB_##name = number,
enum kn_verb { KN_VERB_MAP(X) KN_VERB_COUNT };
#undef X
#define X(number, name, text) KN_OUTCOME_##name = number,
enum kn_outcome { KN_OUTCOME_MAP(X) KN_OUTCOME_COUNT };
#undef X
#define X(number, name, text) KN_JOB_##name = number,
enum kn_job_action { KN_JOB_ACTION_MAP(X) KN_JOB_ACTION_COUNT };
#undef X
#define X(number, name, text) KN_JOB_IS_##name = number,
enum kn_job_state { KN_JOB_STATE_MAP(X) KN_JOB_STATE_COUNT };
#undef X
#define X(number, name, text) KN_ITEM_##name = number,
enum kn_item_state { KN_ITEM_STATE_MAP(X) KN_ITEM_STATE_COUNT };
#undef X
#define X(number, name, text) KN_WORKER_CHANGE_##name = number,
enum kn_worker_change { KN_WORKER_CHANGE_MAP(X) KN_WORKER_CHANGE_COUNT };
#undef X

/* Names of an enumeration, index is the number. */
struct kn_enum {
    const char *name;
    const char *const *texts;
    unsigned count;
};

#define E(lower, upper) extern const struct kn_enum kn_enum_##lower;
KN_ENUM_MAP(E)
#undef E

/* True if a task has a result, or was rejected or revoked: this call has ended. */
bool kn_task_has_ended(enum kn_task_status status);
/* The same, or the task is considered lost; its end may still arrive. */
bool kn_task_is_over(enum kn_task_status status);
/* "Failed" for "failure", and the other way round in any case; NULL if there is none. Static. */
const char *kn_task_status_label(struct kn_str text);
const char *kn_task_status_of_label(struct kn_str label);
/* "task-sent"; "unknown" for an unknown number. Static. */
const char *kn_enum_text(const struct kn_enum *e, unsigned number);
/* True when *ret was set. */
bool kn_enum_parse(const struct kn_enum *e, struct kn_str text, unsigned *ret);

#endif
