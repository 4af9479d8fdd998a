#include "services/broker/amqp/amqp_session.h"

#define RIGHTS                                                                                     \
    "Grant the rights that docs/brokers.md lists: rabbitmqctl set_permissions "                    \
    "-p VHOST USER '^kanchi[.-].*' '^(kanchi[.-].*|celery\\.pidbox|amq\\.default)$' "              \
    "'^(celeryev|kanchi[.-].*|reply\\.celery\\.pidbox)$'"

static const struct broker_fault_row faults[] = {
    {"ACCESS_REFUSED", "Login was refused", {"broker_login_refused", BROKER_REMEDY_LOGIN}},
    {"ACCESS_REFUSED", NULL, {"access_refused", RIGHTS}},
    {"NOT_ALLOWED",
     "vhost",
     {"broker_vhost_refused", "Check the virtual host at the end of the URL, and the user's "
                              "permissions for it: rabbitmqctl list_user_permissions USER."}},
    {"memory alarm",
     NULL,
     {"publishers_blocked", "Free memory on the RabbitMQ node, or raise "
                            "vm_memory_high_watermark."}},
    {"disk alarm",
     NULL,
     {"publishers_blocked", "Free disk space on the RabbitMQ node, or lower disk_free_limit."}},
    {"login method",
     NULL,
     {"broker_login_refused", "RabbitMQ does not offer this login_method: see its "
                              "auth_mechanisms."}},
    {"management API",
     "subject name", /* what follows differs between versions of curl */
     {"broker_not_trusted", "Use the host name that the certificate of the management API is for, "
                            "or set tls_verify to false."}},
    {"management API",
     "TLS: the certificate is not trusted",
     {"broker_not_trusted", "Set tls_ca to the certificate of the authority that signed the "
                            "certificate of the management API, or tls_verify to false."}},
    {"management API",
     "user or password",
     {"management_refused", "Check the user and password in management_url; the user needs the "
                            "tag monitoring or management (rabbitmqctl set_user_tags)."}},
    {"management API",
     NULL,
     {"management_unavailable", "Check management_url: it is the address of RabbitMQ's management "
                                "pages (the plugin rabbitmq_management, port 15672 or 15671)."}},
    {0},
};

static const struct broker_fault_row late_faults[] = {
    {"socket error",
     NULL,
     {"broker_wrong_port", "The server at this address does not speak AMQP, or uses TLS (amqps://, "
                           "port 5671): check the port."}},
    {0},
};

static const struct broker_scheme schemes[] = {
    {"amqp", 0, 5672, 5671},
    {"pyamqp", 0, 5672, 5671},
    {"librabbitmq", 0, 5672, 5671},
    {"amqps", BROKER_SCHEME_TLS, 5671, 5671},
    {0},
};

const struct broker_driver broker_amqp_driver = {
    .traits =
        {
            .product = "RabbitMQ",
            .default_vhost = "/",
            .keeps_events = true,
            .gap_reason = "RabbitMQ restarted or lost Kanchi's queue",
            .declares_queues = true,
        },
    .schemes = schemes,
    .default_login = "guest",
    .external_login = true,
    .faults = faults,
    .late_faults = late_faults,

    .receive = broker_amqp_receive,

    .meter_new = broker_amqp_meter_new,
    .meter_fini = broker_amqp_meter_fini,
    .meter_connected = broker_amqp_meter_connected,
    .measure = broker_amqp_measure,
    .places = broker_amqp_places,

    .session_new = broker_amqp_session_new,
    .session_fini = broker_amqp_session_fini,
    .connected = broker_amqp_connected,
    .fanout = broker_amqp_fanout,
    .send = broker_amqp_send,
    .replies_open = broker_amqp_replies_open,
    .replies_receive = broker_amqp_replies_receive,
    .replies_close = broker_amqp_replies_close,
    .look = broker_amqp_look,
    .no_stream = broker_amqp_no_stream,
    .purge = broker_amqp_purge,
    .move = broker_amqp_move,
    .remove = broker_amqp_remove,
};
