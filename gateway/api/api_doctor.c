#include "gateway/api/handler.h"

#include "proto/codec.h"
#include "services/common/text/time.h"

/* It waits for workers as long as control.reply_timeout says. */
static const int64_t PATIENCE_US = KN_MINUTE;

void gw_api_doctor(struct gw_exchange *x)
{
    struct kn_msg_doctor_get get = {.source = gw_params_text(&x->params, "source")};
    if (!gw_params_ok(x) || !gw_find_source(x, &get.source))
        return;
    struct kn_bus_message *answer =
        gw_ask_control(x, get.source, KN_KIND_DOCTOR_GET, &get, KN_KIND_DOCTOR_REPORT, PATIENCE_US);
    if (!answer)
        return;
    kn_msg_json(&x->body, KN_KIND_DOCTOR_REPORT, answer->msg);
    kn_bus_message_free(answer);
}
