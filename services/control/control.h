/* The control service of one broker: switches events on, asks workers about
 * themselves at start, when one appears, and every interval, and tells storage
 * what they say. Settles tasks that stay unfinished (reconcile.h).
 *
 * One thread does everything but that. What the reporter wants to know (the state of the
 * link, and findings) is under a lock. */
#ifndef CONTROL_CONTROL_H
#define CONTROL_CONTROL_H

#include "proto/bus/bus.h"
#include "services/broker/settings.h"
#include "services/common/config/config.h"
#include "services/control/find/result_backend.h"

struct control;

struct control_options {
    const char *source;
    struct broker_options broker;
    bool enable_events;       /* whether events may be switched on */
    int64_t interval_us;      /* between two rounds to everybody */
    int64_t reply_timeout_us; /* how long the replies of a round are awaited */
    size_t workers_max;
    size_t memory_max;          /* bytes of replies of one round that are kept at once */
    int64_t request_timeout_us; /* storage's answer */
    bool reconcile;             /* of tasks that stay unfinished */
    int64_t reconcile_after_us;
    unsigned reconcile_rate; /* questions a second */
    size_t reconcile_tasks_max;
    struct control_result_settings results;
};

/* From the configuration; settings must be given back with broker_settings_fini in
 * either case, and be zeroed before. CONFIG: error gets one sentence. Texts of config
 * and settings must outlive ret. */
enum kn_status control_options_read(const struct kn_config *config,
                                    struct broker_settings *settings, struct control_options *ret,
                                    struct kn_buf *error) KN_MUST_CHECK;

/* Starts the thread; a broker or a storage that is away is no failure. The options
 * are copied; what they point to, and storage, must outlive it. */
enum kn_status control_start(const struct control_options *options, struct kn_bus_client *storage,
                             struct control **ret) KN_MUST_CHECK;
/* Stops, takes our queue away from the broker, and frees. storage is stopped then.
 * NULL is allowed. */
void control_stop(struct control *control);

/* Somebody switches a worker's events off (hold), or on again: as long as it runs, control
 * does not switch them on by itself. From any thread; when it returns, nothing of that
 * kind is on its way to the broker. control is a struct control. */
void control_hold_events(void *control, struct kn_str hostname, bool hold);

/* A kn_reporter_fill; arg is the struct control. */
void control_report(void *arg, struct kn_arena *arena, struct kn_msg_service_status *status);

#endif
