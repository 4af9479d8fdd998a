/* Remote control of workers: the messages of kombu's pidbox, as Celery uses it
 * (kombu/pidbox.py, celery/app/control.py, celery/worker/control.py; the same in
 * Celery 4.4, 5.2 and 5.6). Builds and reads messages; sends nothing.
 *
 * Names, with namespace = control_exchange of Celery's configuration, "celery":
 *   commands  exchange <ns>.pidbox, type fanout, not durable, routing key ""
 *   replies   exchange reply.<ns>.pidbox, type direct, not durable
 *             queue <oid>.reply.<ns>.pidbox, bound with routing key <oid>;
 *             auto-delete and exclusive, expires after 10 s without a reader
 *   oid       any unique text (kombu uses a UUID) */
#ifndef KN_CELERY_REMOTE_REMOTE_H
#define KN_CELERY_REMOTE_REMOTE_H

#include "proto/messages.h"
#include "services/celery/event/envelope.h"
#include "services/common/data/arena.h"
#include "services/common/text/buf.h"

#define CELERY_CONTROL_NAMESPACE "celery"

/* Each appends one name to out. */
void celery_remote_exchange(struct kn_buf *out, struct kn_str ns);
void celery_remote_reply_exchange(struct kn_buf *out, struct kn_str ns);
void celery_remote_reply_queue(struct kn_buf *out, struct kn_str ns, struct kn_str oid);

/* A command. Texts belong to the caller. */
struct celery_command {
    struct kn_str ns;                  /* absent: "celery" */
    struct kn_str method;              /* "stats", "enable_events", "revoke" … */
    struct kn_str arguments;           /* a JSON object; absent: {} */
    const struct kn_str *destinations; /* hostnames; none: every worker */
    size_t destination_count;
    struct kn_str pattern; /* hostnames that match; absent: all */
    struct kn_str matcher; /* "glob" or "pcre", with a pattern */
    struct kn_str ticket;  /* identifies the command in its replies; absent: no reply wanted */
    struct kn_str oid;     /* with a ticket: routing key of the replies */
    uint64_t clock;        /* Lamport clock of the header; may be 0 */
    int64_t expires_us;    /* header "expires", wall clock; 0: never */
};

/* The body: JSON, content type "application/json", encoding "utf-8", delivery
 * mode 2 as kombu does, headers {"clock": clock, "expires": seconds}. */
void celery_command_body(struct kn_buf *out, const struct celery_command *command);
/* Headers as a JSON object. A sender on RabbitMQ may instead set the headers clock
 * (integer) and expires (double, seconds) itself. */
void celery_command_headers(struct kn_buf *out, const struct celery_command *command);
/* Body and headers as kombu's envelope, for PUBLISH on Redis. delivery_tag: any
 * unique text. */
void celery_command_envelope(struct kn_buf *out, const struct celery_command *command,
                             struct kn_str delivery_tag);

/* A reply of one worker, as compact JSON. An error in the worker is the object
 * {"error": "…"}. */
struct celery_reply {
    struct kn_str hostname;
    struct kn_str ticket; /* absent when the message has none */
    struct kn_str value;  /* JSON */
    bool failed;          /* value is an object with "error" */
};

/* Reads a reply, {hostname: value}. JSON or msgpack (a worker answers with its
 * task_serializer); other serializers are UNSUPPORTED. Texts point into the
 * message or lie in the arena. INVALID, TOO_DEEP, NOMEM as usual; even then the ticket
 * is set. */
enum kn_status celery_reply_decode(const struct celery_message *message, struct kn_arena *arena,
                                   struct celery_reply *ret_reply) KN_MUST_CHECK;

/* Read replies about a worker. Each sets its fields of inspect and leaves the others
 * unchanged, also if a member is missing or of another type; texts lie in the arena.
 * value is celery_reply.value. INVALID: the value is an error, or not what the query
 * returns. NOMEM.
 *
 * stats: pool, concurrency, prefetch, pid, uptime, cpu_seconds (user and system
 *   time of the worker, without its pool processes, because it counts only itself),
 *   memory_mb (rusage's maxrss: the peak), stats.
 * active_queues: queues, has_queues, active_queues.
 * registered: registered (names without the suffix in brackets), has_registered.
 * conf: conf, and events_enabled from worker_send_task_events. A worker started
 *   with -E reports false there, and events may have been enabled or disabled since:
 *   it is set to 1, never to 0. Only the reply to enable_events is certain:
 *   {"ok": "task events already enabled"} or {"ok": "task events enabled"}.
 *   conf has only settings that differ from the defaults, unless the query has the
 *   arguments {"with_defaults": true}. */
enum kn_status celery_inspect_stats(struct kn_str value, struct kn_arena *arena,
                                    struct kn_msg_worker_inspect *inspect) KN_MUST_CHECK;
enum kn_status celery_inspect_active_queues(struct kn_str value, struct kn_arena *arena,
                                            struct kn_msg_worker_inspect *inspect) KN_MUST_CHECK;
enum kn_status celery_inspect_registered(struct kn_str value, struct kn_arena *arena,
                                         struct kn_msg_worker_inspect *inspect) KN_MUST_CHECK;
enum kn_status celery_inspect_conf(struct kn_str value, struct kn_arena *arena,
                                   struct kn_msg_worker_inspect *inspect) KN_MUST_CHECK;

/* Read replies about tasks.
 *
 * query_task {"ids": […]}: those of these tasks that the worker has, except tasks
 *   waiting for their eta or for a rate limit: {"<id>": ["active", {…}]}.
 * active {"safe": true}: running tasks, [{"id": …}, …]; reserved: those that wait
 *   for a process; scheduled: those that wait for their eta or a rate limit,
 *   [{"eta": …, "request": {"id": …}}, …]. Arguments are Python's repr (active, and older
 *   versions), or the JSON of which it is made here.
 * registered {"taskinfoitems": ["rate_limit"]}: a rate-limited task is listed as "name
 *   [rate_limit=10/m]". */
struct celery_held_task {
    struct kn_str id;
    struct kn_str name, args_repr, kwargs_repr; /* absent: unknown; never from query_task */
    bool active;
    int64_t started_at; /* wall clock of the worker; 0: unknown */
    int64_t eta;        /* 0: none */
};
struct celery_held_tasks {
    struct celery_held_task *items;
    size_t count;
};
enum kn_status celery_inspect_query_task(struct kn_str value, struct kn_arena *arena,
                                         struct celery_held_tasks *ret) KN_MUST_CHECK;
/* active, reserved and scheduled. */
enum kn_status celery_inspect_tasks(struct kn_str value, struct kn_arena *arena,
                                    struct celery_held_tasks *ret) KN_MUST_CHECK;
enum kn_status celery_inspect_rate_limited(struct kn_str value, struct kn_arena *arena,
                                           struct kn_strs *ret_names) KN_MUST_CHECK;

#endif
