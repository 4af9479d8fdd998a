/* The configuration of every service: one YAML file, one table of keys.
 *
 * Each row below is a key: name, type, default, what is allowed, help. From it
 * come the struct, the check of the file, the environment variables, the
 * options, --help and docs/configuration.md. An option goes over the
 * environment, that over the file, that over the default:
 *
 *   ingestion:                          --ingestion.batch_events 500
 *     batch_events: 500                 KANCHI_INGESTION_BATCH_EVENTS=500
 *
 * Types: STR text; PATH a file or folder; URL and SECRET never shown; ENUM one
 * of a set; BOOL; INT; SIZE in bytes ("64MB", powers of 1024); DURATION in
 * microseconds ("500ms", "30d"); ADDRESS "host:port"; LIST of texts.
 * "Allowed" is "least..most" for numbers, "a|b" for ENUM and how a URL may begin.
 * A text that is not set is "", never NULL. */
#ifndef KN_COMMON_CONFIG_H
#define KN_COMMON_CONFIG_H

#include "services/common/arena.h"
#include "services/common/buf.h"
#include "services/common/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* clang-format off */
enum { KN_CONFIG_STEPS_MAX = 16 }; /* entries of priority_steps */

#define KN_CONFIG_TOP(X)                                                                           \
    X(data, PATH, "kanchi-data", "", "Folder for the database, sockets and everything that is kept")

#define KN_CONFIG_BROKER(X)                                                                        \
    X(name, STR, "", "", "Name of the source in every list and filter; `default` for the first")   \
    X(url, URL, "redis://localhost:6379/0",                                                        \
      "redis://|rediss://|redis+socket://|unix://|sentinel://|amqp://|amqps://|pyamqp://",         \
      "Where the broker is, as Celery's `broker_url`")                                             \
    X(url_file, PATH, "", "", "File that holds `url`")                                             \
    X(key_prefix, STR, "", "", "Celery's `global_keyprefix` on Redis")                             \
    X(separator, STR, "", "",                                                                      \
      "Celery's `sep` in `broker_transport_options` on Redis; its default when empty")             \
    X(priority_steps, LIST, "0,3,6,9", "up to 16 numbers from 0 to 255, ascending from 0",         \
      "Celery's `priority_steps` in `broker_transport_options` on Redis")                          \
    X(event_exchange, STR, "celeryev", "", "Celery's `event_exchange`")                            \
    X(control_exchange, STR, "celery", "",                                                         \
      "Celery's `control_exchange`, for remote control: `app1` for `app1.pidbox`")                 \
    X(fanout_prefix, STR, "", "",                                                                  \
      "Celery's `fanout_prefix` in `broker_transport_options` on Redis, where it is a text or "    \
      "`false`; its default when empty")                                                           \
    X(queues, LIST, "", "", "Queues to measure, besides those that are found")                     \
    X(management_url, URL, "", "http://|https://",                                                 \
      "RabbitMQ's management API, for what AMQP can't say")                                        \
    X(management_url_file, PATH, "", "", "File that holds `management_url`")                       \
    X(enable_events, BOOL, "true", "", "Switch task events on in workers that don't send them")    \
    X(result_backend, URL, "", "redis://|rediss://|redis+socket://|unix://|sentinel://",           \
      "Where results are, as Celery's `result_backend`; what workers say when empty")              \
    X(result_backend_file, PATH, "", "", "File that holds `result_backend`")                       \
    X(result_key_prefix, STR, "", "",                                                              \
      "What stands before `celery-task-meta-` in the result backend's keys")                       \
    X(result_backend_tls_ca, PATH, "", "",                                                         \
      "Certificates to trust in the result backend (PEM); the broker's when it is on the same "    \
      "host, otherwise the system's when empty")                                                   \
    X(result_backend_tls_cert, PATH, "", "",                                                       \
      "Our certificate for the result backend (PEM); the broker's when it is on the same host")    \
    X(result_backend_tls_key, PATH, "", "", "Key of `result_backend_tls_cert` (PEM)")              \
    X(tls_ca, PATH, "", "", "Certificates to trust (PEM); the system's when empty")                \
    X(tls_cert, PATH, "", "", "Our certificate (PEM), when the broker asks for one")               \
    X(tls_key, PATH, "", "", "Key of `tls_cert` (PEM)")                                            \
    X(tls_verify, BOOL, "true", "", "Check the broker's certificate and its name")                 \
    X(sentinel_master, STR, "", "", "Name of the master that Redis Sentinel watches")              \
    X(sentinel_tls, ENUM, "same", "same|on|off",                                                   \
      "Whether the sentinels speak TLS: as Redis does (`same`), or other than it")                 \
    X(sentinel_password, SECRET, "", "", "Password of the sentinels")                              \
    X(sentinel_password_file, PATH, "", "", "File that holds `sentinel_password`")

