#include "services/broker/receiver_impl.h"
enum kn_status broker_amqp_receive(struct broker_receiver *r, struct kn_buf *error)
{
    (void)r;
    (void)error;
    return KN_UNSUPPORTED;
}
