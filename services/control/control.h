/* The control service of one broker: enables events, queries workers at startup, when one
 * appears, and every interval, and sends their replies to storage. Determines the state of
 * unfinished tasks (reconcile.h), in another thread.
 *
 * One thread does everything else. A lock protects what the reporter reads: the state of
 * the connection, and findings. */
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
    bool enable_events;       /* events may be enabled */
    int64_t interval_us;      /* between two rounds to all workers */
    int64_t reply_timeout_us; /* time to wait for the replies of a round */
    size_t workers_max;
    size_t memory_max;          /* bytes of replies of one round held at the same time */
    int64_t request_timeout_us; /* time to wait for storage */
    bool reconcile;             /* check unfinished tasks */
    int64_t reconcile_after_us;
    unsigned reconcile_rate; /* checks per second */
    size_t reconcile_tasks_max;
    struct control_result_settings results;
};

/* Reads the options from the configuration. Zero settings before, and release it with
 * broker_settings_fini in either case. CONFIG: error gets one sentence. Texts of config
 * and settings must outlive ret. */
enum kn_status control_options_read(const struct kn_config *config,
                                    struct broker_settings *settings, struct control_options *ret,
                                    struct kn_buf *error) KN_MUST_CHECK;

/* Starts the thread; an unavailable broker or storage is not a failure. The options
 * are copied; what they point to, and storage, must outlive it. */
enum kn_status control_start(const struct control_options *options, struct kn_bus_client *storage,
                             struct control **ret) KN_MUST_CHECK;
/* Stops storage's client and the thread, deletes our queue on the broker, and frees. NULL is
 * allowed. */
void control_stop(struct control *control);

/* A user disables a worker's events (hold) or enables them again. While they are held, control
 * does not enable them by itself; after the return, no such command is on its way to the broker.
 * Any thread. control is a struct control. */
void control_hold_events(void *control, struct kn_str hostname, bool hold);

/* A kn_reporter_fill; arg is the struct control. */
void control_report(void *arg, struct kn_arena *arena, struct kn_msg_service_status *status);

#endif
