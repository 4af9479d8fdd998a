/* The configuration of every service: one YAML file, one table of keys.
 *
 * Each row below is a key: name, type, default, allowed values, help. The struct,
 * the file check, the environment variables, the options, --help and
 * docs/configuration.md are generated from it. Options take precedence over the
 * environment, the environment over the file, and the file over defaults:
 *
 *   ingestion:                          --ingestion.batch_events 500
 *     batch_events: 500                 KANCHI_INGESTION_BATCH_EVENTS=500
 *
 * Types: STR string; PATH a file or folder; URL and SECRET never shown; ENUM one
 * of a set; BOOL; INT; SIZE in bytes ("64MB", powers of 1024); DURATION in
 * microseconds ("500ms", "30d"); ADDRESS "host:port"; LIST of strings.
 * Allowed values are "min..max" for numbers, "a|b" for ENUM and URL schemes.
 * An unset string is "", never NULL. */
#ifndef KN_COMMON_CONFIG_CONFIG_H
#define KN_COMMON_CONFIG_CONFIG_H

#include "services/common/data/arena.h"
#include "services/common/status.h"
#include "services/common/text/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* clang-format off */
enum { KN_CONFIG_STEPS_MAX = 16 }; /* entries of priority_steps */

#define KN_CONFIG_TOP(X)                                                                           \
    X(data, PATH, "kanchi-data", "", "Folder for the database, sockets and all other data")

#define KN_CONFIG_BROKER(X)                                                                        \
    X(name, STR, "", "", "Name of the broker in lists and filters; default: `default` for the first")       \
    X(url, URL, "redis://localhost:6379/0",                                                        \
      "redis://|rediss://|redis+socket://|unix://|sentinel://|amqp://|amqps://|pyamqp://",         \
      "Address of the broker, as in Celery's `broker_url`")                                             \
    X(url_file, PATH, "", "", "File that holds `url`")                                             \
    X(key_prefix, STR, "", "", "Celery's `global_keyprefix` on Redis")                             \
    X(separator, STR, "", "",                                                                      \
      "Celery's `sep` in `broker_transport_options` on Redis; empty: Celery's default")            \
    X(priority_steps, LIST, "0,3,6,9", "up to 16 numbers from 0 to 255, ascending from 0",         \
      "Celery's `priority_steps` in `broker_transport_options` on Redis")                          \
    X(event_exchange, STR, "celeryev", "", "Celery's `event_exchange`")                            \
    X(control_exchange, STR, "celery", "",                                                         \
      "Celery's `control_exchange`, for remote control: `app1` for `app1.pidbox`")                 \
    X(fanout_prefix, STR, "", "",                                                                  \
      "Celery's `fanout_prefix` in `broker_transport_options` on Redis, if it is a string or "     \
      "`false`; empty: Celery's default")                                                          \
    X(queues, LIST, "", "", "Queues to measure, in addition to those that Kanchi finds")           \
    X(management_url, URL, "", "http://|https://",                                                 \
      "RabbitMQ's management API, for data that AMQP does not provide")                            \
    X(management_url_file, PATH, "", "", "File that holds `management_url`")                       \
    X(enable_events, BOOL, "true", "", "Enable task events in workers that don't send them")       \
    X(result_backend, URL, "", "redis://|rediss://|redis+socket://|unix://|sentinel://",           \
      "Address of results, as in Celery's `result_backend`; empty: as workers report it")          \
    X(result_backend_file, PATH, "", "", "File that holds `result_backend`")                       \
    X(result_key_prefix, STR, "", "",                                                              \
      "Prefix of `celery-task-meta-` in the result backend's keys")                                \
    X(result_backend_tls_ca, PATH, "", "",                                                         \
      "CA certificates for the result backend (PEM); empty: the broker's if it is on "             \
      "the same host, otherwise the system's")                                                     \
    X(result_backend_tls_cert, PATH, "", "",                                                       \
      "Client certificate for the result backend (PEM); empty: the broker's if it is on "          \
      "the same host")                                                                             \
    X(result_backend_tls_key, PATH, "", "", "Key of `result_backend_tls_cert` (PEM)")              \
    X(tls_ca, PATH, "", "", "CA certificates (PEM); empty: the system's")                          \
    X(tls_cert, PATH, "", "", "Client certificate (PEM), if the broker requires one")              \
    X(tls_key, PATH, "", "", "Key of `tls_cert` (PEM)")                                            \
    X(tls_verify, BOOL, "true", "", "Verify the broker's certificate and host name")               \
    X(sentinel_master, STR, "", "", "Name of the master in Redis Sentinel")                        \
    X(sentinel_tls, ENUM, "same", "same|on|off",                                                   \
      "TLS for connections to Sentinel; `same`: as for Redis")                                     \
    X(sentinel_password, SECRET, "", "", "Password of the sentinels")                              \
    X(sentinel_password_file, PATH, "", "", "File that holds `sentinel_password`")

