/* What the handlers in api_*.c share: asking storage and control, and who acts. */
#ifndef KN_GATEWAY_API_HANDLER_H
#define KN_GATEWAY_API_HANDLER_H

#include "gateway/api/app.h"
#include "gateway/api/routes.h"
#include "gateway/http/body.h"
#include "gateway/http/reply.h"
#include "gateway/view/view.h"

/* Time to wait for storage, in µs; short while its feed is silent. */
int64_t gw_patience(struct gw_app *app);
/* Asks storage. Returns the answer, of kind want; release it with kn_bus_message_free. On
 * failure, returns NULL and makes x a problem. */
struct kn_bus_message *gw_ask(struct gw_exchange *x, enum kn_kind kind, const void *msg,
                              enum kn_kind want);
/* True if storage knows this source; otherwise x becomes a problem. An absent source is set to the
 * only existing one. Asks storage only if the gateway's live data does not have the answer. */
bool gw_find_source(struct gw_exchange *x, struct kn_str *source);
/* Like gw_ask, but asks the control of a source, which storage must know. patience: additional
 * time to wait, in µs. */
struct kn_bus_message *gw_ask_control(struct gw_exchange *x, struct kn_str source,
                                      enum kn_kind kind, const void *msg, enum kn_kind want,
                                      int64_t patience);
/* Like gw_ask_control, but without an answer x is no problem. */
struct kn_bus_message *gw_try_control(struct gw_exchange *x, struct kn_str source,
                                      enum kn_kind kind, const void *msg, enum kn_kind want,
                                      int64_t patience);
/* Describes an action and its user; in the arena. On failure, returns NULL and makes x a problem.
 */
struct kn_msg_action *gw_new_action(struct gw_exchange *x, bool dry_run);
/* A random UUID in the arena. On failure, it is absent and x becomes a problem. */
struct kn_str gw_new_uuid(struct gw_exchange *x);
/* Reports an invalid parameter of x if signal is present and not one of CELERY_SIGNALS. */
void gw_check_signal(struct gw_exchange *x, struct kn_str signal);

#endif
