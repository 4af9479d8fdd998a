#include "tests/bench/options.h"

#include "services/common/text/str.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

static const char help[] =
    "Usage: kanchi-load --broker URL (--tasks N | --events N | --seconds S) [options]\n"
    "\n"
    "Sends the events that Celery's workers and clients would send, and prints what the\n"
    "broker took as a JSON object. Each task is sent, received, started and ends.\n"
    "\n"
    "  --broker URL          as Celery's broker_url\n"
    "  --tasks N             begins so many tasks\n"
    "  --events N            begins tasks as long as these have fewer events than N\n"
    "  --seconds S           begins tasks for so long; what has begun is always ended\n"
    "  --rate N              events a second (0: as fast as it can)\n"
    "  --burst N             at a rate: N events at once, and then a pause (1)\n"
    "  --pace MS             at a rate: milliseconds between looks at the clock (5)\n"
    "  --workers N           (50)\n"
    "  --concurrency N       tasks that a worker runs at a time, up to 32 (8)\n"
    "  --prefetch N          tasks that a worker has in advance, up to 128 (32)\n"
    "  --names N             names of tasks (40); a few of them are the most frequent\n"
    "  --batch N             events in a worker's message, 1 to 24 (0: as measured from a\n"
    "                        prefork worker, 1 to 5, 2.7 in the mean)\n"
    "  --sent-share X        tasks whose client sends task-sent (1)\n"
    "  --fail-share X        (0.05)\n"
    "  --retry-share X       tasks that are retried once and then succeed (0.03)\n"
    "  --revoke-share X      (0.005)\n"
    "  --reject-share X      (0.005)\n"
    "  --progress-share X    tasks that send an event of their own, task-progress (0.01)\n"
    "  --payload KIND        small, mixed or big (mixed); see payload.h\n"
    "  --seed N              the same seed makes the same tasks (1)\n"
    "  --confirm             RabbitMQ: count what the broker has confirmed\n"
    "  --patience S          how long to wait for a broker that is away (30)\n"
    "  --stay                workers send no worker-offline at the end\n"
    "  --expect FILE         writes which counts a monitor should have in the end\n";

static void fail(const char *name, const char *text)
{
    fprintf(stderr, "kanchi-load: --%s does not take \"%s\"; see --help\n", name, text);
    exit(2);
}

static double number(const char *name, const char *text, double most)
{
    double value;
    if (!kn_str_to_f64(kn_str_from(text), &value) || value < 0 || value > most)
        fail(name, text);
    return value;
}

static uint64_t count(const char *name, const char *text, uint64_t least, uint64_t most)
{
    uint64_t value;
    if (!kn_str_to_u64(kn_str_from(text), &value) || value < least || value > most)
        fail(name, text);
    return value;
}

static enum load_payload payload(const char *text)
{
    static const char *const names[] = {"small", "mixed", "big"};
    for (int i = LOAD_SMALL; i <= LOAD_BIG; i++)
        if (strcmp(text, names[i]) == 0)
            return (enum load_payload)i;
    fail("payload", text);
    return LOAD_MIXED;
}

enum {
    BROKER,
    EXPECT,
    TASKS,
    EVENTS,
    SECONDS,
    RATE,
    BURST,
    PACE,
    WORKERS,
    CONCURRENCY,
    PREFETCH,
    NAMES,
    BATCH,
    SENT,
    FAIL,
    RETRY,
    REVOKE,
    REJECT,
    PROGRESS,
    PAYLOAD,
    SEED,
    CONFIRM,
    PATIENCE,
    STAY,
    HELP
};

static const struct option table[] = {{"broker", required_argument, NULL, BROKER},
                                      {"expect", required_argument, NULL, EXPECT},
                                      {"tasks", required_argument, NULL, TASKS},
                                      {"events", required_argument, NULL, EVENTS},
                                      {"seconds", required_argument, NULL, SECONDS},
                                      {"rate", required_argument, NULL, RATE},
                                      {"burst", required_argument, NULL, BURST},
                                      {"pace", required_argument, NULL, PACE},
                                      {"workers", required_argument, NULL, WORKERS},
                                      {"concurrency", required_argument, NULL, CONCURRENCY},
                                      {"prefetch", required_argument, NULL, PREFETCH},
                                      {"names", required_argument, NULL, NAMES},
                                      {"batch", required_argument, NULL, BATCH},
                                      {"sent-share", required_argument, NULL, SENT},
                                      {"fail-share", required_argument, NULL, FAIL},
                                      {"retry-share", required_argument, NULL, RETRY},
                                      {"revoke-share", required_argument, NULL, REVOKE},
                                      {"reject-share", required_argument, NULL, REJECT},
                                      {"progress-share", required_argument, NULL, PROGRESS},
                                      {"payload", required_argument, NULL, PAYLOAD},
                                      {"seed", required_argument, NULL, SEED},
                                      {"confirm", no_argument, NULL, CONFIRM},
                                      {"patience", required_argument, NULL, PATIENCE},
                                      {"stay", no_argument, NULL, STAY},
                                      {"help", no_argument, NULL, HELP},
                                      {0}};

