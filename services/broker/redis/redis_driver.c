#include "services/broker/redis/redis_session.h"

#define RIGHTS                                                                                     \
    "Grant the missing right with ACL SETUSER, using the rules in docs/brokers.md. The error "     \
    "names the command, key or channel."

static const struct broker_fault_row faults[] = {
    {"cluster",
     NULL,
     {"redis_cluster", "Celery does not run on Redis Cluster: use a single Redis, or Redis with "
                       "Sentinel (sentinel://), as the broker of Celery and Kanchi."}},
    {"MOVED ",
     NULL,
     {"redis_cluster", "This is a node of a Redis Cluster, on which Celery does not run: use a "
                       "single Redis, or Redis with Sentinel (sentinel://)."}},
    {"NOPERM", NULL, {"access_refused", RIGHTS}},
    {"READONLY",
     NULL,
     {"broker_readonly", "The URL leads to a replica: use the master's URL, or sentinels "
                         "(sentinel://). Kanchi reconnects at each attempt."}},
    {"AUTH",
     "without any password",
     {"broker_login_refused", "This Redis has no password: remove the password from the URL."}},
    {"AUTH",
     "no password is set",
     {"broker_login_refused", "This Redis has no password: remove the password from the URL."}},
    {"NOAUTH",
     NULL,
     {"broker_login_refused", "This Redis requires a password: add it to the URL "
                              "(redis://:password@host:6379/0)."}},
    {"WRONGPASS", NULL, {"broker_login_refused", BROKER_REMEDY_LOGIN}},
    {"invalid password", NULL, {"broker_login_refused", BROKER_REMEDY_LOGIN}},
    {"DENIED Redis is running in protected mode",
     NULL,
     {"broker_login_refused", "Set a password in Redis, or bind it to the address that Kanchi and "
                              "the workers use."}},
    {"LOADING",
     NULL,
     {"broker_starting", "Redis is loading its data from disk: wait until it has finished."}},
    {"MASTERDOWN",
     NULL,
     {"broker_readonly", "The URL leads to a replica without its master: use the master's URL, or "
                         "sentinels (sentinel://)."}},
    {"max number of clients",
     NULL,
     {"broker_full", "Raise maxclients of Redis, or close unused connections."}},
    {"DB index is out of range",
     NULL,
     {"broker_no_database", "Redis has fewer databases (its setting databases): correct the "
                            "number at the end of the URL."}},
    {"OOM ",
     NULL,
     {"broker_full", "Redis has reached maxmemory: raise it, or find out what uses the memory."}},
    {"MISCONF",
     NULL,
     {"broker_full", "Redis can't save its data and accepts no writes: check its log and disk."}},
    {"sentinel",
     "name",
     {"sentinel_unknown_master",
      "Set sentinel_master to the name that the sentinels watch (Celery's "
      "master_name): SENTINEL MASTERS lists them."}},
    {0},
};

static const struct broker_fault_row late_faults[] = {
    {"socket ",
     "No such file",
     {"broker_unreachable",
      "The socket does not exist: compare the path with unixsocket in Redis's configuration."}},
    {"socket ",
     "Permission denied",
     {"broker_unreachable",
      "Kanchi's user has no access to the socket: see unixsocketperm in Redis's configuration."}},
    {"rotocol",
     NULL,
     {"broker_wrong_port",
      "The server at this address is not Redis, or uses TLS (rediss://): check the port."}},
    {0},
};

static const struct broker_scheme schemes[] = {
    {"redis", 0, 6379, 6379},
    {"rediss", BROKER_SCHEME_TLS, 6379, 6379},
    {"redis+socket", BROKER_SCHEME_SOCKET, 0, 0},
    {"socket", BROKER_SCHEME_SOCKET, 0, 0},
    {"unix", BROKER_SCHEME_SOCKET, 0, 0},
    {"sentinel", BROKER_SCHEME_SENTINEL, 26379, 26379},
    {0},
};

const struct broker_driver broker_redis_driver = {
    .traits =
        {
            .product = "Redis",
            .enveloped = true,
            .routed_by_kombu = true,
            .gap_reason = "the connection to Redis was lost",
            .reads_in_place = true,
            .keeps_purged = true,
            .removes_one_by_one = true,
        },
    .schemes = schemes,
    .faults = faults,
    .late_faults = late_faults,

    .receive = broker_redis_receive,

    .meter_new = broker_redis_meter_new,
    .meter_fini = broker_redis_meter_fini,
    .meter_connected = broker_redis_meter_connected,
    .measure = broker_redis_measure,
    .places = broker_redis_places,

    .session_new = broker_redis_session_new,
    .session_fini = broker_redis_session_fini,
    .connected = broker_redis_connected,
    .fanout = broker_redis_fanout,
    .send = broker_redis_send,
    .replies_open = broker_redis_replies_open,
    .replies_receive = broker_redis_replies_receive,
    .replies_close = broker_redis_replies_close,
    .clock = broker_redis_clock,
    .replies_sweep = broker_redis_sweep,
    .look = broker_redis_look,
    .unacked = broker_redis_unacked,
    .purge = broker_redis_purge,
    .purged = broker_redis_purged,
    .kept = broker_redis_kept,
    .purged_end = broker_redis_purged_end,
    .move = broker_redis_move,
    .remove = broker_redis_remove,
    .find = broker_redis_find,
    .take_out = broker_redis_take_out,
    .bindings = broker_redis_bindings,
};
