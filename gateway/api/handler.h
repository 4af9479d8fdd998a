/* What the handlers of requests in api_*.c share: asking storage and control, and who acts. */
#ifndef KN_GATEWAY_API_HANDLER_H
#define KN_GATEWAY_API_HANDLER_H

#include "gateway/api/app.h"
#include "gateway/api/routes.h"
#include "gateway/http/body.h"
#include "gateway/http/reply.h"
#include "gateway/view/view.h"

/* How long an answer of storage is awaited, in µs: not long when its feed is silent. */
int64_t gw_patience(struct gw_app *app);
/* Asks storage. Returns the answer, which is of kind want and to be freed with
 * kn_bus_message_free; or NULL, and x is a problem. */
struct kn_bus_message *gw_ask(struct gw_exchange *x, enum kn_kind kind, const void *msg,
                              enum kn_kind want);
/* Whether storage knows this source; if not, x is a problem. Absent: it becomes the only
 * one that there is. Asks storage only for what the gateway does not know itself. */
bool gw_find_source(struct gw_exchange *x, struct kn_str *source);
/* The same of the control of a source, which may take patience µs longer than it takes to
 * ask. The source is one that storage knows. */
struct kn_bus_message *gw_ask_control(struct gw_exchange *x, struct kn_str source,
                                      enum kn_kind kind, const void *msg, enum kn_kind want,
                                      int64_t patience);
/* Who acts, for a request that does: in the arena. NULL, and x is a problem. */
struct kn_msg_action *gw_new_action(struct gw_exchange *x, bool dry_run);
/* A random UUID in the arena; absent, and x is a problem. */
struct kn_str gw_new_uuid(struct gw_exchange *x);
/* Reports a wrong parameter of x if signal is present and not one of CELERY_SIGNALS. */
void gw_check_signal(struct gw_exchange *x, struct kn_str signal);

#endif
