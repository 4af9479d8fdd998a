/* What kanchi-load is asked for. */
#ifndef KN_BENCH_OPTIONS_H
#define KN_BENCH_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

enum load_payload { LOAD_SMALL, LOAD_MIXED, LOAD_BIG };

enum {
    LOAD_BATCH_MAX = 24, /* EventDispatcher's buffer_limit */
    LOAD_NAMES_MAX = 10000,
    LOAD_WORKERS_MAX = 10000,
    LOAD_PREFETCH_MAX = 128,
    LOAD_CONCURRENCY_MAX = 32,
};

/* Shares are of all tasks, from 0 to 1. */
struct load_options {
    const char *broker;
    const char *expect; /* file; NULL: none */
    uint64_t tasks;     /* of the three limits the first one that is reached; 0: none */
    uint64_t events;
    double seconds;
    double rate;    /* events a second; 0: as fast as it can */
    uint64_t burst; /* at a rate: events that come at once */
    double slice;   /* at a rate: seconds from one look at the clock to the next */
    unsigned workers;
    unsigned concurrency; /* tasks that a worker runs at a time */
    unsigned prefetch;    /* tasks that it has in advance */
    unsigned names;
    unsigned batch; /* events in a worker's message; 0: as Celery has them */
    double sent_share;
    double fail_share;
    double retry_share;
    double revoke_share;
    double reject_share;
    double progress_share;
    enum load_payload payload;
    uint64_t seed;
    double patience; /* seconds to wait for a broker that is away */
    bool confirm;    /* RabbitMQ: publisher confirms */
    bool stay;       /* workers say no goodbye */
};

/* Fills *ret, whose texts are those of argv. On a wrong option, or when it is
 * asked to, it writes what there is and ends the program. */
void load_options_read(int argc, char **argv, struct load_options *ret);

#endif