static void set(struct load_options *o, int key, const char *name, const char *text)
{
    switch (key) {
    case BROKER:
        o->broker = text;
        break;
    case EXPECT:
        o->expect = text;
        break;
    case TASKS:
        o->tasks = count(name, text, 1, 1000000000);
        break;
    case EVENTS:
        o->events = count(name, text, 1, 10000000000);
        break;
    case SECONDS:
        o->seconds = number(name, text, 1e6);
        break;
    case RATE:
        o->rate = number(name, text, 1e9);
        break;
    case BURST:
        o->burst = count(name, text, 1, 1000000000);
        break;
    case PACE:
        o->slice = number(name, text, 1e6) / 1000;
        break;
    case WORKERS:
        o->workers = (unsigned)count(name, text, 1, LOAD_WORKERS_MAX);
        break;
    case CONCURRENCY:
        o->concurrency = (unsigned)count(name, text, 1, LOAD_CONCURRENCY_MAX);
        break;
    case PREFETCH:
        o->prefetch = (unsigned)count(name, text, 1, LOAD_PREFETCH_MAX);
        break;
    case NAMES:
        o->names = (unsigned)count(name, text, 1, LOAD_NAMES_MAX);
        break;
    case BATCH:
        o->batch = (unsigned)count(name, text, 0, LOAD_BATCH_MAX);
        break;
    case SENT:
        o->sent_share = number(name, text, 1);
        break;
    case FAIL:
        o->fail_share = number(name, text, 1);
        break;
    case RETRY:
        o->retry_share = number(name, text, 1);
        break;
    case REVOKE:
        o->revoke_share = number(name, text, 1);
        break;
    case REJECT:
        o->reject_share = number(name, text, 1);
        break;
    case PROGRESS:
        o->progress_share = number(name, text, 1);
        break;
    case PAYLOAD:
        o->payload = payload(text);
        break;
    case SEED:
        o->seed = count(name, text, 0, UINT64_MAX);
        break;
    case CONFIRM:
        o->confirm = true;
        break;
    case PATIENCE:
        o->patience = number(name, text, 1e6);
        break;
    case STAY:
        o->stay = true;
        break;
    case HELP:
        fputs(help, stdout);
        exit(0);
    default:
        fputs("kanchi-load: see --help\n", stderr);
        exit(2);
    }
}

void load_options_read(int argc, char **argv, struct load_options *ret)
{
    *ret = (struct load_options){.burst = 1,
                                 .slice = 0.005,
                                 .workers = 50,
                                 .concurrency = 8,
                                 .prefetch = 32,
                                 .names = 40,
                                 .sent_share = 1,
                                 .fail_share = 0.05,
                                 .retry_share = 0.03,
                                 .revoke_share = 0.005,
                                 .reject_share = 0.005,
                                 .progress_share = 0.01,
                                 .payload = LOAD_MIXED,
                                 .seed = 1,
                                 .patience = 30};
    int key, index = 0;
    while ((key = getopt_long(argc, argv, "", table, &index)) != -1)
        set(ret, key, key == '?' ? "" : table[index].name, optarg);
    if (optind < argc || !ret->broker || !(ret->tasks || ret->events || ret->seconds > 0)) {
        fputs("kanchi-load: it takes --broker, and --tasks, --events or --seconds; see --help\n",
              stderr);
        exit(2);
    }
    double ends = ret->fail_share + ret->retry_share + ret->revoke_share + ret->reject_share;
    if (ends > 1) {
        fputs("kanchi-load: the shares of failures, retries, revoked and rejected tasks are "
              "more than 1 together\n",
              stderr);
        exit(2);
    }
}