#define KN_CONFIG_INGESTION(X)                                                                     \
    X(source, STR, "", "", "Name of the broker to read, if there are several")                     \
    X(batch_events, INT, "5000", "1..100000", "Send a batch once it holds this many events")       \
    X(batch_age, DURATION, "200ms", "1ms..10s", "Send a batch once its first event is this old")   \
    X(memory_max, SIZE, "512MB", "1MB..64GB",                                                      \
      "Maximum memory for events that storage has not yet accepted")                               \
    X(event_max, SIZE, "32MB", "1KB..1GB", "Maximum size of a message from the broker")            \
    X(queue_interval, DURATION, "5s", "100ms..1h", "Interval between measurements of queue depths") \
    X(inflight, INT, "4", "1..64", "Maximum number of batches waiting for storage")                \
    X(instance, STR, "", "",                                                                       \
      "Name of Kanchi's own queue on RabbitMQ; empty: derived from the host and the data "         \
      "folder; `auto`: the first free number, for several processes with one data folder")         \
    X(queue_max, SIZE, "1GB", "0B..64TB",                                                          \
      "RabbitMQ: maximum size of Kanchi's own queue; at the limit the oldest messages are "        \
      "dropped; 0: no limit")                                                                      \
    X(queue_age, DURATION, "1d", "0s..365d",                                                       \
      "RabbitMQ: lifetime of messages in Kanchi's own queue; 0: no limit")                         \
    X(spool, PATH, "", "",                                                                         \
      "Folder for events that storage has not yet accepted; empty: `spool/<source>` in the "       \
      "data folder")                                                                               \
    X(spool_max, SIZE, "1GB", "0B..64TB", "Maximum size of the spool; 0: no spool")                \
    X(spool_age, DURATION, "7d", "0s..3650d", "Lifetime of events in the spool; 0: no limit")      \
    X(spool_after, DURATION, "250ms", "0s..10m",                                                   \
      "Write events to the spool if storage has not accepted them within this time")               \
    X(spool_fsync, ENUM, "everysec", "never|everysec|always",                                      \
      "When to sync the spool to disk; `always`: before events are acknowledged to "               \
      "RabbitMQ")

#define KN_CONFIG_STORAGE(X)                                                                       \
    X(database, URL, "", "sqlite:|postgresql://|postgres://",                                      \
      "`postgresql://…` or `sqlite:/path`; empty: `kanchi.db` in the data folder")                 \
    X(database_file, PATH, "", "", "File that holds `database`")                                   \
    X(database_wait, DURATION, "0s", "0s..1d",                                                     \
      "Time to wait for PostgreSQL to become available at startup")                                \
    X(retention_tasks, DURATION, "30d", "0s..36500d", "Time to keep tasks; 0: forever")            \
    X(retention_events, DURATION, "30d", "0s..36500d",                                             \
      "Time to keep the events of a task; 0: forever")                                             \
    X(retention_rollups, DURATION, "365d", "0s..36500d",                                           \
      "Time to keep the counts per minute; 0: forever")                                            \
    X(retention_workers, DURATION, "3d", "0s..36500d",                                             \
      "Time to keep offline workers; 0: forever")                                                  \
    X(retention_queues, DURATION, "1d", "0s..36500d",                                              \
      "Time to keep the history of a deleted queue; 0: forever")                                   \
    X(readers, INT, "4", "1..64", "Number of threads that answer queries")                         \
    X(feed_keep, INT, "10000", "100..10000000", "Number of changes kept for readers that missed some") \
    X(jobs_tasks_max, INT, "100000", "1..1000000", "Maximum number of tasks in a bulk job")        \
    X(jobs_rate, INT, "20", "1..10000",                                                            \
      "Default rate of a bulk job in tasks per second; resolving is faster")                       \
    X(jobs_rate_max, INT, "1000", "1..10000", "Maximum rate of a bulk job in tasks per second")    \
    X(feed, STR, "main", "",                                                                       \
      "Name of this process's change feed, if several processes share a PostgreSQL "               \
      "database")

