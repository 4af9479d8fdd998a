#include "services/broker/net/tls.h"

#include "services/broker/net/net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define PUMP_SIZE 32768

/* Bytes on their way in one direction. */
struct flow {
    char data[PUMP_SIZE];
    size_t start, end;
    bool closed; /* the side they come from has ended */
};

struct broker_tls {
    SSL_CTX *ctx;
    SSL *ssl;
    int fd;    /* the network's side */
    int inner; /* our end of the socket pair */
    bool started;
    pthread_t thread;
    struct flow in, out; /* of the thread */
    bool read_wants_write, write_wants_read;
    char reason[128]; /* of the thread, until over */
    atomic_bool over;
};

static enum kn_status fail(struct kn_buf *error, enum kn_status status, const char *what)
{
    unsigned long code = ERR_peek_last_error();
    const char *reason = code ? ERR_reason_error_string(code) : NULL;
    kn_buf_clear(error);
    kn_buf_printf(error, "TLS: %s%s%s", what, reason ? ": " : "", reason ? reason : "");
    return status;
}

static enum kn_status load_files(SSL_CTX *ctx, const struct broker_tls_options *options,
                                 struct kn_buf *error)
{
    if (options->ca_file && SSL_CTX_load_verify_locations(ctx, options->ca_file, NULL) != 1)
        return fail(error, KN_CONFIG, "the file of certificate authorities cannot be used");
    if (!options->ca_file && SSL_CTX_set_default_verify_paths(ctx) != 1)
        return fail(error, KN_CONFIG, "the system's certificates cannot be read");
    if (options->cert_file && SSL_CTX_use_certificate_chain_file(ctx, options->cert_file) != 1)
        return fail(error, KN_CONFIG, "the certificate cannot be used");
    if (options->key_file &&
        SSL_CTX_use_PrivateKey_file(ctx, options->key_file, SSL_FILETYPE_PEM) != 1)
        return fail(error, KN_CONFIG, "the key cannot be used");
    return KN_OK;
}

