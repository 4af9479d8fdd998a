#include "services/common/process/service.h"
#include "services/common/count.h"
#include "services/common/process/exposed.h"
#include "services/common/process/health.h"
#include "services/common/process/log.h"
#include "services/common/text/clean.h"
#include "services/common/text/time.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;

#define TIDY_US (5 * KN_SECOND)

/* For the signal handler, which gets no argument. */
static volatile sig_atomic_t handler_fd = -1;
static atomic_bool stopping, failed;

static void wake(int fd)
{
    uint64_t one = 1;
    int kept = errno;
    if (fd >= 0 && write(fd, &one, sizeof(one)) < 0)
        errno = 0; /* the counter is full: it is readable already */
    errno = kept;
}

static void on_signal(int number)
{
    (void)number;
    atomic_store(&stopping, true);
    wake(handler_fd);
}

static void catch_signals(void)
{
    static const int asked_to_stop[] = {SIGTERM, SIGINT, SIGHUP};
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    for (size_t i = 0; i < KN_COUNT_OF(asked_to_stop); i++)
        sigaction(asked_to_stop[i], &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static void print(struct kn_buf *text)
{
    fwrite(text->data, 1, text->len, stdout);
    kn_buf_fini(text);
}

static void print_help(const char *name, const char *about)
{
    struct kn_buf text;
    kn_buf_init(&text, 0);
    kn_buf_printf(&text, "%s %s: %s\n\nUsage: %s [--config FILE] [option value]...\n\n", name,
                  KANCHI_VERSION, about, name);
    kn_config_help(&text);
    print(&text);
}

static bool load_config(struct kn_config *config, const char *name, int argc, char **argv,
                        int *ret_exit)
{
    struct kn_config_from from = {.argv = (const char *const *)argv + 1,
                                  .argc = argc > 0 ? (size_t)argc - 1 : 0,
                                  .env = (const char *const *)environ};
    struct kn_buf error;
    kn_buf_init(&error, 0);
    enum kn_status status = kn_config_load(config, &from, &error);
    if (status != KN_OK)
        *ret_exit = kn_die(name, KN_EXIT_CONFIG, "%.*s", KN_STR_ARG(kn_buf_view(&error)));
    kn_buf_fini(&error);
    return status == KN_OK;
}

/* Large blocks come and go with every batch: to take them from the system each
 * time costs more than to decode what is in them. So they stay in the heap, and
 * kn_service_wait gives back now and then what a burst or a big answer took. */
static void keep_memory(void)
{
    mallopt(M_MMAP_THRESHOLD, 32 << 20);
    mallopt(M_TRIM_THRESHOLD, 1 << 30);
    mallopt(M_ARENA_MAX, 4);
}

bool kn_program_init(struct kn_service *service, struct kn_config *config, const char *name,
                     const char *about, int argc, char **argv, int *ret_exit)
{
    keep_memory();
    if (!load_config(config, name, argc, argv, ret_exit))
        return false;
    if (config->help || config->version) {
        if (config->help)
            print_help(name, about);
        else
            printf("%s %s\n", name, KANCHI_VERSION);
        kn_config_fini(config);
        *ret_exit = KN_EXIT_OK;
        return false;
    }
    enum kn_log_level level = KN_LOG_INFO;
    (void)kn_log_level_parse(kn_str_from(config->log.level), &level);
    kn_log_setup(name, level, strcmp(config->log.format, "json") == 0);
    kn_log_to(strcmp(config->log.output, "stdout") == 0 ? STDOUT_FILENO : STDERR_FILENO);
    if (config->n_foreign)
        KN_DEBUG("config.variables_ignored", KN_F_I64("count", config->n_foreign));
    *service = (struct kn_service){.name = name, .started_at = kn_time_now()};
    service->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (service->stop_fd < 0) {
        *ret_exit = kn_die(name, KN_EXIT_FAILED, "cannot start: %s", strerror(errno));
        kn_config_fini(config);
        return false;
    }
    kn_random_hex(service->id, sizeof(service->id));
    atomic_store(&stopping, false);
    atomic_store(&failed, false);
    handler_fd = service->stop_fd;
    catch_signals();
    return true;
}

bool kn_service_init(struct kn_service *service, struct kn_config *config, const char *name,
                     const char *about, int argc, char **argv, int *ret_exit)
{
    if (!kn_program_init(service, config, name, about, argc, argv, ret_exit))
        return false;
    kn_exposed_warn(config, name);
    if (!*config->health.listen)
        return true;
    struct kn_buf error;
    kn_buf_init(&error, 0);
    enum kn_status status = kn_health_start(config->health.listen, name, &error);
    if (status == KN_OK)
        KN_INFO("health.listening", KN_F_I64("port", kn_health_port()));
    else
        *ret_exit = kn_die(name, KN_EXIT_FAILED, "%.*s", KN_STR_ARG(kn_buf_view(&error)));
    kn_buf_fini(&error);
    if (status == KN_OK)
        return true;
    kn_service_fini(service);
    kn_config_fini(config);
    return false;
}

void kn_service_fini(struct kn_service *service)
{
    kn_health_stop();
    handler_fd = -1;
    if (service->stop_fd >= 0)
        close(service->stop_fd);
    service->stop_fd = -1;
}

void kn_service_stop(struct kn_service *service)
{
    atomic_store(&stopping, true);
    wake(service->stop_fd);
}

void kn_service_fail(void)
{
    atomic_store(&failed, true);
    atomic_store(&stopping, true);
    wake(handler_fd);
}

int kn_service_code(void)
{
    return atomic_load(&failed) ? KN_EXIT_FAILED : KN_EXIT_OK;
}

bool kn_service_stopping(const struct kn_service *service)
{
    (void)service;
    return atomic_load(&stopping);
}

static int64_t rss_now(void)
{
    char text[256];
    FILE *in = fopen("/proc/self/statm", "re");
    if (!in)
        return 0;
    const char *line = fgets(text, sizeof(text), in);
    fclose(in);
    const char *second = line ? strchr(line, ' ') : NULL;
    uint64_t pages;
    if (!second ||
        !kn_str_to_u64((struct kn_str){second + 1, strspn(second + 1, "0123456789")}, &pages))
        return 0;
    return (int64_t)pages * sysconf(_SC_PAGESIZE);
}

void kn_service_usage(struct kn_usage *ret)
{
    struct rusage used = {0};
    getrusage(RUSAGE_SELF, &used);
    ret->rss_bytes = rss_now();
    ret->cpu_us = (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * KN_SECOND +
                  used.ru_utime.tv_usec + used.ru_stime.tv_usec;
}

/* Gives unused memory back, unless there is much to do: a thread that wants memory has
 * to wait meanwhile, and the one that receives a burst must not. */
static void tidy(void)
{
    static int64_t before;
    struct kn_usage usage;
    kn_service_usage(&usage);
    if (usage.cpu_us - before < TIDY_US / 2)
        malloc_trim(0);
    before = usage.cpu_us;
}

bool kn_service_wait(const struct kn_service *service, int64_t us)
{
    static int64_t tidy_at; /* the main thread's */
    int64_t now = kn_time_mono(), end = us < 0 ? INT64_MAX : now + us;
    if (!tidy_at)
        tidy_at = now + TIDY_US;
    for (; !atomic_load(&stopping) && now < end; now = kn_time_mono()) {
        int64_t left = (end < tidy_at ? end : tidy_at) - now;
        struct pollfd fd = {.fd = service->stop_fd, .events = POLLIN};
        poll(&fd, 1, left > 0 ? (int)((left + 999) / 1000) : 0);
        if (now < tidy_at)
            continue;
        tidy();
        tidy_at = now + TIDY_US;
    }
    return atomic_load(&stopping);
}

enum kn_status kn_service_make_folder(const char *path)
{
    char part[4096];
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof(part)) {
        errno = len ? ENAMETOOLONG : EINVAL;
        return KN_IO;
    }
    memcpy(part, path, len + 1);
    for (char *at = part + 1; *at; at++) {
        if (*at != '/')
            continue;
        *at = '\0';
        if (mkdir(part, 0700) != 0 && errno != EEXIST)
            return KN_IO;
        *at = '/';
    }
    return mkdir(part, 0700) == 0 || errno == EEXIST ? KN_OK : KN_IO;
}

enum kn_status kn_service_lock(const char *path, int *ret)
{
    *ret = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (*ret < 0)
        return KN_IO;
    if (flock(*ret, LOCK_EX | LOCK_NB) == 0)
        return KN_OK;
    int why = errno;
    close(*ret);
    *ret = -1;
    errno = why;
    return why == EWOULDBLOCK ? KN_EXISTS : KN_IO;
}

enum kn_status kn_service_make_socket_folder(const char *url, struct kn_buf *error)
{
    if (strncmp(url, "ipc://", 6) != 0)
        return KN_OK;
    char *folder = strdup(url + 6);
    char *slash = folder ? strrchr(folder, '/') : NULL;
    enum kn_status status = KN_OK;
    if (slash && slash != folder) {
        *slash = '\0';
        status = kn_service_make_folder(folder);
        if (status != KN_OK)
            kn_buf_printf(error, "cannot create the folder %s: %s", folder, strerror(errno));
    }
    free(folder);
    return status;
}

void kn_random_hex(char *ret, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    size_t count = size / 2;
    for (size_t i = 0; i < count && 2 * i + 2 < size + 1; i++) {
        unsigned char byte = 0;
        while (getrandom(&byte, 1, 0) < 0 && errno == EINTR)
            ;
        ret[2 * i] = digits[byte >> 4];
        ret[2 * i + 1] = digits[byte & 15];
    }
    ret[size - 1] = '\0';
}

int kn_die(const char *name, int code, const char *format, ...)
{
    char text[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args); /* NOLINT(clang-analyzer-valist.Uninitialized) */
    va_end(args);
    for (char *at = text; *at; at++)
        if (*at == '\n')
            *at = ' ';
    if (kn_log_is_json()) {
        KN_ERROR("failed", KN_F_TEXT("error", text), KN_F_I64("code", code));
        return code;
    }
    struct kn_buf line;
    kn_buf_init(&line, 0);
    kn_clean(&line, kn_str_from(text));
    fprintf(stderr, "%s: %.*s\n", name, KN_STR_ARG(kn_buf_view(&line)));
    kn_buf_fini(&line);
    return code;
}
