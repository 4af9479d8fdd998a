#include "services/ingestion/survey.h"

#include "services/broker/meter.h"
#include "services/common/process/cond.h"
#include "services/common/process/log.h"
#include "services/common/text/time.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define NAMES_MAX 1000
#define ARENA_MAX ((size_t)16 << 20)

struct ingest_survey {
    struct ingest_survey_options options;
    struct broker_meter *meter;
    struct kn_bus_client *storage;
    pthread_t thread;
    pthread_mutex_t lock; /* latest, own, alarm, ending */
    pthread_cond_t ended;
    struct ingest_depths *latest;
    struct kn_opt_i64 own;
    char error[256]; /* of the last measurement; guarded by lock */
    char alarm[64];
    bool ending;
    uint64_t told; /* hash of the error that was logged last; 0: none since a success */
};

void ingest_depths_free(struct ingest_depths *depths)
{
    if (!depths)
        return;
    kn_arena_fini(&depths->arena);
    free(depths);
}

struct ingest_depths *ingest_survey_take(struct ingest_survey *survey)
{
    pthread_mutex_lock(&survey->lock);
    struct ingest_depths *depths = survey->latest;
    survey->latest = NULL;
    pthread_mutex_unlock(&survey->lock);
    return depths;
}

struct kn_opt_i64 ingest_survey_own(struct ingest_survey *survey)
{
    pthread_mutex_lock(&survey->lock);
    struct kn_opt_i64 own = survey->own;
    pthread_mutex_unlock(&survey->lock);
    return own;
}

void ingest_survey_error(struct ingest_survey *survey, char *ret, size_t size)
{
    pthread_mutex_lock(&survey->lock);
    snprintf(ret, size, "%s", survey->error);
    pthread_mutex_unlock(&survey->lock);
}

void ingest_survey_alarm(struct ingest_survey *survey, char *ret, size_t size)
{
    pthread_mutex_lock(&survey->lock);
    snprintf(ret, size, "%s", survey->alarm);
    pthread_mutex_unlock(&survey->lock);
}

static void keep_error(struct ingest_survey *survey, const char *error)
{
    pthread_mutex_lock(&survey->lock);
    snprintf(survey->error, sizeof(survey->error), "%s", error);
    pthread_mutex_unlock(&survey->lock);
}

/* Logged when it begins and when it ends. */
static void heed_alarm(struct ingest_survey *survey, const char *alarm)
{
    if (strcmp(survey->alarm, alarm) == 0) /* nobody else writes it */
        return;
    if (*alarm)
        KN_WARN("broker.blocked", KN_F_STR("source", survey->options.source),
                KN_F_TEXT("by", alarm));
    else
        KN_INFO("broker.unblocked", KN_F_STR("source", survey->options.source));
    pthread_mutex_lock(&survey->lock);
    snprintf(survey->alarm, sizeof(survey->alarm), "%s", alarm);
    pthread_mutex_unlock(&survey->lock);
}

static void hand_over(struct ingest_survey *survey, struct ingest_depths *depths,
                      struct kn_opt_i64 own)
{
    pthread_mutex_lock(&survey->lock);
    struct ingest_depths *old = survey->latest;
    survey->latest = depths;
    survey->own = own;
    pthread_mutex_unlock(&survey->lock);
    ingest_depths_free(old);
}

/* Our own queue, the names of the configuration, then those that storage knows. */
static size_t collect_names(struct ingest_survey *survey, struct kn_arena *arena,
                            struct kn_str names[NAMES_MAX])
{
    const struct ingest_survey_options *o = &survey->options;
    const struct kn_msg_known_queues_get get = {.source = o->source};
    size_t n = 0;
    if (o->own.ptr)
        names[n++] = o->own;
    for (size_t i = 0; i < o->queue_count && n < NAMES_MAX; i++)
        names[n++] = kn_str_from(o->queues[i]);
    size_t known_before = n;
    struct kn_bus_message *answer =
        kn_bus_request_kind(survey->storage, KN_KIND_KNOWN_QUEUES_GET, &get, o->request_timeout_us,
                            KN_KIND_KNOWN_QUEUES);
    if (!answer)
        return n;
    const struct kn_msg_known_queues *known = answer->msg;
    for (size_t i = 0; i < known->names.count && n < NAMES_MAX; i++)
        names[n++] = kn_arena_str(arena, known->names.items[i]);
    kn_bus_message_free(answer);
    return arena->overflow ? known_before : n;
}