static bool is_address(const char *host)
{
    unsigned char bytes[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

/* Says whom we expect at the other end. */
static bool expect_host(SSL *ssl, const struct broker_tls_options *options, const char *host)
{
    bool address = is_address(host);
    if (!address && SSL_set_tlsext_host_name(ssl, host) != 1)
        return false;
    if (options->verify == BROKER_TLS_NONE || !options->check_hostname)
        return true;
    if (address)
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
    return SSL_set1_host(ssl, host) == 1;
}

static enum kn_status shake_hands(struct broker_tls *tls, struct kn_buf *error)
{
    ERR_clear_error();
    int rc = SSL_connect(tls->ssl);
    if (rc == 1)
        return KN_OK;
    int saved = errno;
    long verify = SSL_get_verify_result(tls->ssl);
    if (verify != X509_V_OK) {
        kn_buf_clear(error);
        kn_buf_printf(error, "TLS: the broker's certificate is not trusted: %s",
                      X509_verify_cert_error_string(verify));
        return KN_DENIED;
    }
    if (SSL_get_error(tls->ssl, rc) == SSL_ERROR_SSL)
        return fail(error, KN_IO, "the handshake failed");
    bool late = saved == EAGAIN || saved == EWOULDBLOCK;
    return fail(error, late ? KN_TIMEOUT : KN_IO,
                late ? "no answer to the handshake" : "the broker ended the handshake");
}

static enum kn_status set_up(struct broker_tls *tls, const struct broker_tls_options *options,
                             const char *host, struct kn_buf *error)
{
    tls->ctx = SSL_CTX_new(TLS_client_method());
    if (!tls->ctx)
        return KN_NOMEM;
    SSL_CTX_set_min_proto_version(tls->ctx, TLS1_2_VERSION);
    SSL_CTX_set_mode(tls->ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_verify(
        tls->ctx, options->verify == BROKER_TLS_NONE ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
    enum kn_status status = load_files(tls->ctx, options, error);
    if (status != KN_OK)
        return status;
    tls->ssl = SSL_new(tls->ctx);
    if (!tls->ssl || SSL_set_fd(tls->ssl, tls->fd) != 1)
        return KN_NOMEM;
    if (!expect_host(tls->ssl, options, host))
        return fail(error, KN_CONFIG, "the host name cannot be used");
    return shake_hands(tls, error);
}

/* With TLS 1.3 a server refuses a certificate only after the handshake. */
static void note_reason(struct broker_tls *tls)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    snprintf(tls->reason, sizeof(tls->reason), "%s", reason ? reason : "");
}

/* Network to socket pair: fills the flow, then empties it. Both end at "would
 * block". Returns false when the connection is over. */
static bool pump_in(struct broker_tls *tls)
{
    struct flow *f = &tls->in;
    tls->read_wants_write = false;
    if (f->start == f->end && !f->closed) {
        ERR_clear_error();
        int n = SSL_read(tls->ssl, f->data, PUMP_SIZE);
        int err = n > 0 ? SSL_ERROR_NONE : SSL_get_error(tls->ssl, n);
        f->start = 0;
        f->end = n > 0 ? (size_t)n : 0;
        tls->read_wants_write = err == SSL_ERROR_WANT_WRITE;
        if (err == SSL_ERROR_SSL)
            note_reason(tls);
        f->closed =
            err != SSL_ERROR_NONE && err != SSL_ERROR_WANT_READ && err != SSL_ERROR_WANT_WRITE;
    }
    while (f->start < f->end) {
        ssize_t n = send(tls->inner, f->data + f->start, f->end - f->start, MSG_NOSIGNAL);
        if (n < 0)
            return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
        f->start += (size_t)n;
    }
    return !f->closed;
}

static bool pump_out(struct broker_tls *tls)
{
    struct flow *f = &tls->out;
    tls->write_wants_read = false;
    if (f->start == f->end && !f->closed) {
        ssize_t n = recv(tls->inner, f->data, PUMP_SIZE, 0);
        f->start = 0;
        f->end = n > 0 ? (size_t)n : 0;
        f->closed = n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
    }
    while (f->start < f->end) {
        ERR_clear_error();
        int n = SSL_write(tls->ssl, f->data + f->start, (int)(f->end - f->start));
        if (n > 0) {
            f->start += (size_t)n;
            continue;
        }
        int err = SSL_get_error(tls->ssl, n);
        tls->write_wants_read = err == SSL_ERROR_WANT_READ;
        return err == SSL_ERROR_WANT_READ || err == SSL_ERROR_WANT_WRITE;
    }
    return !f->closed;
}

static void await(struct broker_tls *tls)
{
    bool in_waiting = tls->in.start < tls->in.end;
    bool out_waiting = tls->out.start < tls->out.end;
    struct pollfd fds[2] = {{.fd = tls->fd}, {.fd = tls->inner}};
    if (!in_waiting || tls->write_wants_read)
        fds[0].events |= POLLIN;
    if ((out_waiting && !tls->write_wants_read) || tls->read_wants_write)
        fds[0].events |= POLLOUT;
    if (in_waiting)
        fds[1].events |= POLLOUT;
    if (!out_waiting)
        fds[1].events |= POLLIN;
    bool more = !in_waiting && SSL_pending(tls->ssl) > 0;
    (void)poll(fds, 2, more ? 0 : -1);
}

static void *pump(void *arg)
{
    struct broker_tls *tls = arg;
    sigset_t none;
    sigfillset(&none);
    pthread_sigmask(SIG_BLOCK, &none, NULL); /* OpenSSL's write() may raise SIGPIPE */
    while (pump_in(tls) && pump_out(tls))
        await(tls);
    atomic_store(&tls->over, true);
    shutdown(tls->inner, SHUT_RDWR);
    shutdown(tls->fd, SHUT_RDWR);
    return NULL;
}

static bool non_blocking(int fd)
{
    return fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) == 0;
}

static enum kn_status start(struct broker_tls *tls, int *ret_fd)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return KN_IO;
    tls->inner = pair[0];
    tls->started = non_blocking(tls->fd) && non_blocking(tls->inner) &&
                   pthread_create(&tls->thread, NULL, pump, tls) == 0;
    if (!tls->started) {
        close(pair[1]);
        return KN_IO;
    }
    *ret_fd = pair[1];
    return KN_OK;
}

enum kn_status broker_tls_open(int fd, const struct broker_tls_options *options, const char *host,
                               int64_t timeout_us, struct kn_buf *error, int *ret_fd,
                               struct broker_tls **ret_tls)
{
    struct broker_tls *tls = calloc(1, sizeof(*tls));
    if (!tls) {
        close(fd);
        return KN_NOMEM;
    }
    tls->fd = fd;
    tls->inner = -1;
    broker_net_timeout(fd, timeout_us);
    enum kn_status status = set_up(tls, options, host, error);
    if (status == KN_OK)
        status = start(tls, ret_fd);
    if (status == KN_OK)
        *ret_tls = tls;
    else
        broker_tls_free(tls);
    return status;
}

const char *broker_tls_reason(const struct broker_tls *tls)
{
    return tls && atomic_load(&tls->over) ? tls->reason : "";
}

void broker_tls_free(struct broker_tls *tls)
{
    if (!tls)
        return;
    if (tls->started) {
        shutdown(tls->inner, SHUT_RDWR);
        pthread_join(tls->thread, NULL);
    }
    SSL_free(tls->ssl);
    SSL_CTX_free(tls->ctx);
    close(tls->fd);
    if (tls->inner >= 0)
        close(tls->inner);
    free(tls);
}
