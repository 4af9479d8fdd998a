#include "services/launcher/supervisor.h"
#include "services/common/count.h"
#include "services/common/process/log.h"
#include "services/common/text/time.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define BACKOFF_FIRST (KN_SECOND / 5)
#define BACKOFF_MOST (10 * KN_SECOND)
/* A child that has run for so long has started well. */
#define STEADY (30 * KN_SECOND)
/* How long a child may take to end. */
#define PATIENCE (10 * KN_SECOND)
#define ROUNDS 5

/* In the order in which they are stopped. */
static const struct {
    const char *service;
    int round;
    bool per_broker;
} services[] = {
    {"ingestion", 0, true}, {"control", 1, true},  {"aggregation", 2, false},
    {"gateway", 3, false},  {"storage", 4, false},
};

enum { NICE = 5 }; /* of services that are not of one broker */

struct child {
    char program[4096];
    char name[128]; /* "ingestion default" */
    const char *source;
    int round;
    pid_t pid;        /* 0: does not run */
    int pidfd;        /* -1: does not run */
    int64_t begun_at; /* monotonic */
    int64_t due_at;   /* monotonic: when it is to be started */
    int64_t backoff;
};

struct supervisor {
    struct child *children;
    size_t count;
    int config_fd; /* memory with the configuration as YAML */
    char config_path[64];
    char **environment; /* ours without KANCHI_…: the configuration says it all */
    struct pollfd *fds;
    bool settled;
    uint64_t restarts;
};

extern char **environ;

static enum kn_status write_config(struct supervisor *supervisor, const struct kn_config *config)
{
    struct kn_buf yaml;
    kn_buf_init(&yaml, 0);
    kn_config_write_yaml(config, &yaml);
    enum kn_status status = kn_buf_status(&yaml);
    supervisor->config_fd = memfd_create("kanchi.yaml", 0);
    if (status == KN_OK && (supervisor->config_fd < 0 ||
                            write(supervisor->config_fd, yaml.data, yaml.len) != (ssize_t)yaml.len))
        status = KN_IO;
    snprintf(supervisor->config_path, sizeof(supervisor->config_path), "/proc/self/fd/%d",
             supervisor->config_fd);
    kn_buf_fini(&yaml);
    return status;
}

static enum kn_status make_environment(struct supervisor *supervisor)
{
    size_t count = 0, kept = 0;
    while (environ[count])
        count++;
    supervisor->environment = calloc(count + 1, sizeof(char *));
    if (!supervisor->environment)
        return KN_NOMEM;
    for (size_t i = 0; i < count; i++)
        if (strncmp(environ[i], "KANCHI_", 7) != 0)
            supervisor->environment[kept++] = environ[i];
    return KN_OK;
}

static enum kn_status add_child(struct supervisor *supervisor, size_t service, const char *source,
                                struct kn_buf *error)
{
    struct child *child = &supervisor->children[supervisor->count];
    char own[4000];
    ssize_t len = readlink("/proc/self/exe", own, sizeof(own) - 1);
    if (len < 0)
        return KN_IO;
    own[len] = '\0';
    *strrchr(own, '/') = '\0';
    *child = (struct child){
        .source = source, .round = services[service].round, .pidfd = -1, .backoff = BACKOFF_FIRST};
    snprintf(child->program, sizeof(child->program), "%s/kanchi-%s", own,
             services[service].service);
    snprintf(child->name, sizeof(child->name), "%s%s%s", services[service].service,
             source ? " " : "", source ? source : "");
    if (access(child->program, X_OK) != 0) {
        kn_buf_printf(error, "%s is missing or not executable", child->program);
        return KN_NOT_FOUND;
    }
    supervisor->count++;
    return KN_OK;
}

static enum kn_status add_children(struct supervisor *supervisor, const struct kn_config *config,
                                   struct kn_buf *error)
{
    enum kn_status status = KN_OK;
    /* Storage first: the others dial it. */
    for (size_t i = KN_COUNT_OF(services); i-- > 0 && status == KN_OK;) {
        size_t count = services[i].per_broker ? config->n_brokers : 1;
        for (size_t k = 0; k < count && status == KN_OK; k++)
            status = add_child(supervisor, i,
                               services[i].per_broker ? config->brokers[k].name : NULL, error);
    }
    return status;
}

enum kn_status supervisor_new(struct supervisor **ret, const struct kn_config *config,
                              struct kn_buf *error)
{
    struct supervisor *supervisor = calloc(1, sizeof(*supervisor));
    if (!supervisor)
        return KN_NOMEM;
    supervisor->config_fd = -1;
    size_t most = 3 + 2 * config->n_brokers;
    supervisor->children = calloc(most, sizeof(*supervisor->children));
    supervisor->fds = calloc(most + 1, sizeof(*supervisor->fds));
    enum kn_status status = supervisor->children && supervisor->fds ? KN_OK : KN_NOMEM;
    if (status == KN_OK)
        status = write_config(supervisor, config);
    if (status == KN_OK)
        status = make_environment(supervisor);
    if (status == KN_OK)
        status = add_children(supervisor, config, error);
    if (status != KN_OK) {
        supervisor_free(supervisor);
        return status;
    }
    *ret = supervisor;
    return KN_OK;
}

void supervisor_free(struct supervisor *supervisor)
{
    if (!supervisor)
        return;
    for (size_t i = 0; i < supervisor->count; i++)
        if (supervisor->children[i].pid > 0) {
            kill(supervisor->children[i].pid, SIGKILL);
            waitpid(supervisor->children[i].pid, NULL, 0);
            close(supervisor->children[i].pidfd);
        }
    if (supervisor->config_fd >= 0)
        close(supervisor->config_fd);
    free(supervisor->environment);
    free(supervisor->children);
    free(supervisor->fds);
    free(supervisor);
}

