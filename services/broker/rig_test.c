#include "services/broker/rig_test.h"

#include "services/common/text/time.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define ARGS_MAX 64

int rig_port(void)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(addr);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
    close(fd);
    return ntohs(addr.sin_port);
}

const char *rig_path(const struct rig_server *server, const char *name)
{
    static char path[256];
    snprintf(path, sizeof(path), "%s/%s", server->dir, name);
    return path;
}

/* Starts a program with its output in dir/log; it dies with us. */
static pid_t spawn(const char *dir, const char *const *argv, const char *const *env)
{
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(127);
    char log[256];
    snprintf(log, sizeof(log), "%s/log", dir);
    int fd = open(log, O_CREAT | O_WRONLY | O_APPEND, 0600);
    dup2(fd, 1);
    dup2(fd, 2);
    for (; env && *env; env++)
        putenv((char *)*env);
    execvp(argv[0], (char *const *)argv);
    _exit(127);
}

static int wait_for(pid_t pid)
{
    int status = 0;
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int rig_run(const char *const *argv)
{
    return wait_for(spawn("/tmp", argv, NULL));
}

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void make_certificates(const struct rig_server *server)
{
    char script[1024];
    snprintf(script, sizeof(script),
             "cd %s && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes "
             "-keyout ca.key -out ca.pem -days 2 -subj '/CN=test authority' && "
             "openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout key.pem "
             "-out req.pem -subj /CN=localhost && echo 'subjectAltName=DNS:localhost' > ext && "
             "openssl x509 -req -in req.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 "
             "-extfile ext -out cert.pem && chmod 644 *.pem",
             server->dir);
    const char *const argv[] = {"sh", "-c", script, NULL};
    assert_int_equal(wait_for(spawn(server->dir, argv, NULL)), 0);
}

void rig_dir(struct rig_server *server, const char *name, bool certificates)
{
    *server = (struct rig_server){0};
    snprintf(server->dir, sizeof(server->dir), "/tmp/kanchi-test-%s-XXXXXX", name);
    assert_non_null(mkdtemp(server->dir));
    if (certificates)
        make_certificates(server);
}

void rig_dir_remove(struct rig_server *server)
{
    const char *const argv[] = {"rm", "-rf", server->dir, NULL};
    assert_int_equal(rig_run(argv), 0);
}

static bool can_connect(int port)
{
    struct sockaddr_in addr = {.sin_family = AF_INET,
                               .sin_port = htons((uint16_t)port),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool ok = connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0;
    close(fd);
    return ok;
}

static void await_port(const struct rig_server *server, int port, int seconds)
{
    int64_t deadline = kn_time_mono() + seconds * KN_SECOND;
    while (!can_connect(port)) {
        if (kn_time_mono() > deadline || waitpid(server->pid, NULL, WNOHANG) != 0)
            fail_msg("the server in %s does not start", server->dir);
        usleep(20000);
    }
}

void rig_redis_start(struct rig_server *server, const char *const *args)
{
    char port[16];
    char sock[128];
    server->port = server->port ? server->port : rig_port();
    snprintf(port, sizeof(port), "%d", server->port);
    snprintf(sock, sizeof(sock), "%s/redis.sock", server->dir);
    const char *argv[ARGS_MAX] = {"redis-server", "--port",       port, "--dir",
                                  server->dir,    "--save",       "",   "--bind",
                                  "127.0.0.1",    "--unixsocket", sock};
    size_t n = 11;
    for (; args && *args && n < ARGS_MAX - 1; args++)
        argv[n++] = *args;
    server->pid = spawn(server->dir, argv, NULL);
    await_port(server, server->port, 10);
}

void rig_sentinel_start(struct rig_server *server, int master_port)
{
    char text[512];
    server->port = rig_port();
    snprintf(text, sizeof(text), "port %d\ndir %s\nsentinel monitor mymaster 127.0.0.1 %d 1\n",
             server->port, server->dir, master_port);
    write_file(rig_path(server, "sentinel.conf"), text);
    const char *const argv[] = {"redis-server", rig_path(server, "sentinel.conf"), "--sentinel",
                                NULL};
    server->pid = spawn(server->dir, argv, NULL);
    await_port(server, server->port, 10);
}

void rig_stop(struct rig_server *server, int sig)
{
    if (server->pid <= 0)
        return;
    kill(server->pid, sig);
    waitpid(server->pid, NULL, 0);
    server->pid = 0;
}

static void rabbit_config(struct rig_server *server, bool manage)
{
    char text[2048];
    int n = snprintf(text, sizeof(text),
                     "listeners.tcp.local = 127.0.0.1:%d\nlisteners.ssl.local = 127.0.0.1:%d\n"
                     "ssl_options.cacertfile = %s/ca.pem\nssl_options.certfile = %s/cert.pem\n"
                     "ssl_options.keyfile = %s/key.pem\nssl_options.verify = verify_peer\n"
                     "ssl_options.fail_if_no_peer_cert = false\n"
                     "auth_mechanisms.1 = PLAIN\nauth_mechanisms.2 = AMQPLAIN\n"
                     "auth_mechanisms.3 = EXTERNAL\nssl_cert_login_from = common_name\n"
                     "loopback_users = none\n",
                     server->port, server->tls_port, server->dir, server->dir, server->dir);
    if (manage)
        snprintf(text + n, sizeof(text) - (size_t)n,
                 "management.tcp.ip = 127.0.0.1\nmanagement.tcp.port = %d\n"
                 "management.ssl.ip = 127.0.0.1\nmanagement.ssl.port = %d\n"
                 "management.ssl.cacertfile = %s/ca.pem\nmanagement.ssl.certfile = %s/cert.pem\n"
                 "management.ssl.keyfile = %s/key.pem\n",
                 server->manage_port, server->manage_tls_port, server->dir, server->dir,
                 server->dir);
    write_file(rig_path(server, "rabbitmq.conf"), text);
    write_file(rig_path(server, "plugins"),
               manage ? "[rabbitmq_management,rabbitmq_auth_mechanism_ssl]."
                      : "[rabbitmq_auth_mechanism_ssl].");
}

/* Valid until the next call; putenv keeps them. */
static const char *const *rabbit_environment(const struct rig_server *server)
{
    static char env[12][200];
    static const char *list[13];
    const char *d = server->dir;
    size_t n = 0;
    snprintf(env[n++], 200, "HOME=%s", d);
    snprintf(env[n++], 200, "RABBITMQ_NODENAME=kanchi%d@localhost", server->port);
    snprintf(env[n++], 200, "RABBITMQ_CONFIG_FILE=%s/rabbitmq.conf", d);
    snprintf(env[n++], 200, "RABBITMQ_ENABLED_PLUGINS_FILE=%s/plugins", d);
    snprintf(env[n++], 200, "RABBITMQ_MNESIA_BASE=%s/mnesia", d);
    snprintf(env[n++], 200, "RABBITMQ_LOG_BASE=%s/log.d", d);
    snprintf(env[n++], 200, "RABBITMQ_PID_FILE=%s/pid", d);
    snprintf(env[n++], 200, "RABBITMQ_CONF_ENV_FILE=%s/none", d);
    snprintf(env[n++], 200, "RABBITMQ_DIST_PORT=%d", rig_port());
    snprintf(env[n++], 200, "ERL_EPMD_PORT=%d", server->epmd_port);
    snprintf(env[n++], 200, "ERL_EPMD_ADDRESS=127.0.0.1");
    snprintf(env[n++], 200, "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=+S 1:1");
    for (size_t i = 0; i < n; i++)
        list[i] = env[i];
    return list;
}

bool rig_rabbit_start(struct rig_server *server, bool manage)
{
    static const char *const program = "/usr/lib/rabbitmq/bin/rabbitmq-server";
    if (access(program, X_OK) != 0)
        return false;
    bool again = server->port != 0;
    if (!again) {
        server->port = rig_port();
        server->tls_port = rig_port();
        server->manage_port = rig_port();
        server->manage_tls_port = rig_port();
        server->epmd_port = rig_port();
    }
    rabbit_config(server, manage);
    const char *const argv[] = {program, NULL};
    server->pid = spawn(server->dir, argv, rabbit_environment(server));
    await_port(server, server->port, 60);
    if (manage)
        await_port(server, server->manage_port, 60);
    return true;
}

void rig_program_start(struct rig_server *server, const char *dir, const char *const *argv)
{
    server->pid = spawn(dir, argv, NULL);
    await_port(server, server->port, 10);
}

void rig_rabbit_ctl(const struct rig_server *server, const char *const *words)
{
    char node[64];
    snprintf(node, sizeof(node), "kanchi%d@localhost", server->port);
    const char *argv[8] = {"/usr/lib/rabbitmq/bin/rabbitmqctl", "-q", "-n", node};
    for (size_t n = 4; *words && n < 7; words++)
        argv[n++] = *words;
    assert_int_equal(wait_for(spawn(server->dir, argv, rabbit_environment(server))), 0);
}

void rig_rabbit_stop(struct rig_server *server)
{
    rig_stop(server, SIGTERM);
    if (!server->epmd_port)
        return;
    char script[128];
    snprintf(script, sizeof(script), "epmd -port %d -kill >/dev/null 2>&1; true",
             server->epmd_port);
    const char *const argv[] = {"sh", "-c", script, NULL};
    (void)rig_run(argv);
}

struct broker_url *rig_url(const char *format, ...)
{
    char text[1024];
    struct broker_url *url = NULL;
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    assert_int_equal(broker_url_parse(kn_str_from(text), &url, NULL), KN_OK);
    return url;
}

struct broker_receiver *rig_receiver(const struct broker_options *options)
{
    struct broker_receiver *receiver = NULL;
    assert_int_equal(broker_receiver_start(options, &receiver), KN_OK);
    return receiver;
}

bool rig_in_state(struct broker_receiver *receiver, enum broker_state wanted)
{
    struct broker_receiver_status status;
    for (int i = 0; i < 1000; i++) {
        broker_receiver_status(receiver, &status);
        if (status.state == wanted)
            return true;
        usleep(10000);
    }
    return false;
}
