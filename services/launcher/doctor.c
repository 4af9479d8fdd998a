#include "services/launcher/doctor.h"
#include "services/broker/redis.h"
#include "services/broker/settings.h"
#include "services/common/log.h"
#include "services/common/service.h"
#include "services/common/time.h"
#include "services/control/conf.h"
#include "services/control/pidbox.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME "kanchi"
#define WORKERS_MAX 1000
#define DATABASES_MAX 64

/* What the workers of one broker answered. */
struct answers {
    struct kn_arena arena;
    struct kn_str names[WORKERS_MAX];
    struct control_conf confs[WORKERS_MAX];
    size_t count;
};

struct doctor {
    struct kn_config config;
    const struct kn_config_broker *broker; /* the one that is looked at */
    struct broker_settings settings;
    bool sound; /* nothing is wrong so far */
};

static void line(const char *mark, const char *text)
{
    printf("  %-5s %s\n", mark, text);
}

static void advice(const char *text)
{
    printf("        %s\n", text);
}

/* --- which databases of Redis have workers --- */

/* The number behind " db=" in a line of CLIENT LIST; -1 when there is none. */
static int64_t field_of(struct kn_str line, const char *name)
{
    const char *at = memmem(line.ptr, line.len, name, strlen(name));
    if (!at)
        return -1;
    const char *end = line.ptr + line.len, *digits = at + strlen(name), *stop = digits;
    while (stop < end && isdigit((unsigned char)*stop))
        stop++;
    uint64_t number;
    return kn_str_to_u64((struct kn_str){digits, (size_t)(stop - digits)}, &number) &&
                   number < 1000000
               ? (int64_t)number
               : -1;
}

