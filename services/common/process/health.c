#include "services/common/process/health.h"

#include "services/common/config/config.h"
#include "services/common/process/service.h"
#include "services/common/text/time.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define CLIENT_PATIENCE (2 * KN_SECOND)
#define STALE (10 * KN_SECOND)

enum { CLIENTS_MAX = 64, TAKEN_AT_ONCE = 16, HEAD_MAX = 2048, WHY_MAX = 256, ANSWER_MAX = 8192 };

struct client {
    int fd; /* -1: free */
    size_t len;
    int64_t until; /* monotonic */
    uint64_t from; /* hash of its address; of IPv6 the network */
    char head[HEAD_MAX];
};

/* The thread's own but for what the lock guards. */
static struct {
    const char *service;
    int64_t started_at;
    int listen_fd;
    int stop_fd;
    int port;
    bool running;
    pthread_t thread;
    struct client clients[CLIENTS_MAX];
} server = {.listen_fd = -1, .stop_fd = -1};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* told */
static struct {
    bool ready;
    int64_t at; /* monotonic; 0: never */
    char why[WHY_MAX];
} told;

void kn_health_set(bool ready, struct kn_str why)
{
    struct kn_str text = why.ptr ? kn_utf8_head(why, WHY_MAX - 1) : KN_STR("");
    pthread_mutex_lock(&lock);
    told.ready = ready;
    told.at = kn_time_mono();
    memcpy(told.why, text.ptr, text.len);
    told.why[text.len] = '\0';
    pthread_mutex_unlock(&lock);
}

static bool is_ready(char why[static WHY_MAX])
{
    pthread_mutex_lock(&lock);
    bool known = told.at != 0, fresh = known && kn_time_mono() - told.at < STALE;
    bool ready = fresh && told.ready;
    const char *text = !known ? "starting" : !fresh ? "hangs" : told.why;
    snprintf(why, WHY_MAX, "%s", *text ? text : "not ready");
    pthread_mutex_unlock(&lock);
    return ready;
}

/* ---- answers ------------------------------------------------------------------------- */

static void plain(struct kn_buf *out, const char *name, const char *type, const char *help,
                  double value)
{
    kn_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n%s ", name, help, name, type, name);
    kn_buf_json_f64(out, value);
    kn_buf_char(out, '\n');
}

/* Named as Prometheus' own clients name it. */
static void write_metrics(struct kn_buf *out)
{
    char why[WHY_MAX];
    struct kn_usage usage;
    kn_service_usage(&usage);
    kn_buf_printf(out,
                  "# HELP kanchi_build_info The program.\n# TYPE kanchi_build_info gauge\n"
                  "kanchi_build_info{service=\"%s\",version=\"%s\"} 1\n",
                  server.service, KANCHI_VERSION);
    plain(out, "kanchi_ready", "gauge", "Whether the service is ready.", is_ready(why));
    plain(out, "process_start_time_seconds", "gauge", "Start of the process, as Unix time.",
          (double)server.started_at / 1e6);
    plain(out, "process_resident_memory_bytes", "gauge", "Resident memory.",
          (double)usage.rss_bytes);
    plain(out, "process_cpu_seconds_total", "counter", "User and system CPU time.",
          (double)usage.cpu_us / 1e6);
}

static const char *write_body(struct kn_str path, struct kn_buf *body)
{
    char why[WHY_MAX];
    if (kn_str_eq(path, KN_STR("/healthz"))) {
        kn_buf_text(body, "ok\n");
    } else if (kn_str_eq(path, KN_STR("/metrics"))) {
        write_metrics(body);
    } else if (!kn_str_eq(path, KN_STR("/readyz"))) {
        kn_buf_text(body, "unknown path; allowed: /healthz, /readyz and /metrics\n");
        return "404 Not Found";
    } else if (is_ready(why)) {
        kn_buf_text(body, "ready\n");
    } else {
        kn_buf_printf(body, "%s\n", why);
        return "503 Service Unavailable";
    }
    return "200 OK";
}

