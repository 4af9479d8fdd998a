#include "services/broker/broker.h"

#include "services/common/text/time.h"

#include <string.h>

static const unsigned char default_steps[] = {0, 3, 6, 9};

void broker_options_init(struct broker_options *options)
{
    *options = (struct broker_options){
        .instance = "kanchi",
        .event_exchange = "celeryev",
        .control_exchange = "celery",
        .queue_prefix = "kanchi.events",
        .key_prefix = "",
        .buffer_max = 64 << 20,
        .message_max = 32 << 20,
        .prefetch = 2000,
        .queue_expires_us = 7 * KN_DAY,
        .queue_ttl_us = KN_DAY,
        .queue_bytes_max = (uint64_t)1 << 30,
        .connect_timeout_us = 5 * KN_SECOND,
        .backoff_max_us = 5 * KN_SECOND,
        .priority_steps = default_steps,
        .priority_count = sizeof(default_steps),
        .separator = "\x06\x16",
    };
}

const char *broker_state_name(enum broker_state state)
{
    static const char *const names[] = {"connecting", "connected", "away"};
    return names[state];
}