#define KN_CONFIG_INGESTION(X)                                                                     \
    X(source, STR, "", "", "Name of the broker to read, when there are several")                   \
    X(batch_events, INT, "5000", "1..100000", "A batch is sent when it holds so many events")      \
    X(batch_age, DURATION, "200ms", "1ms..10s", "…or when its first event is so old")               \
    X(memory_max, SIZE, "512MB", "1MB..64GB", "Most memory for what storage has not yet taken")     \
    X(event_max, SIZE, "32MB", "1KB..1GB", "Largest message from the broker that is read")         \
    X(queue_interval, DURATION, "5s", "100ms..1h", "How often the depth of queues is measured")    \
    X(inflight, INT, "4", "1..64", "Batches that may wait for storage's answer at once")           \
    X(instance, STR, "", "",                                                                       \
      "Name of our own queue on RabbitMQ; from the host and the data folder when empty. auto: "    \
      "several share the data folder, each takes the first number that is free")                   \
    X(queue_max, SIZE, "1GB", "0B..64TB",                                                          \
      "RabbitMQ: most that our own queue holds, the oldest messages go first; 0 for no limit")     \
    X(queue_age, DURATION, "1d", "0s..365d",                                                       \
      "RabbitMQ: messages in our own queue that are older go; 0 for never")                        \
    X(spool, PATH, "", "",                                                                         \
      "Folder for what storage has not yet taken; `spool/<source>` in the data folder when empty") \
    X(spool_max, SIZE, "1GB", "0B..64TB", "Most that the spool holds; 0 for none")                 \
    X(spool_age, DURATION, "7d", "0s..3650d", "Events that are older are given up; 0 for never")   \
    X(spool_after, DURATION, "250ms", "0s..10m",                                                   \
      "What storage has not answered for so long is written to the spool")                         \
    X(spool_fsync, ENUM, "everysec", "never|everysec|always",                                      \
      "When what was written is brought to the disk; with `always` before RabbitMQ hears of it")

#define KN_CONFIG_STORAGE(X)                                                                       \
    X(database, URL, "", "sqlite:|postgresql://|postgres://",                                      \
      "`postgresql://…`, or `sqlite:/path`; empty for `kanchi.db` in the data folder")             \
    X(database_file, PATH, "", "", "File that holds `database`")                                   \
    X(database_wait, DURATION, "0s", "0s..1d",                                                     \
      "How long a PostgreSQL that does not answer is awaited at the start")                        \
    X(retention_tasks, DURATION, "30d", "0s..36500d", "How long tasks are kept; 0 for ever")       \
    X(retention_events, DURATION, "30d", "0s..36500d",                                             \
      "How long the events of a task are kept; 0 for ever")                                        \
    X(retention_rollups, DURATION, "365d", "0s..36500d",                                           \
      "How long the counts per minute are kept; 0 for ever")                                       \
    X(retention_workers, DURATION, "3d", "0s..36500d",                                             \
      "How long workers that are offline are kept; 0 for ever")                                    \
    X(retention_queues, DURATION, "1d", "0s..36500d",                                              \
      "How long the history of a queue is kept that the broker no longer has; 0 for ever")         \
    X(readers, INT, "4", "1..64", "Threads that answer queries")                                   \
    X(feed_keep, INT, "10000", "100..10000000", "Changes kept for readers that missed some")       \
    X(jobs_tasks_max, INT, "100000", "1..1000000", "Most tasks of one bulk job")                   \
    X(jobs_rate, INT, "20", "1..10000",                                                            \
      "Tasks a second of a bulk job that says nothing else; marks as resolved go faster")          \
    X(jobs_rate_max, INT, "1000", "1..10000", "Most tasks a second of any bulk job")               \
    X(feed, STR, "main", "",                                                                       \
      "Name of this process's numbering of changes, when several share a PostgreSQL database")

#define KN_CONFIG_AGGREGATION(X)                                                                   \
    X(interval, DURATION, "1s", "100ms..1m", "How often the figures are published")                \
    X(rollup_interval, DURATION, "5s", "100ms..5m",                                              \
      "How often rollups are sent to storage; less often, up to a minute, when that is much work") \
    X(worker_missed, INT, "3", "1..100",                                                           \
      "A worker is offline when so many of its heartbeats are missing")                            \
    X(worker_timeout, DURATION, "15s", "1s..1d",                                                   \
      "…and at least this long has passed since the last one")                                     \
    X(window, DURATION, "5m", "10s..1h", "Period of the live figures")                             \
    X(rows_max, INT, "100000", "100..1000000", "Rollups are sent when there are so many rows")     \
    X(memory_max, SIZE, "32MB", "1MB..1GB", "…or when they take so much memory")                   \
    X(workers_max, INT, "10000", "10..1000000", "Most workers that are watched")                   \
    X(queues_max, INT, "10000", "10..1000000", "Most queues whose depth is known")

