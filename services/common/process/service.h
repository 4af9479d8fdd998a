/* What the main() functions of all services share: reading the configuration,
 * --help, signals, an ID, and resource usage. One service per process. */
#ifndef KN_COMMON_PROCESS_SERVICE_H
#define KN_COMMON_PROCESS_SERVICE_H

#include "services/common/config/config.h"

/* Exit codes. Restarting a service after 2 does not help. */
#define KN_EXIT_OK 0
#define KN_EXIT_FAILED 1
#define KN_EXIT_CONFIG 2

struct kn_service {
    const char *name;   /* "kanchi-storage" */
    char id[33];        /* random for each start, 32 hexadecimal digits */
    int64_t started_at; /* wall clock, µs */
    int stop_fd;        /* becomes readable, and stays so, when it must stop */
};

struct kn_usage {
    int64_t rss_bytes;
    int64_t cpu_us; /* user and system since the start */
};

/* Loads the configuration from argv, the environment and the file; sets up
 * log and signals. Returns true when the service is to run on. Otherwise
 * *ret_exit is the exit code: --help and --version have been answered on
 * standard output, or one sentence about what is wrong is on standard error.
 * SIGTERM, SIGINT and SIGHUP ask to stop from then on; SIGPIPE is ignored.
 * config needs kn_config_fini when this returned true. about: what the service
 * does, for --help. name and about: static text. */
bool kn_program_init(struct kn_service *service, struct kn_config *config, const char *name,
                     const char *about, int argc, char **argv, int *ret_exit);
/* The same for a service that is supervised: also warns of exposed files (exposed.h), and
 * opens health.listen, when there is one. */
bool kn_service_init(struct kn_service *service, struct kn_config *config, const char *name,
                     const char *about, int argc, char **argv, int *ret_exit);
void kn_service_fini(struct kn_service *service);

/* Requests a stop, like a signal. From any thread. */
void kn_service_stop(struct kn_service *service);
/* Requests a stop because the service can't continue and must be restarted. From any thread. */
void kn_service_fail(void);
/* The exit code after a requested stop: FAILED after kn_service_fail, otherwise OK. */
int kn_service_code(void);
/* True after a requested stop. From any thread. */
bool kn_service_stopping(const struct kn_service *service);
/* Waits until a stop is requested, or for that long (µs; negative: forever).
 * Returns kn_service_stopping. From any thread. */
bool kn_service_wait(const struct kn_service *service, int64_t us);

/* Zero if the system does not provide a value. */
void kn_service_usage(struct kn_usage *ret);

/* Creates a folder and its parents, accessible only to this user. IO: see errno. */
enum kn_status kn_service_make_folder(const char *path) KN_MUST_CHECK;
/* Opens a file, creating it if missing, and locks it until the descriptor is closed or the
 * process ends. EXISTS: another process has the lock; IO: see errno. *ret is -1 on failure. */
enum kn_status kn_service_lock(const char *path, int *ret) KN_MUST_CHECK;
/* Creates the folder of an ipc:// bus address before binding, because nng does not.
 * On failure error has a message. */
enum kn_status kn_service_make_socket_folder(const char *url, struct kn_buf *error) KN_MUST_CHECK;

/* Random bytes as hexadecimal digits, ended by NUL: size is 2 * bytes + 1. */
void kn_random_hex(char *ret, size_t size);

/* "kanchi-storage: cannot open the database: …" on standard error, one line, or a line
 * of the log where that is JSON; returns code, for main to return. */
int kn_die(const char *name, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