/* head: up to the empty line. */
static const char *answer(struct kn_str head, struct kn_buf *body)
{
    if (!kn_str_starts(head, KN_STR("GET ")) && !kn_str_starts(head, KN_STR("HEAD "))) {
        kn_buf_text(body, "only GET is allowed\n");
        return "405 Method Not Allowed";
    }
    const char *path = memchr(head.ptr, ' ', head.len);
    path++;
    size_t left = head.len - (size_t)(path - head.ptr), len = 0;
    while (len < left && !strchr(" ?\r\n", path[len]))
        len++;
    return write_body((struct kn_str){path, len}, body);
}

static void reply(struct client *client)
{
    struct kn_buf body, all;
    kn_buf_init(&body, ANSWER_MAX);
    kn_buf_init(&all, 2 * (size_t)ANSWER_MAX);
    struct kn_str head = {client->head, client->len};
    const char *status = answer(head, &body);
    kn_buf_printf(&all,
                  "HTTP/1.1 %s\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
                  "Content-Length: %zu\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n",
                  status, body.len);
    if (!kn_str_starts(head, KN_STR("HEAD ")))
        kn_buf_str(&all, kn_buf_view(&body));
    /* it fits into the socket's buffer: who does not read it gets no more */
    ssize_t sent = send(client->fd, all.data, all.len, MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)sent;
    kn_buf_fini(&body);
    kn_buf_fini(&all);
}

/* ---- connections --------------------------------------------------------------------- */

static void hang_up(struct client *client)
{
    close(client->fd);
    client->fd = -1;
}

static uint64_t hash_of(const struct sockaddr_storage *address)
{
    if (address->ss_family == AF_INET6)
        return kn_hash64(0, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr, 8);
    return kn_hash64(0, &((const struct sockaddr_in *)(const void *)address)->sin_addr, 4);
}

static size_t count_from(uint64_t from)
{
    size_t count = 0;
    for (size_t i = 0; i < CLIENTS_MAX; i++)
        count += server.clients[i].fd >= 0 && server.clients[i].from == from;
    return count;
}

/* A free place; otherwise that of the longest-waiting client from the address with the most
 * connections. */
static struct client *find_place(void)
{
    struct client *found = &server.clients[0];
    size_t most = 0;
    for (size_t i = 0; i < CLIENTS_MAX; i++) {
        struct client *client = &server.clients[i];
        if (client->fd < 0)
            return client;
        size_t count = count_from(client->from);
        if (count > most || (count == most && client->until < found->until)) {
            found = client;
            most = count;
        }
    }
    hang_up(found);
    return found;
}

static void read_client(struct client *client)
{
    ssize_t n = recv(client->fd, client->head + client->len, HEAD_MAX - client->len, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n > 0) {
        client->len += (size_t)n;
        bool whole = memmem(client->head, client->len, "\r\n\r\n", 4) != NULL;
        if (!whole && client->len < HEAD_MAX)
            return;
        if (whole)
            reply(client);
    }
    hang_up(client);
}