#define KN_CONFIG_AGGREGATION(X)                                                                   \
    X(interval, DURATION, "1s", "100ms..1m", "Interval between live figures")                      \
    X(rollup_interval, DURATION, "5s", "100ms..5m",                                                \
      "Interval between sending rollups to storage; longer under load, up to one minute")          \
    X(worker_missed, INT, "3", "1..100", "A worker is offline after missing this many heartbeats") \
    X(worker_timeout, DURATION, "15s", "1s..1d", "Minimum silence before a worker is offline")        \
    X(window, DURATION, "5m", "10s..1h", "Period of the live figures")                             \
    X(rows_max, INT, "100000", "100..1000000", "Send rollups once there are this many rows")       \
    X(memory_max, SIZE, "32MB", "1MB..1GB", "Send rollups once they use this much memory")           \
    X(workers_max, INT, "10000", "10..1000000", "Maximum number of workers tracked")               \
    X(queues_max, INT, "10000", "10..1000000", "Maximum number of queues tracked")

#define KN_CONFIG_CONTROL(X)                                                                       \
    X(source, STR, "", "", "Name of the broker to serve, if there are several")                    \
    X(interval, DURATION, "60s", "1s..1d", "Interval between inspections of the workers")          \
    X(reply_timeout, DURATION, "3s", "100ms..1m", "Time to wait for workers' replies")             \
    X(reply_max, SIZE, "4MB", "1KB..256MB", "Maximum size of a worker's reply")                    \
    X(workers_max, INT, "10000", "10..1000000", "Maximum number of workers to query")              \
    X(memory_max, SIZE, "64MB", "1MB..4GB", "Maximum memory for the replies to one query")         \
    X(look_into_queues, BOOL, "true", "",                                                          \
      "Read waiting messages on Redis, to show queued tasks without `task-sent` events")           \
    X(reconcile, BOOL, "true", "", "Check the state of unfinished tasks")                          \
    X(reconcile_after, DURATION, "10s", "100ms..1d",                                               \
      "Idle time before a task is checked; at least twice its usual runtime")                      \
    X(reconcile_rate, INT, "200", "1..10000", "Maximum checks per second, each of one task")       \
    X(reconcile_tasks_max, INT, "100000", "100..10000000",                                         \
      "Maximum number of tasks whose last check is remembered")                                    \
    X(look_max, INT, "100000", "100..10000000",                                                    \
      "Maximum number of waiting messages searched for one task's message")                        \
    X(retry_from_repr, BOOL, "true", "",                                                           \
      "Allow retries with arguments from events; disable if clients set `argsrepr`")

#define KN_CONFIG_GATEWAY(X)                                                                       \
    X(listen, ADDRESS, "127.0.0.1:8080", "", "Address and port of the HTTP server")                \
    X(threads, INT, "64", "2..4096", "Number of requests processed concurrently; the same number may wait") \
    X(connections_max, INT, "1024", "16..65536",                                                   \
      "Maximum number of connections, not counting WebSocket clients; at the limit, the oldest "         \
      "idle connection is closed")                                                                 \
    X(ws_clients_max, INT, "48", "1..4000", "Maximum number of WebSocket clients")                 \
    X(ws_queue_max, SIZE, "1MB", "64KB..256MB", "Maximum data waiting for one WebSocket client")   \
    X(memory_max, SIZE, "192MB", "16MB..64GB",                                                     \
      "Maximum memory for responses in progress; above it, requests are refused")                  \
    X(query_timeout, DURATION, "10s", "100ms..5m", "Time to wait for storage")                     \
    X(actions, ENUM, "auto", "auto|on|off",                                                        \
      "Allow actions such as retry, revoke and purge; `auto`: only if the gateway listens on "     \
      "loopback")                                                                                  \
    X(user_header, STR, "", "",                                                                    \
      "Request header with the user name for the audit log, set by a proxy, such as "              \
      "`X-Forwarded-User`")                                                                        \
    X(static_dir, PATH, "", "", "Folder of the dashboard's files; empty: next to the program")     \
    X(url_prefix, PREFIX, "", "",                                                                  \
      "Path under which a proxy serves Kanchi, such as `/kanchi`; alternatively, the proxy "       \
      "sends `X-Forwarded-Prefix`")                                                                \
    X(allowed_hosts, STR, "", "",                                                                  \
      "Host names accepted in requests, separated by commas; empty: local names on loopback, "     \
      "otherwise any")

