/* What a broker's refusal means, and what mends it. */
#ifndef BROKER_FAULT_H
#define BROKER_FAULT_H

#include "services/broker/broker.h"

struct broker_fault {
    const char *code; /* of the finding */
    const char *remedy;
};

/* By the error text of this library; never NULL: of an unknown one, the remedy asks to
 * compare the URL. Static. */
const struct broker_fault *broker_fault_of(enum broker_kind kind, struct kn_str error);

#endif