static int by_number(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

/* A worker has a connection with a pattern subscription, for commands; its
 * database is the one in which it works. */
static size_t find_databases(struct broker_redis *redis, int *ret)
{
    const struct kn_str args[] = {KN_STR("CLIENT"), KN_STR("LIST")};
    size_t count = 0;
    redisReply *reply = broker_redis_command(redis, NULL, 2, args);
    bool listed = reply && reply->type == REDIS_REPLY_STRING;
    for (const char *at = listed ? reply->str : ""; *at;) {
        struct kn_str line = {at, strcspn(at, "\n")};
        int number = (int)field_of(line, " db=");
        bool known = number < 0 || field_of(line, " psub=") < 1;
        for (size_t k = 0; k < count; k++)
            known = known || ret[k] == number;
        if (!known && count < DATABASES_MAX)
            ret[count++] = number;
        at += line.len + (at[line.len] == '\n');
    }
    freeReplyObject(reply);
    qsort(ret, count, sizeof(*ret), by_number);
    return count;
}

/* Says where else there are workers. */
static void look_at_databases(struct doctor *doctor)
{
    int found[DATABASES_MAX];
    struct broker_redis redis = {0};
    struct kn_buf text, error;
    kn_buf_init(&text, 0);
    kn_buf_init(&error, 0);
    size_t count = broker_redis_open(&doctor->settings.options, -1, &error, &redis) == KN_OK
                       ? find_databases(&redis, found)
                       : 0;
    for (size_t i = 0; i < count; i++)
        if (found[i] != doctor->settings.url->db)
            kn_buf_printf(&text, "%s%d", text.len ? ", " : "", found[i]);
    if (text.len > 0) {
        printf("  note  workers seem to listen in other databases of this Redis: %.*s\n",
               KN_STR_ARG(kn_buf_view(&text)));
        advice("each is a broker of its own: the number at the end of the URL chooses it");
    }
    broker_redis_close(&redis);
    kn_buf_fini(&text);
    kn_buf_fini(&error);
}

/* --- what the workers say --- */

static void take_answer(struct answers *answers, const struct celery_reply *reply)
{
    if (answers->count == WORKERS_MAX || reply->failed)
        return;
    for (size_t i = 0; i < answers->count; i++)
        if (kn_str_eq(answers->names[i], reply->hostname))
            return;
    struct control_conf conf = {0};
    if (control_conf_read(reply->value, &conf) != KN_OK)
        conf.known = false;
    answers->names[answers->count] = kn_arena_str(&answers->arena, reply->hostname);
    answers->confs[answers->count++] = conf;
}

static enum kn_status collect(struct control_pidbox *pidbox, int64_t wait_us,
                              struct answers *answers)
{
    int64_t end = kn_time_mono() + wait_us;
    int64_t left;
    while ((left = end - kn_time_mono()) > 0) {
        struct celery_reply reply;
        enum kn_status status = control_pidbox_reply(pidbox, left, &answers->arena, &reply);
        if (status == KN_OK)
            take_answer(answers, &reply);
        else if (control_pidbox_lost(status))
            return status;
    }
    return KN_OK;
}

static enum kn_status ask_workers(struct doctor *doctor, struct control_pidbox *pidbox,
                                  struct answers *answers)
{
    char ticket[33];
    kn_random_hex(ticket, sizeof(ticket));
    int64_t wait_us = doctor->config.control.reply_timeout;
    const struct control_question_text question = {
        .method = "conf",
        .arguments = "{\"with_defaults\":false}",
        .ticket = kn_str_from(ticket),
        .expires_at = kn_time_now() + wait_us,
    };
    enum kn_status status = control_pidbox_open(pidbox, wait_us);
    if (status == KN_OK)
        status = control_pidbox_ask(pidbox, &question, NULL);
    if (status == KN_OK)
        status = collect(pidbox, wait_us, answers);
    control_pidbox_close(pidbox);
    return status;
}

static bool lacks_events(const struct control_conf *conf)
{
    return !conf->send_task_events;
}

static bool lacks_sent(const struct control_conf *conf)
{
    return !conf->send_sent_event;
}

static bool lacks_extended(const struct control_conf *conf)
{
    return conf->has_backend && !conf->result_extended;
}

static bool lacks_backend(const struct control_conf *conf)
{
    return !conf->has_backend;
}

static const struct {
    bool (*lacks)(const struct control_conf *conf);
    const char *what;
    const char *remedy;
} matters[] = {
    {lacks_events, "worker_send_task_events is off",
     "without it, workers that were not started with -E send no task events; kanchi up switches "
     "them on, unless enable_events is false"},
    {lacks_sent, "task_send_sent_event is off",
     "set it to True, for clients too: then tasks are seen before a worker has them, and how long "
     "they waited"},
    {lacks_extended, "result_extended is off",
     "set it to True: then the result backend keeps a task's name and arguments in full"},
    {lacks_backend, "there is no result backend",
     "how a task ended whose events were lost cannot be looked up without one"},
};

static void show_names(const struct answers *answers, bool (*which)(const struct control_conf *))
{
    size_t shown = 0, count = 0;
    for (size_t i = 0; i < answers->count; i++)
        count += !which || (answers->confs[i].known && which(&answers->confs[i]));
    for (size_t i = 0; i < answers->count && shown < 5; i++)
        if (!which || (answers->confs[i].known && which(&answers->confs[i])))
            printf("%s%.*s", shown++ ? ", " : "", KN_STR_ARG(answers->names[i]));
    if (count > shown)
        printf(" and %zu more", count - shown);
    printf("\n");
}

static void show_answers(struct doctor *doctor, const struct answers *answers)
{
    if (answers->count == 0) {
        doctor->sound = false;
        line("WRONG", "no worker answered");
        advice("is one running with this broker URL, and is its worker_enable_remote_control not "
               "False?");
        return;
    }
    printf("  ok    %zu %s answered: ", answers->count, answers->count == 1 ? "worker" : "workers");
    show_names(answers, NULL);
    for (size_t m = 0; m < sizeof(matters) / sizeof(matters[0]); m++) {
        size_t count = 0;
        for (size_t i = 0; i < answers->count; i++)
            count += answers->confs[i].known && matters[m].lacks(&answers->confs[i]);
        if (count == 0)
            continue;
        printf("  note  %s: ", matters[m].what);
        show_names(answers, matters[m].lacks);
        advice(matters[m].remedy);
    }
}

static void look_at_workers(struct doctor *doctor)
{
    struct control_pidbox *pidbox = NULL;
    struct answers *answers = calloc(1, sizeof(*answers));
    if (!answers)
        return;
    kn_arena_init(&answers->arena, 0);
    enum kn_status status = control_pidbox_new(&doctor->settings.options, &pidbox);
    if (status == KN_OK)
        status = ask_workers(doctor, pidbox, answers);
    if (status == KN_OK) {
        line("ok", "connected");
        show_answers(doctor, answers);
    } else {
        const char *why = pidbox ? control_pidbox_error(pidbox) : "";
        doctor->sound = false;
        printf("  WRONG cannot be used: %s\n", *why ? why : kn_status_text(status));
    }
    control_pidbox_free(pidbox);
    kn_arena_fini(&answers->arena);
    free(answers);
}

static int look_at_broker(struct doctor *doctor)
{
    struct kn_buf text;
    kn_buf_init(&text, 0);
    if (broker_settings_read(&doctor->settings, doctor->broker, "doctor", &text) != KN_OK) {
        int code = kn_die(NAME, KN_EXIT_CONFIG, "%.*s", KN_STR_ARG(kn_buf_view(&text)));
        kn_buf_fini(&text);
        return code;
    }
    kn_config_url_shown(doctor->broker->url, &text);
    printf("%s at %.*s\n", doctor->broker->name, KN_STR_ARG(kn_buf_view(&text)));
    fflush(stdout);
    look_at_workers(doctor);
    if (doctor->settings.url->kind == BROKER_REDIS)
        look_at_databases(doctor);
    kn_buf_fini(&text);
    broker_settings_fini(&doctor->settings);
    return KN_EXIT_OK;
}

int launcher_doctor(int argc, char **argv)
{
    struct kn_service service;
    struct doctor doctor = {.sound = true};
    int code;
    if (!kn_program_init(&service, &doctor.config, NAME, "looks at the brokers", argc, argv, &code))
        return code;
    code = KN_EXIT_OK;
    for (size_t i = 0; i < doctor.config.n_brokers && code == KN_EXIT_OK; i++) {
        doctor.broker = &doctor.config.brokers[i];
        code = look_at_broker(&doctor);
    }
    if (code == KN_EXIT_OK && !doctor.sound)
        code = KN_EXIT_FAILED;
    kn_service_fini(&service);
    kn_config_fini(&doctor.config);
    return code;
}
