#include "services/launcher/doctor.h"
#include "services/broker/settings.h"
#include "services/common/process/exposed.h"
#include "services/common/process/log.h"
#include "services/common/process/service.h"
#include "services/common/text/clean.h"
#include "services/common/text/mask.h"
#include "services/control/doctor/doctor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME "kanchi"
enum { NAMED = 5 };

struct doctor {
    struct kn_config config;
    const struct kn_config_broker *broker; /* the one that is looked at */
    struct broker_settings settings;
    bool sound; /* nothing is wrong so far */
};

/* Texts come from the broker and its workers too. */
static void line(const char *mark, struct kn_str text, struct kn_str advice)
{
    struct kn_buf out;
    kn_buf_init(&out, 0);
    kn_buf_printf(&out, "  %-5s ", mark);
    kn_clean(&out, text);
    kn_buf_text(&out, advice.len ? "\n        " : "");
    kn_clean(&out, advice);
    printf("%.*s\n", KN_STR_ARG(kn_buf_view(&out)));
    kn_buf_fini(&out);
}

static void show_workers(const struct kn_msg_doctor_report *report)
{
    struct kn_buf out;
    size_t count = report->workers.count;
    kn_buf_init(&out, 0);
    kn_buf_printf(&out, "%zu %s replied: ", count, count == 1 ? "worker" : "workers");
    for (size_t i = 0; i < count && i < NAMED; i++)
        kn_buf_printf(&out, "%s%.*s", i ? ", " : "", KN_STR_ARG(report->workers.items[i]));
    if (count > NAMED)
        kn_buf_printf(&out, " and %zu more", count - NAMED);
    line("ok", kn_buf_view(&out), KN_STR_ABSENT);
    kn_buf_fini(&out);
}

static void show_report(struct doctor *doctor, const struct kn_msg_doctor_report *report)
{
    if (report->reachable)
        line("ok", KN_STR("connected"), KN_STR_ABSENT);
    if (report->workers.count)
        show_workers(report);
    for (size_t i = 0; i < report->findings.count; i++) {
        const struct kn_msg_finding *finding = &report->findings.items[i];
        bool wrong = finding->severity == KN_SEVERITY_ERROR;
        doctor->sound = doctor->sound && !wrong;
        line(wrong ? "WRONG" : "note", finding->text, finding->remedy);
    }
}

static void look(struct doctor *doctor)
{
    struct control_pidbox *pidbox = NULL;
    struct kn_arena arena;
    struct kn_msg_doctor_report report;
    const struct control_doctor_options options = {
        .source = doctor->broker->name,
        .broker = &doctor->settings.options,
        .reply_timeout_us = doctor->config.control.reply_timeout,
        .memory_max = (size_t)doctor->config.control.memory_max,
    };
    kn_arena_init(&arena, 0);
    enum kn_status status = control_pidbox_new(&doctor->settings.options, &pidbox);
    if (status == KN_OK)
        status = control_doctor_look(pidbox, &options, &arena, &report);
    if (status == KN_OK)
        show_report(doctor, &report);
    else
        line("WRONG", kn_str_from(kn_status_text(status)), KN_STR_ABSENT);
    doctor->sound = doctor->sound && status == KN_OK;
    control_pidbox_free(pidbox);
    kn_arena_fini(&arena);
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
    struct kn_buf shown;
    kn_buf_init(&shown, 0);
    kn_mask_url(doctor->broker->url, &shown);
    kn_clean(&text, kn_buf_view(&shown));
    kn_buf_fini(&shown);
    printf("%s at %.*s\n", doctor->broker->name, KN_STR_ARG(kn_buf_view(&text)));
    fflush(stdout);
    look(doctor);
    kn_buf_fini(&text);
    broker_settings_fini(&doctor->settings);
    return KN_EXIT_OK;
}

int launcher_doctor(int argc, char **argv)
{
    struct kn_service service;
    struct doctor doctor = {.sound = true};
    int code;
    if (!kn_program_init(&service, &doctor.config, NAME, "Check the brokers and workers", argc,
                         argv, &code))
        return code;
    kn_exposed_warn(&doctor.config, NAME);
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
