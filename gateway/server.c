#include "gateway/server_internal.h"

#include "services/common/config.h"
#include "services/common/log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FEATURE_IPV6 = 8 /* mg_check_feature */ };

static int on_log(const struct mg_connection *conn, const char *message)
{
    struct gw_server *server = mg_get_user_context_data(conn);
    if (server && !server->started && !server->error[0])
        snprintf(server->error, sizeof server->error, "%s", message);
    KN_DEBUG("gateway.civetweb", KN_F_TEXT("text", message));
    return 1;
}

static int on_connection(const struct mg_connection *conn, void **conn_data)
{
    struct gw_server *server = mg_get_user_context_data(conn);
    *conn_data = NULL;
    atomic_fetch_add(&server->connections, 1);
    return 0;
}

static void on_closed(const struct mg_connection *conn)
{
    struct gw_server *server = mg_get_user_context_data(conn);
    atomic_fetch_sub(&server->connections, 1);
}

/* ---- the address ------------------------------------------------------------------------ */

static void cannot_listen(char **ret_error, const char *listen, const char *why)
{
    if (ret_error &&
        asprintf(ret_error, "cannot listen on %s: %s (gateway.listen)", listen, why) < 0)
        *ret_error = NULL;
}

/* Tries to bind: civetweb's own message would not say more than that it failed. */
static enum kn_status try_bind(const struct addrinfo *found, const char *listen, char **ret_error)
{
    int yes = 1, error = 0;
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        error = errno;
    if (!error && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0)
        error = errno;
    if (!error && bind(fd, found->ai_addr, found->ai_addrlen) != 0)
        error = errno;
    if (fd >= 0)
        close(fd);
    if (!error)
        return KN_OK;
    cannot_listen(ret_error, listen,
                  error == EADDRINUSE ? "another program uses this port" : strerror(error));
    return KN_IO;
}

/* "localhost:8080" -> "127.0.0.1:8080", as civetweb wants it. */
static enum kn_status resolve(const char *listen, char *ret, size_t size, char **ret_error)
{
    char host[256], service[16], numeric[64];
    int port;
    struct addrinfo hints = {
        .ai_family = AF_INET, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *found = NULL;
    if (!kn_config_split_address(listen, host, sizeof host, &port)) {
        cannot_listen(ret_error, listen, "this is no address and port");
        return KN_CONFIG;
    }
    if (mg_check_feature(FEATURE_IPV6))
        hints.ai_family = AF_UNSPEC;
    snprintf(service, sizeof service, "%d", port);
    int error = getaddrinfo(host[0] ? host : NULL, service, &hints, &found);
    if (error) {
        cannot_listen(ret_error, listen, gai_strerror(error));
        return KN_CONFIG;
    }
    enum kn_status status = port ? try_bind(found, listen, ret_error) : KN_OK;
    if (status == KN_OK) {
        getnameinfo(found->ai_addr, found->ai_addrlen, numeric, sizeof numeric, NULL, 0,
                    NI_NUMERICHOST);
        snprintf(ret, size, found->ai_family == AF_INET6 ? "[%s]:%d" : "%s:%d", numeric, port);
    }
    freeaddrinfo(found);
    return status;
}

/* ---- starting --------------------------------------------------------------------------- */

static struct mg_context *start_civetweb(struct gw_server *server, const char *address)
{
    char threads[16];
    snprintf(threads, sizeof threads, "%u", server->options.threads + SPARE_THREADS);
    const char *options[] = {
        "listening_ports",
        address,
        "num_threads",
        threads,
        "tcp_nodelay",
        "1",
        "max_request_size",
        "32768",
        "request_timeout_ms",
        "10000",
        "enable_keep_alive",
        "yes",
        "keep_alive_timeout_ms",
        "3000",
        "websocket_timeout_ms",
        "10000",
        "enable_websocket_ping_pong",
        "yes",
        "decode_url",
        "no",
        "enable_directory_listing",
        "no",
        "enable_auth_domain_check",
        "no",
        "access_control_allow_origin",
        "",
        "access_control_allow_methods",
        "",
        "access_control_allow_headers",
        "",
        NULL,
    };
    const struct mg_callbacks callbacks = {
        .begin_request = http_begin_request,
        .http_error = http_error,
        .log_message = on_log,
        .init_connection = on_connection,
        .connection_closed = on_closed,
    };
    pthread_attr_t before, small; /* civetweb takes what is the default */
    pthread_getattr_default_np(&before);
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, THREAD_STACK);
    pthread_setattr_default_np(&small);
    mg_init_library(0);
    struct mg_context *context = mg_start(&callbacks, server, options);
    pthread_setattr_default_np(&before);
    pthread_attr_destroy(&small);
    pthread_attr_destroy(&before);
    return context;
}

enum kn_status gw_server_start(const struct gw_server_options *options, struct gw_server **ret,
                               char **ret_error)
{
    char address[128];
    struct mg_server_port port = {0};
    enum kn_status status = resolve(options->listen, address, sizeof address, ret_error);
    if (status != KN_OK)
        return status;
    struct gw_server *server = calloc(1, sizeof *server);
    if (!server)
        return KN_NOMEM;
    server->options = *options;
    server->civetweb = start_civetweb(server, address);
    if (!server->civetweb) {
        cannot_listen(ret_error, options->listen,
                      server->error[0] ? server->error : "the web server does not start");
        free(server);
        return KN_IO;
    }
    server->started = true;
    mg_get_server_ports(server->civetweb, 1, &port);
    char *colon = strrchr(address, ':');
    snprintf(server->address, sizeof server->address, "%.*s:%d", (int)(colon - address), address,
             port.port);
    websocket_register(server);
    *ret = server;
    return KN_OK;
}

void gw_server_stop(struct gw_server *server)
{
    if (!server)
        return;
    mg_stop(server->civetweb);
    mg_exit_library();
    free(server);
}

const char *gw_server_address(const struct gw_server *server)
{
    return server->address;
}