#define KN_CONFIG_CONTROL(X)                                                                       \
    X(source, STR, "", "", "Name of the broker to serve, when there are several")                  \
    X(interval, DURATION, "60s", "1s..1d", "How often workers are asked about themselves")         \
    X(reply_timeout, DURATION, "3s", "100ms..1m", "How long replies of workers are awaited")       \
    X(reply_max, SIZE, "4MB", "1KB..256MB", "Largest reply that is read")                          \
    X(workers_max, INT, "10000", "10..1000000", "Most workers that are asked about")               \
    X(memory_max, SIZE, "64MB", "1MB..4GB", "Most memory for replies that are read together")      \
    X(look_into_queues, BOOL, "true", "",                                                          \
      "Look at what waits in a Redis, so that tasks are known without `task-sent`")                \
    X(reconcile, BOOL, "true", "", "Ask about tasks that stay unfinished")                         \
    X(reconcile_after, DURATION, "10s", "100ms..1d",                                               \
      "…when nothing was heard of one for so long, and for twice as long as its name's tasks take") \
    X(reconcile_rate, INT, "200", "1..10000", "Most questions a second, each about one task")      \
    X(reconcile_tasks_max, INT, "100000", "100..10000000",                                         \
      "Most tasks of which is known when they were asked about")                                   \
    X(look_max, INT, "100000", "100..10000000",                                                    \
      "Most waiting messages that are looked at to find that of one task")                         \
    X(retry_from_repr, BOOL, "true", "",                                                           \
      "Retry with arguments out of events; not where clients put an argsrepr of their own there")

#define KN_CONFIG_GATEWAY(X)                                                                       \
    X(listen, ADDRESS, "127.0.0.1:8080", "", "Address and port of HTTP")                           \
    X(threads, INT, "64", "2..4096", "Requests answered at once; as many again may wait")          \
    X(connections_max, INT, "1024", "16..65536",                                                   \
      "Maximum number of connections besides WebSocket clients; at the limit, the oldest idle "    \
      "one is closed")                                                                             \
    X(ws_clients_max, INT, "48", "1..4000", "Maximum number of WebSocket clients")                 \
    X(ws_queue_max, SIZE, "1MB", "64KB..256MB", "Most that may wait for one WebSocket client")     \
    X(query_timeout, DURATION, "10s", "100ms..5m", "How long storage's answer is awaited")         \
    X(actions, ENUM, "auto", "auto|on|off",                                                        \
      "Whether people may act (retry, revoke, purge …); `auto`: only when it listens on loopback") \
    X(user_header, STR, "", "",                                                                    \
      "Header in which a proxy says who asks, such as `X-Forwarded-User`, for the audit")          \
    X(static_dir, PATH, "", "", "The dashboard's files; found beside the program when empty")      \
    X(url_prefix, PREFIX, "", "",                                                                  \
      "Path under which a proxy serves Kanchi, such as `/kanchi`; a proxy may also send it as "    \
      "`X-Forwarded-Prefix`")                                                                      \
    X(allowed_hosts, STR, "", "",                                                                  \
      "Names under which people reach it, with commas between; empty: local ones on loopback, "    \
      "else any")

#define KN_CONFIG_BUS(X)                                                                           \
    X(storage, STR, "", "", "Where storage answers; `ipc://` in the data folder when empty")       \
    X(storage_feed, STR, "", "", "Where storage publishes its changes")                            \
    X(metrics, STR, "", "", "Where aggregation publishes the figures")                             \
    X(control, STR, "", "", "Where control answers; `{source}` stands for the broker's name")      \
    X(insecure, BOOL, "false", "", "Allow `tcp://` beyond loopback, in the clear")                 \
    X(ca, PATH, "", "", "Certificates to trust on `tls+tcp://` (PEM)")                             \
    X(cert, PATH, "", "", "Our certificate on `tls+tcp://` (PEM)")                                 \
    X(key, PATH, "", "", "Key of `cert` (PEM)")                                                    \
    X(message_max, SIZE, "64MB", "1MB..1GB", "Largest message that is read from the bus")          \
    X(request_timeout, DURATION, "10s", "100ms..5m", "How long an answer is awaited")

#define KN_CONFIG_HEALTH(X)                                                                        \
    X(listen, ADDRESS, "", "",                                                                     \
      "Address and port of `/healthz`, `/readyz` and `/metrics` of a service; none when empty, "   \
      "nor under `kanchi up`")

#define KN_CONFIG_LOG(X)                                                                           \
    X(level, ENUM, "info", "debug|info|warn|error|off", "Least important lines that are written")  \
    X(format, ENUM, "text", "text|json", "Form of the lines")                                     \
    X(output, ENUM, "stderr", "stderr|stdout", "Where they go")