/* A request that came with its connection is answered at once. */
static bool take_client(void)
{
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof address;
    int fd =
        accept4(server.listen_fd, (struct sockaddr *)&address, &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return false;
    struct client *client = find_place();
    client->fd = fd;
    client->len = 0;
    client->until = kn_time_mono() + CLIENT_PATIENCE;
    client->from = hash_of(&address);
    read_client(client);
    return true;
}

static void *serve(void *arg)
{
    (void)arg;
    for (;;) {
        struct pollfd fds[CLIENTS_MAX + 2];
        fds[0] = (struct pollfd){.fd = server.stop_fd, .events = POLLIN};
        fds[1] = (struct pollfd){.fd = server.listen_fd, .events = POLLIN};
        bool any = false;
        for (size_t i = 0; i < CLIENTS_MAX; i++) {
            fds[i + 2] = (struct pollfd){.fd = server.clients[i].fd, .events = POLLIN};
            any = any || server.clients[i].fd >= 0;
        }
        poll(fds, CLIENTS_MAX + 2, any ? (int)(CLIENT_PATIENCE / 1000) : -1);
        if (fds[0].revents)
            return NULL;
        for (size_t i = 0; i < CLIENTS_MAX; i++) {
            struct client *client = &server.clients[i];
            if (client->fd >= 0 && fds[i + 2].revents)
                read_client(client);
            if (client->fd >= 0 && kn_time_mono() > client->until)
                hang_up(client);
        }
        for (int i = 0; fds[1].revents && i < TAKEN_AT_ONCE && take_client(); i++)
            ;
    }
}

/* ---- life ---------------------------------------------------------------------------- */

/* Returns 0 or an error number. */
static int bind_to(const struct addrinfo *at)
{
    int yes = 1, error;
    server.listen_fd =
        socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, at->ai_protocol);
    if (server.listen_fd < 0)
        return errno;
    if (setsockopt(server.listen_fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) == 0 &&
        bind(server.listen_fd, at->ai_addr, at->ai_addrlen) == 0 &&
        listen(server.listen_fd, SOMAXCONN) == 0)
        return 0;
    error = errno;
    close(server.listen_fd);
    server.listen_fd = -1;
    return error;
}

static enum kn_status listen_at(const char *address, struct kn_buf *error)
{
    char host[256], service[16];
    int port;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found;
    if (!kn_config_split_address(address, host, sizeof host, &port))
        return KN_INVALID;
    snprintf(service, sizeof service, "%d", port);
    int code = getaddrinfo(*host && strcmp(host, "*") != 0 ? host : NULL, service, &hints, &found);
    if (code) {
        kn_buf_printf(error, "health.listen: %s: %s", address, gai_strerror(code));
        return KN_IO;
    }
    code = bind_to(found);
    freeaddrinfo(found);
    if (code) {
        kn_buf_printf(error, "health.listen: cannot listen on %s: %s", address, strerror(code));
        return KN_IO;
    }
    struct sockaddr_storage bound;
    socklen_t size = sizeof bound;
    if (getsockname(server.listen_fd, (struct sockaddr *)&bound, &size) == 0 &&
        getnameinfo((struct sockaddr *)&bound, size, NULL, 0, service, sizeof service,
                    NI_NUMERICSERV) == 0) {
        uint64_t number = 0;
        (void)kn_str_to_u64(kn_str_from(service), &number);
        server.port = (int)number;
    }
    return KN_OK;
}

enum kn_status kn_health_start(const char *address, const char *service, struct kn_buf *error)
{
    server.service = service;
    server.started_at = kn_time_now();
    for (size_t i = 0; i < CLIENTS_MAX; i++)
        server.clients[i].fd = -1;
    enum kn_status status = listen_at(address, error);
    if (status != KN_OK)
        return status;
    server.stop_fd = eventfd(0, EFD_CLOEXEC);
    server.running = server.stop_fd >= 0 && pthread_create(&server.thread, NULL, serve, NULL) == 0;
    if (server.running)
        return KN_OK;
    kn_health_stop();
    return KN_NOMEM;
}

void kn_health_stop(void)
{
    if (server.running) {
        uint64_t one = 1;
        ssize_t written = write(server.stop_fd, &one, sizeof one);
        (void)written;
        pthread_join(server.thread, NULL);
        server.running = false;
        for (size_t i = 0; i < CLIENTS_MAX; i++)
            if (server.clients[i].fd >= 0)
                hang_up(&server.clients[i]);
    }
    if (server.listen_fd >= 0)
        close(server.listen_fd);
    if (server.stop_fd >= 0)
        close(server.stop_fd);
    server.listen_fd = server.stop_fd = -1;
    server.port = 0;
    pthread_mutex_lock(&lock);
    told.at = 0;
    pthread_mutex_unlock(&lock);
}

int kn_health_port(void)
{
    return server.port;
}
