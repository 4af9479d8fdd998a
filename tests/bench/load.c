/* kanchi-load: sends the events of many workers to a broker. See options.c. */
#include "services/common/process/log.h"
#include "services/common/text/time.h"
#include "tests/bench/payload.h"
#include "tests/bench/sender.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

struct load {
    struct load_options options;
    struct broker_url *url;
    struct broker_options broker;
    const struct sender_kind *kind;
    void *sender;
    struct fleet *fleet;
    struct ledger *ledger;
    struct kn_buf error;
    int64_t begin_us; /* monotonic */
    uint64_t made;    /* events */
    unsigned reconnects;
};

static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
    (void)number;
    stopped = 1;
}

static void nap(int64_t us)
{
    struct timespec pause = {us / KN_SECOND, us % KN_SECOND * 1000};
    nanosleep(&pause, NULL);
}

static void die(struct load *load, const char *what)
{
    fprintf(stderr, "kanchi-load: %s: %.*s\n", what, (int)load->error.len,
            load->error.data ? load->error.data : "");
    exit(1);
}

static void connect_to(struct load *load)
{
    int64_t end = kn_time_mono() + (int64_t)(load->options.patience * 1e6);
    for (;;) {
        kn_buf_clear(&load->error);
        enum kn_status status =
            load->kind->open(load->sender, &load->broker, load->options.confirm, &load->error);
        if (status == KN_OK)
            return;
        load->kind->close(load->sender);
        if (stopped || kn_time_mono() >= end)
            die(load, "cannot reach the broker");
        nap(100000);
    }
}

/* What waited for an answer when the connection went is not sent again: the
 * broker may have it. */
static void check(struct load *load, enum kn_status status)
{
    if (status == KN_OK)
        return;
    if (status == KN_NOMEM || status == KN_FULL)
        die(load, kn_status_text(status));
    fprintf(stderr, "kanchi-load: the connection is lost, connecting again: %.*s\n",
            (int)load->error.len, load->error.data ? load->error.data : "");
    ledger_lost(load->ledger);
    load->kind->close(load->sender);
    load->reconnects++;
    connect_to(load);
}

static void publish(struct load *load, const struct load_message *message)
{
    load->made += message->count;
    check(load, load->kind->publish(load->sender, message, load->ledger, &load->error));
}

static void flush(struct load *load)
{
    check(load, load->kind->flush(load->sender, load->ledger, &load->error));
}

/* --- when --- */

/* How many events are due at this time, in lumps of options.burst. */
static uint64_t due(const struct load *load, int64_t elapsed_us)
{
    if (load->options.rate <= 0)
        return UINT64_MAX;
    uint64_t all = (uint64_t)(load->options.rate * (double)elapsed_us / 1e6);
    return all / load->options.burst * load->options.burst;
}

/* Sends what is due. False at the end. */
static bool send_due(struct load *load, uint64_t events)
{
    struct load_message message;
    enum { LOOK = 64 }; /* messages between looks at the clock for --seconds */
    for (unsigned i = 0; load->made < events; i++) {
        if (!fleet_next(load->fleet, kn_time_now(), &message))
            return false;
        publish(load, &message);
        double seconds = load->options.seconds;
        if (i % LOOK == 0 &&
            (stopped || (seconds > 0 && (double)(kn_time_mono() - load->begin_us) > seconds * 1e6)))
            fleet_finish(load->fleet);
    }
    while (fleet_beat(load->fleet, kn_time_now(), &message))
        publish(load, &message);
    return true;
}

static void run(struct load *load)
{
    int64_t slice_us = (int64_t)(load->options.slice * 1e6), next = kn_time_mono();
    load->begin_us = next;
    while (send_due(load, due(load, kn_time_mono() - load->begin_us))) {
        flush(load);
        next += slice_us;
        int64_t now = kn_time_mono();
        if (next > now)
            nap(next - now);
        else
            next = now;
    }
    flush(load);
}

/* --- what it tells --- */

static double cpu_seconds(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void report(const struct load *load)
{
    const struct ledger_totals *t = ledger_totals(load->ledger);
    double seconds = (double)(kn_time_mono() - load->begin_us) / 1e6;
    printf("{\"tasks\": %llu, \"events\": %llu, \"messages\": %llu, \"bytes\": %llu, "
           "\"seconds\": %.3f, \"rate\": %.0f, \"cpu_seconds\": %.3f, \"subscribers\": %llu, "
           "\"unsure_messages\": %llu, \"unsure_events\": %llu, \"reconnects\": %u}\n",
           (unsigned long long)fleet_tasks(load->fleet), (unsigned long long)t->events,
           (unsigned long long)t->messages, (unsigned long long)t->bytes, seconds,
           (double)t->events / seconds, cpu_seconds(),
           (unsigned long long)(t->messages ? t->subscribers : 0),
           (unsigned long long)t->unsure_messages, (unsigned long long)t->unsure_events,
           load->reconnects);
}

static void write_expect(struct load *load)
{
    struct kn_buf out;
    kn_buf_init(&out, 0);
    ledger_expect(load->ledger, &out);
    FILE *file = fopen(load->options.expect, "w");
    bool good =
        kn_buf_status(&out) == KN_OK && file && fwrite(out.data, 1, out.len, file) == out.len;
    if (file && fclose(file) != 0)
        good = false;
    kn_buf_fini(&out);
    if (!good) {
        perror(load->options.expect);
        exit(1);
    }
}

static void setup(struct load *load)
{
    kn_buf_init(&load->error, 0);
    if (broker_url_parse(kn_str_from(load->options.broker), &load->url, &load->error) != KN_OK)
        die(load, "the broker's URL is not valid");
    broker_options_init(&load->broker);
    load->broker.url = load->url;
    load->kind = broker_traits(load->url)->enveloped ? &sender_redis : &sender_amqp;
    load->sender = calloc(1, load->kind->size);
    payload_setup(load->options.seed);
    if (!load->sender || fleet_new(&load->options, &load->fleet) != KN_OK ||
        ledger_new(&load->options, load->options.expect != NULL, &load->ledger) != KN_OK)
        die(load, "out of memory");
}

int main(int argc, char **argv)
{
    struct load load = {0};
    load_options_read(argc, argv, &load.options);
    kn_log_setup("load", KN_LOG_WARN, false);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGTERM, on_signal);
    signal(SIGINT, on_signal);
    setup(&load);
    connect_to(&load);
    run(&load);
    report(&load);
    if (load.options.expect)
        write_expect(&load);
    load.kind->close(load.sender);
    fleet_free(load.fleet);
    ledger_free(load.ledger);
    free(load.sender);
    broker_url_free(load.url);
    kn_buf_fini(&load.error);
    return 0;
}