#define KN_CONFIG_BUS(X)                                                                           \
    X(storage, STR, "", "", "Address of storage; empty: `ipc://` in the data folder")              \
    X(storage_feed, STR, "", "", "Address of storage's change feed")                               \
    X(metrics, STR, "", "", "Address of aggregation's figures")                                    \
    X(control, STR, "", "", "Address of control; `{source}` is replaced by the broker's name")     \
    X(insecure, BOOL, "false", "", "Allow `tcp://` beyond loopback, without TLS")                  \
    X(ca, PATH, "", "", "CA certificates for `tls+tcp://` (PEM)")                                  \
    X(cert, PATH, "", "", "Certificate for `tls+tcp://` (PEM)")                                    \
    X(key, PATH, "", "", "Key of `cert` (PEM)")                                                    \
    X(message_max, SIZE, "64MB", "1MB..1GB", "Maximum size of a message on the bus")               \
    X(request_timeout, DURATION, "10s", "100ms..5m", "Time to wait for an answer")

#define KN_CONFIG_HEALTH(X)                                                                        \
    X(listen, ADDRESS, "", "",                                                                     \
      "Address and port of a service's `/healthz`, `/readyz` and `/metrics`; empty: none; "        \
      "ignored by `kanchi up`")

#define KN_CONFIG_LOG(X)                                                                           \
    X(level, ENUM, "info", "debug|info|warn|error|off", "Minimum level to log")                    \
    X(format, ENUM, "text", "text|json", "Format of log lines")                                    \
    X(output, ENUM, "stderr", "stderr|stdout", "Destination of log lines")

/* name, table, help */
#define KN_CONFIG_SECTIONS(X)                                                                      \
    X(ingestion, KN_CONFIG_INGESTION, "Reads events from a broker")                                \
    X(storage, KN_CONFIG_STORAGE, "Stores everything in the database")                             \
    X(aggregation, KN_CONFIG_AGGREGATION, "Computes counts and percentiles, and which workers are online")\
    X(control, KN_CONFIG_CONTROL, "Queries and controls workers")                                  \
    X(gateway, KN_CONFIG_GATEWAY, "REST, WebSocket and the dashboard")                             \
    X(bus, KN_CONFIG_BUS, "Connections between the services")                                      \
    X(health, KN_CONFIG_HEALTH, "Health endpoints of a separate service")                          \
    X(log, KN_CONFIG_LOG, "Logs of the services")
/* clang-format on */

/* Strings in the order of the configuration; owned by struct kn_config. */
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
    const char *file;     /* "" if there is none */
    bool file_has_secret; /* a password, in a setting or in a URL */
    size_t n_foreign;     /* variables set by Kubernetes or Docker, ignored */
    bool help;            /* --help was given; nothing else is checked */
    bool version;         /* --version was given; nothing else is checked */
    struct kn_arena arena;
};
#undef KN_CONFIG_MEMBER

/* The sources of a configuration. argv excludes the program's name. */
struct kn_config_from {
    const char *const *argv;
    size_t argc;
    const char *const *env; /* as environ; NULL for none */
};

/* Loads and checks everything; paths and bus addresses are resolved. CONFIG:
 * error names the place, the key, the error and the allowed values, and
 * config is empty. Free config with kn_config_fini in either case. Opens only
 * the named files; creates nothing. */
enum kn_status kn_config_load(struct kn_config *config, const struct kn_config_from *from,
                              struct kn_buf *error) KN_MUST_CHECK;
void kn_config_fini(struct kn_config *config);

/* The broker that a service serves: the one named source, or the only one if
 * source is "". Otherwise CONFIG with a message in error. */
enum kn_status kn_config_broker(const struct kn_config *config, const char *source,
                                const struct kn_config_broker **ret,
                                struct kn_buf *error) KN_MUST_CHECK;

/* Returns true if name is allowed as a broker's name. */
enum { KN_SOURCE_MAX = 64 };
bool kn_config_is_source(struct kn_str name);

/* bus.control with {source} replaced. Owned by config. NULL: out of memory. */
const char *kn_config_control_address(struct kn_config *config, const char *source);

/* "[::1]:8080" -> "::1", 8080. ret_host has room for size bytes. */
bool kn_config_split_address(const char *address, char *ret_host, size_t size, int *ret_port);

/* Writes the whole configuration, including secrets, as YAML for another service. */
void kn_config_write_yaml(const struct kn_config *config, struct kn_buf *ret);

/* Writes the option list of --help, and docs/configuration.md. */
void kn_config_help(struct kn_buf *ret);
void kn_config_markdown(struct kn_buf *ret);

#endif