/* name, table, help */
#define KN_CONFIG_SECTIONS(X)                                                                      \
    X(ingestion, KN_CONFIG_INGESTION, "Reads events from a broker")                                \
    X(storage, KN_CONFIG_STORAGE, "Keeps everything, alone talks to the database")                 \
    X(aggregation, KN_CONFIG_AGGREGATION, "Counts, percentiles and which workers live")            \
    X(control, KN_CONFIG_CONTROL, "Asks and commands workers")                                     \
    X(gateway, KN_CONFIG_GATEWAY, "REST, WebSocket and the dashboard")                             \
    X(bus, KN_CONFIG_BUS, "How the services reach each other")                                     \
    X(health, KN_CONFIG_HEALTH, "How a service that runs alone is, for whoever supervises it")     \
    X(log, KN_CONFIG_LOG, "What the services write about themselves")
/* clang-format on */

/* Texts are in the order of the configuration; owned by struct kn_config. */
struct kn_config_list {
    const char **items;
    size_t count;
};

#define KN_CONFIG_C_STR const char *
#define KN_CONFIG_C_PATH const char *
#define KN_CONFIG_C_URL const char *
#define KN_CONFIG_C_SECRET const char *
#define KN_CONFIG_C_ENUM const char *
#define KN_CONFIG_C_ADDRESS const char *
#define KN_CONFIG_C_BOOL bool
#define KN_CONFIG_C_INT int64_t
#define KN_CONFIG_C_SIZE int64_t
#define KN_CONFIG_C_DURATION int64_t
#define KN_CONFIG_C_LIST struct kn_config_list
#define KN_CONFIG_C_PREFIX const char *

#define KN_CONFIG_FIELD(name, type, fallback, allowed, help) KN_CONFIG_C_##type name;

struct kn_config_broker {
    KN_CONFIG_BROKER(KN_CONFIG_FIELD)
};
#define KN_CONFIG_STRUCT(name, table, help)                                                        \
    struct kn_config_##name {                                                                      \
        table(KN_CONFIG_FIELD)                                                                     \
    };
KN_CONFIG_SECTIONS(KN_CONFIG_STRUCT)
#undef KN_CONFIG_STRUCT

#define KN_CONFIG_MEMBER(name, table, help) struct kn_config_##name name;
struct kn_config {
    KN_CONFIG_TOP(KN_CONFIG_FIELD)
    KN_CONFIG_SECTIONS(KN_CONFIG_MEMBER)
    struct kn_config_broker *brokers; /* at least one after kn_config_load */
    size_t n_brokers;
    const char *file;     /* "" when there is none */
    bool file_has_secret; /* a password, in a setting or in a URL */
    size_t n_foreign;     /* variables that Kubernetes or Docker made; they are ignored */
    bool help;            /* --help was given: nothing else is checked then */
    bool version;         /* --version was given: likewise */
    struct kn_arena arena;
};
#undef KN_CONFIG_MEMBER

/* Where a configuration comes from. argv without the program's name. */
struct kn_config_from {
    const char *const *argv;
    size_t argc;
    const char *const *env; /* as environ; NULL for none */
};

/* Loads and checks everything; paths and bus addresses are resolved. CONFIG:
 * ret_error has one sentence that names place, key, what is wrong and what is
 * allowed, and config is empty. config must be freed with kn_config_fini in
 * either case. Opens only the files that are named; makes nothing. */
enum kn_status kn_config_load(struct kn_config *config, const struct kn_config_from *from,
                              struct kn_buf *ret_error) KN_MUST_CHECK;
void kn_config_fini(struct kn_config *config);

/* The broker that a service is for: the one named source, or the only one when
 * source is "". CONFIG with a sentence in ret_error otherwise. */
enum kn_status kn_config_broker(const struct kn_config *config, const char *source,
                                const struct kn_config_broker **ret,
                                struct kn_buf *ret_error) KN_MUST_CHECK;

/* Whether a broker may have this name. */
enum { KN_SOURCE_MAX = 64 };
bool kn_config_is_source(struct kn_str name);

/* bus.control with the source's name in it. Owned by config. NULL: out of memory. */
const char *kn_config_control_address(struct kn_config *config, const char *source);

/* "[::1]:8080" -> "::1", 8080. ret_host has room for size bytes. */
bool kn_config_split_address(const char *address, char *ret_host, size_t size, int *ret_port);

/* The whole configuration as YAML, secrets too: to hand to another service. */
void kn_config_write_yaml(const struct kn_config *config, struct kn_buf *ret);

/* --help's list of options, and docs/configuration.md. */
void kn_config_help(struct kn_buf *ret);
void kn_config_markdown(struct kn_buf *ret);

#endif
