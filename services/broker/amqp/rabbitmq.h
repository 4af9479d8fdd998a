/* The headers of rabbitmq-c, which moved to a folder in 0.12. */
#ifndef BROKER_AMQP_RABBITMQ_H
#define BROKER_AMQP_RABBITMQ_H

#if __has_include(<rabbitmq-c/amqp.h>)
#include <rabbitmq-c/amqp.h>
#include <rabbitmq-c/framing.h>
#include <rabbitmq-c/tcp_socket.h>
#else
#include <amqp.h>
#include <amqp_framing.h>
#include <amqp_tcp_socket.h>
#endif

#endif
