#include "services/launcher/up.h"
#include "services/common/process/exposed.h"
#include "services/common/process/log.h"
#include "services/common/process/service.h"
#include "services/common/text/time.h"
#include "services/launcher/screen.h"
#include "services/launcher/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

#define NAME "kanchi"
/* How long the screen waits for the gateway and the brokers, and then for a
 * first worker: heartbeats come every two seconds. */
#define SCREEN_WAIT (10 * KN_SECOND)
#define WORKERS_WAIT (3 * KN_SECOND)
/* How long the services of a launcher that was killed may take to end. */
#define ORPHANS_WAIT (30 * KN_SECOND)

/* Who has the lock, as it wrote; 0: nobody knows. */
static pid_t owner_of(int lock)
{
    char text[32] = "";
    uint64_t pid = 0;
    ssize_t len = pread(lock, text, sizeof(text) - 1, 0);
    bool known = len > 0 && kn_str_to_u64((struct kn_str){text, strcspn(text, "\n")}, &pid);
    return known && pid <= INT32_MAX ? (pid_t)pid : 0;
}

/* Takes the lock. The services of a launcher that was killed hold it until they have ended,
 * which they do by themselves: they are waited for. */
static bool take_lock(int lock, const struct kn_service *service)
{
    int64_t until = kn_time_mono() + ORPHANS_WAIT;
    while (flock(lock, LOCK_EX | LOCK_NB) != 0) {
        pid_t owner = owner_of(lock);
        bool is_gone = owner > 0 && kill(owner, 0) != 0 && errno == ESRCH;
        if (!is_gone || kn_time_mono() > until || kn_service_wait(service, KN_SECOND / 20))
            return false;
    }
    return true;
}

/* Makes the data folder and takes its lock, which the services inherit. Returns its
 * descriptor, or -1 after having said why. */
static int take_folder(const struct kn_config *config, const struct kn_service *service)
{
    char path[4200];
    snprintf(path, sizeof(path), "%s/bus", config->data);
    if (kn_service_make_folder(path) != KN_OK) {
        kn_die(NAME, 0, "data: cannot create %s: %s", path, strerror(errno));
        return -1;
    }
    snprintf(path, sizeof(path), "%s/kanchi.lock", config->data);
    int fd = open(path, O_RDWR | O_CREAT, 0600); /* NOLINT(android-cloexec-open) */
    if (fd < 0) {
        kn_die(NAME, 0, "data: cannot write %s: %s", path, strerror(errno));
        return -1;
    }
    if (take_lock(fd, service)) {
        if (ftruncate(fd, 0) == 0)
            dprintf(fd, "%d\n", (int)getpid());
        return fd;
    }
    kn_die(NAME, 0,
           "data: %s is in use by another kanchi (PID %d): stop it, or choose another --data",
           config->data, (int)owner_of(fd));
    close(fd);
    return -1;
}

/* Whether the gateway will be able to listen; says why not. */
static bool port_is_free(const char *address)
{
    char host[256], service[16];
    int port, yes = 1;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found;
    if (!kn_config_split_address(address, host, sizeof(host), &port))
        return false;
    snprintf(service, sizeof(service), "%d", port);
    int error = getaddrinfo(*host && strcmp(host, "*") != 0 ? host : NULL, service, &hints, &found);
    if (error) {
        kn_die(NAME, 0, "gateway.listen: %s: %s", address, gai_strerror(error));
        return false;
    }
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool free_now = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) == 0 &&
                    bind(fd, found->ai_addr, found->ai_addrlen) == 0;
    if (!free_now)
        kn_die(NAME, 0, "gateway.listen: cannot listen on %s: %s: choose another --listen", address,
               strerror(errno));
    if (fd >= 0)
        close(fd);
    freeaddrinfo(found);
    return free_now;
}

/* Whether the time has come to show the screen. begun_at, *brokers_at: monotonic. */
static bool screen_is_due(const struct kn_config *config, int64_t begun_at, int64_t *brokers_at,
                          enum screen_news *ret_news)
{
    int64_t now = kn_time_mono();
    *ret_news = screen_news(config);
    if (*ret_news == SCREEN_BROKERS && *brokers_at == 0)
        *brokers_at = now;
    return *ret_news == SCREEN_WORKERS || now - begun_at > SCREEN_WAIT ||
           (*brokers_at && now - *brokers_at > WORKERS_WAIT);
}

/* Runs until asked to stop. The screen is shown once, when there is something to say. */
static int run(struct supervisor *supervisor, const struct kn_service *service,
               const struct kn_config *config)
{
    bool shown = false;
    int64_t begun_at = kn_time_mono(), brokers_at = 0;
    while (!kn_service_stopping(service)) {
        enum screen_news news;
        if (supervisor_run(supervisor, service->stop_fd, shown ? KN_MINUTE : 50000) != KN_OK)
            return KN_EXIT_CONFIG;
        if (shown || kn_service_stopping(service) ||
            !screen_is_due(config, begun_at, &brokers_at, &news))
            continue;
        screen_show(config, news != SCREEN_NOTHING);
        supervisor_settled(supervisor);
        shown = true;
    }
    return KN_EXIT_OK;
}

static int supervise(const struct kn_service *service, struct kn_config *config)
{
    struct supervisor *supervisor = NULL;
    struct kn_buf error;
    kn_buf_init(&error, 0);
    enum kn_status status = supervisor_new(&supervisor, config, &error);
    if (status != KN_OK) {
        if (error.len == 0)
            kn_buf_text(&error, kn_status_text(status));
        kn_die(NAME, 0, "%.*s", KN_STR_ARG(kn_buf_view(&error)));
        kn_buf_fini(&error);
        return KN_EXIT_FAILED;
    }
    kn_buf_fini(&error);
    int code = run(supervisor, service, config);
    /* What gives up at the start has nothing to finish: it need not take its time. */
    if (code == KN_EXIT_OK)
        supervisor_stop(supervisor);
    supervisor_free(supervisor);
    return code;
}

int launcher_up(int argc, char **argv)
{
    struct kn_service service;
    struct kn_config config;
    int code;
    if (!kn_program_init(&service, &config, NAME, "Start all services on this machine", argc, argv,
                         &code))
        return code;
    /* All services have one configuration, and an address is for one. */
    config.health.listen = "";
    /* On a terminal the services' ordinary lines would bury the screen. */
    if (isatty(STDERR_FILENO) && strcmp(config.log.level, "info") == 0)
        config.log.level = "warn";
    kn_exposed_warn(&config, NAME);
    int folder = take_folder(&config, &service);
    code = KN_EXIT_CONFIG;
    if (folder >= 0 && port_is_free(config.gateway.listen))
        code = supervise(&service, &config);
    if (folder >= 0)
        close(folder);
    kn_service_fini(&service);
    kn_config_fini(&config);
    return code;
}