/* In the child, between fork and exec: only calls that are safe there. */
static _Noreturn void become(const struct supervisor *supervisor, const struct child *child,
                             pid_t parent)
{
    const char *argv[] = {child->program, "--config", supervisor->config_path, NULL, NULL, NULL};
    if (child->source) {
        argv[3] = "--source";
        argv[4] = child->source;
    }
    /* A group of its own: Ctrl-C reaches us alone, and we end the children in order. */
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    /* In a burst the events are first received and decoded, and stored when there is time:
     * Redis cuts off a subscriber that lags, the database waits. */
    if (!child->source)
        setpriority(PRIO_PROCESS, 0, NICE);
    if (getppid() != parent)
        _exit(KN_EXIT_FAILED);
    execve(child->program, (char *const *)argv, supervisor->environment);
    _exit(KN_EXIT_FAILED);
}

static void delay(struct child *child)
{
    child->due_at = kn_time_mono() + child->backoff;
    child->backoff *= 2;
    if (child->backoff > BACKOFF_MOST)
        child->backoff = BACKOFF_MOST;
}

static void start(struct supervisor *supervisor, struct child *child)
{
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0)
        become(supervisor, child, parent);
    if (pid > 0) {
        child->pid = pid;
        child->begun_at = kn_time_mono();
        child->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
        return;
    }
    KN_ERROR("launcher.fork", KN_F_TEXT("service", child->name),
             KN_F_TEXT("error", strerror(errno)));
    delay(child);
}

/* Whether the child has ended just now; *ret_code is -signal or its exit code. */
static bool ended(struct child *child, int *ret_code)
{
    int how;
    if (child->pid <= 0 || waitpid(child->pid, &how, WNOHANG) != child->pid)
        return false;
    *ret_code = WIFSIGNALED(how) ? -WTERMSIG(how) : WEXITSTATUS(how);
    child->pid = 0;
    if (child->pidfd >= 0)
        close(child->pidfd);
    child->pidfd = -1;
    return true;
}

static enum kn_status look_after(struct supervisor *supervisor, struct child *child)
{
    int code;
    if (ended(child, &code)) {
        if (code > 0 && !supervisor->settled)
            return KN_CONFIG;
        if (kn_time_mono() - child->begun_at > STEADY)
            child->backoff = BACKOFF_FIRST;
        KN_WARN("launcher.ended", KN_F_TEXT("service", child->name), KN_F_I64("code", code),
                KN_F_I64("restart_in_ms", child->backoff / 1000));
        supervisor->restarts++;
        delay(child);
    }
    if (child->pid == 0 && kn_time_mono() >= child->due_at)
        start(supervisor, child);
    return KN_OK;
}

/* Waits until one ends, for at most us. extra: one more descriptor, or -1. */
static void wait_for_change(struct supervisor *supervisor, int extra, int64_t us)
{
    nfds_t count = 0;
    int64_t now = kn_time_mono(), until = now + us;
    supervisor->fds[count++] = (struct pollfd){.fd = extra, .events = POLLIN};
    for (size_t i = 0; i < supervisor->count; i++) {
        const struct child *child = &supervisor->children[i];
        if (child->pid > 0 && child->pidfd < 0)
            until = now + 100000; /* a kernel without pidfd: look often */
        if (child->pid > 0)
            supervisor->fds[count++] = (struct pollfd){.fd = child->pidfd, .events = POLLIN};
        else if (child->due_at > now && child->due_at < until)
            until = child->due_at;
    }
    if (until > now)
        poll(supervisor->fds, count, (int)((until - now + 999) / 1000));
}

enum kn_status supervisor_run(struct supervisor *supervisor, int stop_fd, int64_t us)
{
    for (size_t i = 0; i < supervisor->count; i++) {
        enum kn_status status = look_after(supervisor, &supervisor->children[i]);
        if (status != KN_OK)
            return status;
    }
    wait_for_change(supervisor, stop_fd, us);
    return KN_OK;
}

void supervisor_settled(struct supervisor *supervisor)
{
    supervisor->settled = true;
}

uint64_t supervisor_restarts(const struct supervisor *supervisor)
{
    return supervisor->restarts;
}

static size_t still_running(struct supervisor *supervisor, int round)
{
    size_t count = 0;
    int code;
    for (size_t i = 0; i < supervisor->count; i++) {
        struct child *child = &supervisor->children[i];
        if (child->round == round && !ended(child, &code))
            count += child->pid > 0;
    }
    return count;
}

static void signal_round(struct supervisor *supervisor, int round, int number)
{
    for (size_t i = 0; i < supervisor->count; i++) {
        const struct child *child = &supervisor->children[i];
        if (child->round != round || child->pid <= 0)
            continue;
        if (number == SIGKILL)
            KN_WARN("launcher.killed", KN_F_TEXT("service", child->name));
        kill(child->pid, number);
    }
}

void supervisor_stop(struct supervisor *supervisor)
{
    for (size_t i = 0; i < supervisor->count; i++)
        supervisor->children[i].due_at = INT64_MAX;
    for (int round = 0; round < ROUNDS; round++) {
        int64_t patience_ends = kn_time_mono() + PATIENCE;
        bool killed = false;
        signal_round(supervisor, round, SIGTERM);
        while (still_running(supervisor, round) > 0) {
            wait_for_change(supervisor, -1, 50000);
            if (!killed && kn_time_mono() > patience_ends) {
                signal_round(supervisor, round, SIGKILL);
                killed = true;
            }
        }
    }
}
