#include "services/broker/fault.h"

#include "services/common/count.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct {
    enum broker_kind kind;
    const char *error, *code, *remedy; /* remedy: a part of it */
} cases[] = {
    {BROKER_REDIS, "NOPERM this user has no permissions to run the 'time' command (TIME)",
     "access_refused", "ACL SETUSER"},
    {BROKER_REDIS, "WRONGPASS invalid username-password pair or user is disabled.",
     "broker_login_refused", "percent-encoded"},
    {BROKER_REDIS, "NOAUTH Authentication required.", "broker_login_refused",
     "asks for a password"},
    {BROKER_REDIS,
     "ERR AUTH <password> called without any password configured for the default user. Are you "
     "sure your configuration is correct?",
     "broker_login_refused", "no password"},
    {BROKER_REDIS, "ERR Client sent AUTH, but no password is set", "broker_login_refused",
     "no password"},
    {BROKER_REDIS, "MOVED 866 127.0.0.1:7001", "redis_cluster", "Celery does not run"},
    {BROKER_REDIS, "ERR SELECT is not allowed in cluster mode", "redis_cluster",
     "Celery does not run"},
    {BROKER_REDIS, "READONLY You can't write against a read only replica.", "broker_readonly",
     "master"},
    {BROKER_REDIS, "LOADING Redis is loading the dataset in memory", "broker_starting", "wait"},
    {BROKER_REDIS, "ERR DB index is out of range", "broker_no_database", "databases"},
    {BROKER_REDIS, "the sentinel does not know the master's name", "sentinel_unknown_master",
     "sentinel_master"},
    {BROKER_REDIS, "127.0.0.1 port 1: Connection refused", "broker_unreachable", "running"},
    {BROKER_REDIS, "nowhere port 1: Name or service not known", "broker_unknown_host", "DNS"},
    {BROKER_REDIS, "h port 1: Connection timed out", "broker_unreachable", "firewalls"},
    {BROKER_REDIS, "TLS: the broker's certificate is not trusted: self-signed certificate",
     "broker_not_trusted", "tls_ca"},
    {BROKER_REDIS, "TLS: the broker's certificate is not trusted: hostname mismatch",
     "broker_not_trusted", "tls_verify"},
    {BROKER_REDIS, "TLS: the broker's certificate is not trusted: certificate has expired",
     "broker_not_trusted", "Renew"},
    {BROKER_REDIS, "TLS: the handshake failed: wrong version number", "broker_tls_failed",
     "speak TLS"},
    {BROKER_AMQP, "TLS: the handshake failed: tlsv13 alert certificate required",
     "broker_wants_certificate", "tls_cert"},
    {BROKER_REDIS, "socket /run/r.sock: No such file or directory", "broker_unreachable",
     "unixsocket"},
    {BROKER_REDIS, "Protocol error, got \"H\" as reply type byte", "broker_wrong_port", "port"},
    {BROKER_AMQP,
     "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. For details see "
     "the broker logfile.",
     "broker_login_refused", "user and password"},
    {BROKER_AMQP, "ACCESS_REFUSED - access to queue 'x' in vhost '/' refused for user 'u'",
     "access_refused", "set_permissions"},
    {BROKER_AMQP, "NOT_ALLOWED - vhost v not found", "broker_vhost_refused", "virtual host"},
    {BROKER_AMQP, "a socket error occurred", "broker_wrong_port", "amqps"},
    {BROKER_AMQP,
     "management API: TLS: the certificate is not trusted: SSL certificate problem: self-signed "
     "certificate in certificate chain",
     "broker_not_trusted", "tls_ca"},
    {BROKER_AMQP,
     "management API: TLS: the certificate is not trusted: SSL: no alternative certificate subject "
     "name matches target host name '127.0.0.1'",
     "broker_not_trusted", "host name"},
    {BROKER_AMQP,
     "management API: TLS: the certificate is not trusted: SSL: no alternative certificate subject "
     "name matches target ipv4 address '127.0.0.1'",
     "broker_not_trusted", "host name"},
    {BROKER_AMQP, "management API: user or password is refused", "management_refused", "tag"},
    {BROKER_AMQP, "management API: Failed to connect to h port 1: Connection refused",
     "management_unavailable", "management_url"},
    {BROKER_AMQP, "something else", "broker_unreachable", "broker_url"},
    {BROKER_AMQP, "", "broker_unreachable", "broker_url"},
};

static void the_remedy_fits_the_failure(void **state)
{
    (void)state;
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++) {
        const struct broker_fault *fault =
            broker_fault_of(cases[i].kind, kn_str_from(cases[i].error));
        if (strcmp(fault->code, cases[i].code) != 0 || !strstr(fault->remedy, cases[i].remedy))
            fail_msg("%s: %s: %s", cases[i].error, fault->code, fault->remedy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_remedy_fits_the_failure)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
