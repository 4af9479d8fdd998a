/* The filter of the task list: read from a query string or a WebSocket frame, and matched against
 * tasks of the feed. */
#ifndef KN_GATEWAY_VIEW_FILTER_H
#define KN_GATEWAY_VIEW_FILTER_H

#include "gateway/http/params.h"

/* The filter's parameters, as routes declare them. */
#define GW_FILTER_PARAMS                                                                           \
    GW_PARAM_NAMES("status", &kn_enum_task_status), GW_PARAM_TEXTS("name"),                        \
        GW_PARAM_TEXTS("worker"), GW_PARAM_TEXTS("queue"), GW_PARAM_TEXTS("source"),               \
        GW_PARAM_TEXT("q"), GW_PARAM_TIME("from"), GW_PARAM_TIME("to"),                            \
        GW_PARAM_CHOICE("time", "seen", "ended"), GW_PARAM_CHOICE("resolved", "", "true", "false")

/* Fills the filter's fields of ret from these parameters; mistakes go to params->problem. Texts
 * are those of params. */
void gw_filter_read(struct gw_params *params, struct kn_msg_tasks_get *ret);

/* A filter prepared for matching many tasks. */
struct gw_filter {
    struct kn_msg_tasks_get get; /* texts are not owned */
    unsigned statuses;           /* bits by enum kn_task_status; all bits without a filter */
};
struct gw_filter gw_filter_of(const struct kn_msg_tasks_get *get);
/* Whether a task matches the filter. Uses status instead of the task's own, and ignores whether the
 * task is marked as resolved, so that clients watching unresolved tasks learn about the mark. */
bool gw_filter_matches(const struct gw_filter *filter, const struct kn_msg_task *task,
                       unsigned status);

#endif
