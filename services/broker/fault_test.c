#include "services/broker/port/driver.h"

#include "services/common/count.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct {
    const char *scheme;
    const char *error, *code, *remedy; /* remedy: a part of it */
} cases[] = {
    {"redis", "NOPERM this user has no permissions to run the 'time' command (TIME)",
     "access_refused", "ACL SETUSER"},
    {"redis", "WRONGPASS invalid username-password pair or user is disabled.",
     "broker_login_refused", "percent-encoded"},
    {"redis", "NOAUTH Authentication required.", "broker_login_refused", "requires a password"},
    {"redis",
     "ERR AUTH <password> called without any password configured for the default user. Are you "
     "sure your configuration is correct?",
     "broker_login_refused", "no password"},
    {"redis", "ERR Client sent AUTH, but no password is set", "broker_login_refused",
     "no password"},
    {"redis", "MOVED 866 127.0.0.1:7001", "redis_cluster", "Celery does not run"},
    {"redis", "ERR SELECT is not allowed in cluster mode", "redis_cluster", "Celery does not run"},
    {"redis", "READONLY You can't write against a read only replica.", "broker_readonly", "master"},
    {"redis", "LOADING Redis is loading the dataset in memory", "broker_starting", "wait"},
    {"redis", "ERR DB index is out of range", "broker_no_database", "databases"},
    {"redis", "the sentinel does not know the master's name", "sentinel_unknown_master",
     "sentinel_master"},
    {"redis", "127.0.0.1 port 1: Connection refused", "broker_unreachable", "running"},
    {"redis", "nowhere port 1: Name or service not known", "broker_unknown_host", "DNS"},
    {"redis", "h port 1: Connection timed out", "broker_unreachable", "firewalls"},
    {"redis", "TLS: the broker's certificate is not trusted: self-signed certificate",
     "broker_not_trusted", "tls_ca"},
    {"redis", "TLS: the broker's certificate is not trusted: hostname mismatch",
     "broker_not_trusted", "tls_verify"},
    {"redis", "TLS: the broker's certificate is not trusted: certificate has expired",
     "broker_not_trusted", "Renew"},
    {"redis", "TLS: the handshake failed: wrong version number", "broker_tls_failed", "speaks TLS"},
    {"amqp", "TLS: the handshake failed: tlsv13 alert certificate required",
     "broker_wants_certificate", "tls_cert"},
    {"redis", "socket /run/r.sock: No such file or directory", "broker_unreachable", "unixsocket"},
    {"redis", "Protocol error, got \"H\" as reply type byte", "broker_wrong_port", "port"},
    {"amqp",
     "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. For details see "
     "the broker logfile.",
     "broker_login_refused", "user and password"},
    {"amqp", "ACCESS_REFUSED - access to queue 'x' in vhost '/' refused for user 'u'",
     "access_refused", "set_permissions"},
    {"amqp", "NOT_ALLOWED - vhost v not found", "broker_vhost_refused", "virtual host"},
    {"amqp", "a socket error occurred", "broker_wrong_port", "amqps"},
    {"amqp",
     "management API: TLS: the certificate is not trusted: SSL certificate problem: self-signed "
     "certificate in certificate chain",
     "broker_not_trusted", "tls_ca"},
    {"amqp",
     "management API: TLS: the certificate is not trusted: SSL: no alternative certificate subject "
     "name matches target host name '127.0.0.1'",
     "broker_not_trusted", "host name"},
    {"amqp",
     "management API: TLS: the certificate is not trusted: SSL: no alternative certificate subject "
     "name matches target ipv4 address '127.0.0.1'",
     "broker_not_trusted", "host name"},
    {"amqp", "management API: the user or password was refused", "management_refused", "tag"},
    {"amqp", "management API: Failed to connect to h port 1: Connection refused",
     "management_unavailable", "management_url"},
    {"amqp", "something else", "broker_unreachable", "broker_url"},
    {"amqp", "", "broker_unreachable", "broker_url"},
};

static void the_remedy_fits_the_failure(void **state)
{
    (void)state;
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++) {
        const struct broker_scheme *scheme;
        const struct broker_driver *driver =
            broker_driver_of(kn_str_from(cases[i].scheme), &scheme);
        const struct broker_fault *fault = broker_fault_of(driver, kn_str_from(cases[i].error));
        if (strcmp(fault->code, cases[i].code) != 0 || !strstr(fault->remedy, cases[i].remedy))
            fail_msg("%s: %s: %s", cases[i].error, fault->code, fault->remedy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_remedy_fits_the_failure)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
