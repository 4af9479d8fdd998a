/* What the answers of RabbitMQ mean. Without a server. */
#include "services/broker/amqp/amqp.h"

#include "services/common/count.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static enum kn_status status_of(uint16_t code, const char *text)
{
    amqp_channel_close_t closing = {.reply_code = code, .reply_text = amqp_cstring_bytes(text)};
    return broker_amqp_reply(
        (amqp_rpc_reply_t){.reply_type = AMQP_RESPONSE_SERVER_EXCEPTION,
                           .reply = {.id = AMQP_CHANNEL_CLOSE_METHOD, .decoded = &closing}},
        NULL);
}

static void a_queue_whose_node_is_down_is_there(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum kn_status status;
    } cases[] = {
        {"NOT_FOUND - no queue 'mail' in vhost '/'", KN_NOT_FOUND},
        {"NOT_FOUND - no exchange 'mail' in vhost '/'", KN_NOT_FOUND},
        {"NOT_FOUND - home node 'rabbit@b' of durable queue 'mail' in vhost '/' is down or "
         "inaccessible",
         KN_IO},
        {"NOT_FOUND - failed to perform operation on queue 'mail' in vhost '/' due to timeout",
         KN_IO},
        {"NOT_FOUND - queue 'mail' in vhost '/' has crashed and failed to restart", KN_IO},
        {"NOT_FOUND - home node 'rabbit@b' of durable queue 'no queue 'a'' in vhost '/' is down or "
         "inaccessible",
         KN_IO},
        {"", KN_IO},
    };
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++)
        if (status_of(AMQP_NOT_FOUND, cases[i].text) != cases[i].status)
            fail_msg("%s", cases[i].text);
    assert_int_equal(status_of(AMQP_ACCESS_REFUSED, "ACCESS_REFUSED"), KN_DENIED);
    assert_int_equal(status_of(AMQP_PRECONDITION_FAILED, "no queue 'mail'"), KN_CONFLICT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_queue_whose_node_is_down_is_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
