#include "services/broker/fault.h"

#include "services/common/count.h"

#include <stdlib.h>

enum { ANY = 3, REDIS = 1, AMQP = 2 };

#define RIGHTS_REDIS                                                                               \
    "Give the user the missing right: ACL SETUSER, with the rules in docs/brokers.md. The error "  \
    "names the command, key or channel."
#define RIGHTS_AMQP                                                                                \
    "Give the user the rights that docs/brokers.md lists: rabbitmqctl set_permissions "            \
    "-p VHOST USER '^kanchi[.-].*' '^(kanchi[.-].*|celery\\.pidbox|amq\\.default)$' "              \
    "'^(celeryev|kanchi[.-].*|reply\\.celery\\.pidbox)$'"
#define PASSWORD                                                                                   \
    "Check the user and password of the broker's URL. A user or password with / ? # @ : ; % in "   \
    "it must be percent-encoded."

/* The first that fits; all texts of a row must be in the error. */
static const struct {
    int kinds;
    const char *has, *also; /* also may be NULL */
    struct broker_fault fault;
} faults[] = {
    {REDIS,
     "cluster",
     NULL,
     {"redis_cluster", "Celery does not run on Redis Cluster: use a single Redis, or Redis with "
                       "Sentinel (sentinel://), as the broker of Celery and Kanchi."}},
    {REDIS,
     "MOVED ",
     NULL,
     {"redis_cluster", "This is a node of a Redis Cluster, on which Celery does not run: use a "
                       "single Redis, or Redis with Sentinel (sentinel://)."}},
    {REDIS, "NOPERM", NULL, {"access_refused", RIGHTS_REDIS}},
    {REDIS,
     "READONLY",
     NULL,
     {"broker_readonly", "The URL leads to a replica: use the master's URL, or sentinels "
                         "(sentinel://). Kanchi connects again at each attempt."}},
    {REDIS,
     "AUTH",
     "without any password",
     {"broker_login_refused", "This Redis has no password: take the password out of the URL."}},
    {REDIS,
     "AUTH",
     "no password is set",
     {"broker_login_refused", "This Redis has no password: take the password out of the URL."}},
    {REDIS,
     "NOAUTH",
     NULL,
     {"broker_login_refused", "This Redis asks for a password: add it to the URL "
                              "(redis://:password@host:6379/0)."}},
    {REDIS, "WRONGPASS", NULL, {"broker_login_refused", PASSWORD}},
    {REDIS, "invalid password", NULL, {"broker_login_refused", PASSWORD}},
    {REDIS,
     "DENIED Redis is running in protected mode",
     NULL,
     {"broker_login_refused", "Set a password in Redis, or bind it to the address that Kanchi and "
                              "the workers use."}},
    {REDIS,
     "LOADING",
     NULL,
     {"broker_starting", "Redis is loading its data from disk: wait until it has finished."}},
    {REDIS,
     "MASTERDOWN",
     NULL,
     {"broker_readonly", "The URL leads to a replica without its master: use the master's URL, or "
                         "sentinels (sentinel://)."}},
    {REDIS,
     "max number of clients",
     NULL,
     {"broker_full", "Raise maxclients of Redis, or close unused connections."}},
    {REDIS,
     "DB index is out of range",
     NULL,
     {"broker_no_database", "Redis has fewer databases (its setting databases): correct the "
                            "number at the end of the URL."}},
    {REDIS,
     "OOM ",
     NULL,
     {"broker_full", "Redis has reached maxmemory: raise it, or find out what uses the memory."}},
    {REDIS,
     "MISCONF",
     NULL,
     {"broker_full", "Redis can't save its data and accepts no writes: check its log and disk."}},
    {REDIS,
     "sentinel",
     "name",
     {"sentinel_unknown_master",
      "Set sentinel_master to the name that the sentinels watch (Celery's "
      "master_name): SENTINEL MASTERS lists them."}},
    {AMQP, "ACCESS_REFUSED", "Login was refused", {"broker_login_refused", PASSWORD}},
    {AMQP, "ACCESS_REFUSED", NULL, {"access_refused", RIGHTS_AMQP}},
    {AMQP,
     "NOT_ALLOWED",
     "vhost",
     {"broker_vhost_refused", "Check the virtual host at the end of the URL, and the user's "
                              "permissions for it: rabbitmqctl list_user_permissions USER."}},
    {AMQP,
     "memory alarm",
     NULL,
     {"publishers_blocked", "Free memory on the RabbitMQ node, or raise "
                            "vm_memory_high_watermark."}},
    {AMQP,
     "disk alarm",
     NULL,
     {"publishers_blocked", "Free disk space on the RabbitMQ node, or lower disk_free_limit."}},
    {AMQP,
     "login method",
     NULL,
     {"broker_login_refused", "RabbitMQ does not offer this login_method: see its "
                              "auth_mechanisms."}},
    {AMQP,
     "management API",
     "subject name", /* what follows differs between versions of curl */
     {"broker_not_trusted", "Use the host name that the certificate of the management API is for, "
                            "or set tls_verify to false."}},
    {AMQP,
     "management API",
     "TLS: the certificate is not trusted",
     {"broker_not_trusted", "Set tls_ca to the certificate of the authority that signed the "
                            "certificate of the management API, or tls_verify to false."}},
    {AMQP,
     "management API",
     "user or password",
     {"management_refused", "Check the user and password in management_url; the user needs the "
                            "tag monitoring or management (rabbitmqctl set_user_tags)."}},
    {AMQP,
     "management API",
     NULL,
     {"management_unavailable", "Check management_url: it is the address of RabbitMQ's management "
                                "pages (the plugin rabbitmq_management, port 15672 or 15671)."}},
    {ANY,
     "TLS",
     "ostname mismatch",
     {"broker_not_trusted", "Use the host name that the broker's certificate is for, or set "
                            "tls_verify to false."}},
    {ANY,
     "TLS",
     "IP address mismatch",
     {"broker_not_trusted", "Use the host name that the broker's certificate is for, or set "
                            "tls_verify to false."}},
    {ANY, "TLS", "expired", {"broker_not_trusted", "Renew the broker's certificate."}},
    {ANY,
     "TLS",
     "not trusted",
     {"broker_not_trusted",
      "Set tls_ca to the certificate of the authority that signed the broker's certificate."}},
    {ANY,
     "TLS",
     "certificate required",
     {"broker_wants_certificate", "The broker asks for a client certificate: set tls_cert and "
                                  "tls_key."}},
    {ANY,
     "TLS",
     "handshake failure",
     {"broker_wants_certificate", "If the broker asks for a client certificate, set tls_cert and "
                                  "tls_key; otherwise check its TLS versions and ciphers."}},
    {ANY, "TLS", "cannot be", {"broker_tls_files", "Check tls_ca, tls_cert and tls_key."}},
    {ANY,
     "TLS",
     NULL,
     {"broker_tls_failed", "Does this port speak TLS? If not, use redis:// or amqp:// (or "
                           "sentinel_tls: off for sentinels); RabbitMQ has TLS on port 5671."}},
    {ANY,
     "refused",
     NULL,
     {"broker_unreachable", "Nothing listens at this address: check that the broker is running, "
                            "and that host and port match broker_url in Celery's configuration."}},
    {ANY,
     "not known",
     NULL,
     {"broker_unknown_host", "The host name can't be resolved: check its spelling, and the DNS of "
                             "this machine or container."}},
    {ANY,
     "name resolution",
     NULL,
     {"broker_unknown_host", "The DNS of this machine or container does not answer."}},
    {ANY,
     "No address associated",
     NULL,
     {"broker_unknown_host", "The host name can't be resolved: check its spelling, and the DNS of "
                             "this machine or container."}},
    {ANY,
     "timed out",
     NULL,
     {"broker_unreachable", "No answer: check the host and port, firewalls and network policies."}},
    {ANY,
     "no answer in time",
     NULL,
     {"broker_unreachable", "The broker accepted the connection but does not answer: is it "
                            "overloaded or stopped, or does another program use the port?"}},
    {ANY,
     "unreachable",
     NULL,
     {"broker_unreachable", "This address is unreachable: check the host and the network."}},
    {ANY,
     "No route",
     NULL,
     {"broker_unreachable", "This address is unreachable: check the host and the network."}},
    {REDIS,
     "socket ",
     "No such file",
     {"broker_unreachable",
      "The socket does not exist: compare the path with unixsocket in Redis's configuration."}},
    {REDIS,
     "socket ",
     "Permission denied",
     {"broker_unreachable",
      "Kanchi's user may not use the socket: see unixsocketperm in Redis's configuration."}},
    {REDIS,
     "rotocol",
     NULL,
     {"broker_wrong_port",
      "The server at this address is not Redis, or uses TLS (rediss://): check the port."}},
    {ANY,
     "closed",
     NULL,
     {"broker_wrong_port", "The broker closed the connection: check the port, and use rediss:// or "
                           "amqps:// if it uses TLS."}},
    {AMQP,
     "socket error",
     NULL,
     {"broker_wrong_port", "The server at this address does not speak AMQP, or uses TLS (amqps://, "
                           "port 5671): check the port."}},
};

static bool has(struct kn_str error, const char *text)
{
    return error.len && memmem(error.ptr, error.len, text, strlen(text));
}

const struct broker_fault *broker_fault_of(enum broker_kind kind, struct kn_str error)
{
    static const struct broker_fault unknown = {
        "broker_unreachable", "Compare the URL with broker_url in Celery's configuration."};
    int bit = kind == BROKER_REDIS ? REDIS : AMQP;
    for (size_t i = 0; i < KN_COUNT_OF(faults); i++)
        if ((faults[i].kinds & bit) && has(error, faults[i].has) &&
            (!faults[i].also || has(error, faults[i].also)))
            return &faults[i].fault;
    return &unknown;
}
