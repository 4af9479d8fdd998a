/* Private servers for the tests of this folder: each has a free port and its own directory, and is
 * stopped by process ID. */
#ifndef BROKER_RIG_TEST_H
#define BROKER_RIG_TEST_H

#include "services/broker/receiver.h"

#include <sys/types.h>

struct rig_server {
    pid_t pid; /* 0: not running */
    char dir[64];
    int port, tls_port, manage_port, manage_tls_port, epmd_port;
};

/* Free TCP port on 127.0.0.1. */
int rig_port(void);
/* "dir/name" into a static buffer that the next call overwrites. */
const char *rig_path(const struct rig_server *server, const char *name);
/* Makes the directory, and in it ca.pem, cert.pem, key.pem for localhost. */
void rig_dir(struct rig_server *server, const char *name, bool certificates);
/* Removes the directory and everything in it. */
void rig_dir_remove(struct rig_server *server);

/* Starts redis-server with additional arguments, ended by NULL. Reuses the server's port if it has
 * one (restart). Unix socket: redis.sock. */
void rig_redis_start(struct rig_server *server, const char *const *args);
/* Starts a sentinel that watches the master on this port as "mymaster". */
void rig_sentinel_start(struct rig_server *server, int master_port);
/* RabbitMQ with a TLS listener; with manage, the management API too. Takes some seconds. False when
 * RabbitMQ is not installed. */
bool rig_rabbit_start(struct rig_server *server, bool manage);
void rig_rabbit_stop(struct rig_server *server);
/* Any program that listens on server->port, with its output in dir/log. */
void rig_program_start(struct rig_server *server, const char *dir, const char *const *argv);
/* Runs rabbitmqctl with at most three arguments, ended by NULL. Fails the test if the command
 * fails. */
void rig_rabbit_ctl(const struct rig_server *server, const char *const *words);
/* SIGKILL or SIGTERM, and waits. */
void rig_stop(struct rig_server *server, int sig);

/* Formats and parses a URL; fails the test if it is invalid. */
struct broker_url *rig_url(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Starts a receiver; the options' url must outlive it. */
struct broker_receiver *rig_receiver(const struct broker_options *options);
/* Waits up to 10 s for the state. */
bool rig_in_state(struct broker_receiver *receiver, enum broker_state wanted);
/* Runs a command, and returns its exit code. */
int rig_run(const char *const *argv);

#endif
