/* What the main() of every service has in common: reading the configuration,
 * --help, signals, an id, and what the process uses. One service a process. */
#ifndef KN_COMMON_PROCESS_SERVICE_H
#define KN_COMMON_PROCESS_SERVICE_H

#include "services/common/config/config.h"

/* Exit codes. A supervisor need not start a service again after 2. */
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

/* Asks the service to stop, as a signal does. From any thread. */
void kn_service_stop(struct kn_service *service);
/* Asks it to stop because it can't go on: it is to be started anew. From any thread. */
void kn_service_fail(void);
/* What a service that was asked to stop ends with: FAILED after kn_service_fail, else OK. */
int kn_service_code(void);
/* Whether it was asked to. From any thread. */
bool kn_service_stopping(const struct kn_service *service);
/* Waits until it is asked to, or for that long (µs; negative: for ever).
 * Returns kn_service_stopping. From any thread. */
bool kn_service_wait(const struct kn_service *service, int64_t us);

/* Zero where the system does not say. */
void kn_service_usage(struct kn_usage *ret);

/* Makes a folder with its parents, for this user alone. IO: errno says why. */
enum kn_status kn_service_make_folder(const char *path) KN_MUST_CHECK;
/* Opens a file, made when it is missing, and locks it: until the descriptor is closed or the
 * process ends. EXISTS: another process has the lock; IO: errno says why. *ret is -1 then. */
enum kn_status kn_service_lock(const char *path, int *ret) KN_MUST_CHECK;
/* The folder of an address of the bus that is to be bound, if it is ipc://: nng makes none.
 * On failure *ret_error is a sentence to be freed by the caller, or NULL. */
enum kn_status kn_service_make_socket_folder(const char *url, char **ret_error) KN_MUST_CHECK;

/* Random bytes as hexadecimal digits, ended by NUL: size is 2 * bytes + 1. */
void kn_random_hex(char *ret, size_t size);

/* "kanchi-storage: cannot open the database: …" on standard error, one line, or a line
 * of the log where that is JSON; returns code, for main to return. */
int kn_die(const char *name, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