static void convert(struct kn_arena *arena, const struct broker_depth *from, int64_t at,
                    struct kn_msg_queue_depth *to)
{
    *to = (struct kn_msg_queue_depth){.name = from->name, .at = at, .messages = from->messages};
    if (from->unacked >= 0)
        to->unacked = KN_SOME_I64(from->unacked);
    if (from->consumers >= 0)
        to->consumers = KN_SOME_I64(from->consumers);
    to->priorities.items =
        kn_arena_array(arena, from->priority_count, sizeof(*to->priorities.items));
    if (!to->priorities.items)
        return;
    to->priorities.count = from->priority_count;
    for (size_t i = 0; i < from->priority_count; i++) {
        to->priorities.items[i].priority = from->priorities[i].priority;
        to->priorities.items[i].messages = from->priorities[i].messages;
    }
}

/* Each trouble once, until it changes or is over. */
static void tell(struct ingest_survey *survey, const char *error)
{
    uint64_t hash = *error ? kn_hash64(0, error, strlen(error)) : 0;
    if (hash && hash != survey->told)
        KN_WARN("queues.not_measured", KN_F_STR("source", survey->options.source),
                KN_F_TEXT("error", error));
    survey->told = hash;
}

static void measure(struct ingest_survey *survey)
{
    struct kn_str names[NAMES_MAX];
    struct broker_depths found;
    struct ingest_depths *depths = calloc(1, sizeof(*depths));
    if (!depths)
        return;
    kn_arena_init(&depths->arena, ARENA_MAX);
    size_t count = collect_names(survey, &depths->arena, names);
    int64_t at = kn_time_now();
    enum kn_status status =
        broker_meter_measure(survey->meter, names, count, &depths->arena, &found);
    tell(survey, broker_meter_error(survey->meter));
    keep_error(survey, broker_meter_error(survey->meter));
    heed_alarm(survey, broker_meter_alarm(survey->meter));
    if (status == KN_OK)
        depths->items = kn_arena_array(&depths->arena, found.count, sizeof(*depths->items));
    if (!depths->items) {
        ingest_depths_free(depths);
        return;
    }
    struct kn_opt_i64 own = {0};
    for (size_t i = 0; i < found.count; i++) {
        if (survey->options.own.ptr && kn_str_eq(found.items[i].name, survey->options.own))
            own = KN_SOME_I64((int64_t)found.items[i].messages);
        else
            convert(&depths->arena, &found.items[i], at, &depths->items[depths->count++]);
    }
    hand_over(survey, depths, own);
}

/* True when the survey ends before that. */
static bool pause_for(struct ingest_survey *survey, int64_t us)
{
    int64_t deadline = kn_time_mono() + us;
    return kn_cond_sleep_until(&survey->ended, &survey->lock, &survey->ending, deadline);
}

static void *survey_run(void *arg)
{
    struct ingest_survey *survey = arg;
    int64_t first =
        survey->options.interval_us < KN_SECOND ? survey->options.interval_us : KN_SECOND / 2;
    for (bool ending = pause_for(survey, first); !ending;
         ending = pause_for(survey, survey->options.interval_us))
        measure(survey);
    return NULL;
}

enum kn_status ingest_survey_start(const struct ingest_survey_options *options,
                                   const struct broker_options *broker,
                                   struct kn_bus_client *storage, struct ingest_survey **ret)
{
    struct ingest_survey *survey = calloc(1, sizeof(*survey));
    if (!survey)
        return KN_NOMEM;
    survey->options = *options;
    survey->storage = storage;
    enum kn_status status = broker_meter_new(broker, &survey->meter);
    if (status != KN_OK) {
        free(survey);
        return status;
    }
    pthread_mutex_init(&survey->lock, NULL);
    kn_cond_init(&survey->ended);
    if (pthread_create(&survey->thread, NULL, survey_run, survey) != 0) {
        broker_meter_free(survey->meter);
        free(survey);
        return KN_IO;
    }
    *ret = survey;
    return KN_OK;
}

void ingest_survey_free(struct ingest_survey *survey)
{
    if (!survey)
        return;
    pthread_mutex_lock(&survey->lock);
    survey->ending = true;
    pthread_cond_signal(&survey->ended);
    pthread_mutex_unlock(&survey->lock);
    pthread_join(survey->thread, NULL);
    broker_meter_free(survey->meter);
    ingest_depths_free(survey->latest);
    pthread_cond_destroy(&survey->ended);
    pthread_mutex_destroy(&survey->lock);
    free(survey);
}
