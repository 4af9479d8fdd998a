#include "services/broker/port/driver.h"

#include "services/common/count.h"

#include <stdlib.h>

/* Of every broker. The first row that fits counts. */
static const struct broker_fault_row common[] = {
    {"TLS",
     "ostname mismatch",
     {"broker_not_trusted", "Use the host name that the broker's certificate is for, or set "
                            "tls_verify to false."}},
    {"TLS",
     "IP address mismatch",
     {"broker_not_trusted", "Use the host name that the broker's certificate is for, or set "
                            "tls_verify to false."}},
    {"TLS", "expired", {"broker_not_trusted", "Renew the broker's certificate."}},
    {"TLS",
     "not trusted",
     {"broker_not_trusted",
      "Set tls_ca to the certificate of the authority that signed the broker's certificate."}},
    {"TLS",
     "certificate required",
     {"broker_wants_certificate", "The broker requires a client certificate: set tls_cert and "
                                  "tls_key."}},
    {"TLS",
     "handshake failure",
     {"broker_wants_certificate", "If the broker requires a client certificate, set tls_cert and "
                                  "tls_key; otherwise check its TLS versions and ciphers."}},
    {"TLS", "cannot be", {"broker_tls_files", "Check tls_ca, tls_cert and tls_key."}},
    {"TLS",
     NULL,
     {"broker_tls_failed", "Check that this port speaks TLS. If not, use redis:// or amqp:// (or "
                           "sentinel_tls: off for sentinels); RabbitMQ has TLS on port 5671."}},
    {"refused",
     NULL,
     {"broker_unreachable", "Nothing listens at this address: check that the broker is running, "
                            "and that host and port match broker_url in Celery's configuration."}},
    {"not known",
     NULL,
     {"broker_unknown_host", "The host name can't be resolved: check its spelling, and the DNS of "
                             "this machine or container."}},
    {"name resolution",
     NULL,
     {"broker_unknown_host", "The DNS of this machine or container does not answer."}},
    {"No address associated",
     NULL,
     {"broker_unknown_host", "The host name can't be resolved: check its spelling, and the DNS of "
                             "this machine or container."}},
    {"onnection timed out",
     NULL,
     {"broker_unreachable", "No answer: check the host and port, firewalls and network policies."}},
    {"request timed out",
     NULL,
     {"broker_unreachable", "No answer: check the host and port, firewalls and network policies."}},
    {"timed out", /* an answer, on a connection that works */
     NULL,
     {"broker_unreachable", "The broker accepted the connection but does not answer: check "
                            "that it is running and not overloaded, and that no other "
                            "program uses the port."}},
    {"does not respond",
     NULL,
     {"broker_unreachable",
      "The connection is open, but nothing arrives: check that the broker is running and not "
      "overloaded, and the network to it."}},
    {"unreachable",
     NULL,
     {"broker_unreachable", "This address is unreachable: check the host and the network."}},
    {"No route",
     NULL,
     {"broker_unreachable", "This address is unreachable: check the host and the network."}},
    {"closed",
     NULL,
     {"broker_wrong_port", "The broker closed the connection: check the port, and use rediss:// or "
                           "amqps:// if it uses TLS."}},
    {0},
};

static bool has(struct kn_str error, const char *text)
{
    return error.len && memmem(error.ptr, error.len, text, strlen(text));
}

static const struct broker_fault *find(const struct broker_fault_row *rows, struct kn_str error)
{
    for (; rows->has; rows++)
        if (has(error, rows->has) && (!rows->also || has(error, rows->also)))
            return &rows->fault;
    return NULL;
}

const struct broker_fault *broker_fault_of(const struct broker_driver *driver, struct kn_str error)
{
    static const struct broker_fault unknown = {
        "broker_unreachable", "Compare the URL with broker_url in Celery's configuration."};
    const struct broker_fault_row *const tables[] = {driver->faults, common, driver->late_faults};
    const struct broker_fault *fault = NULL;
    for (size_t i = 0; i < KN_COUNT_OF(tables) && !fault; i++)
        fault = find(tables[i], error);
    return fault ? fault : &unknown;
}
