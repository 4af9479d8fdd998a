/* Explains a broker's error, and how to fix it. */
#ifndef BROKER_FAULT_H
#define BROKER_FAULT_H

#include "services/broker/broker.h"

struct broker_fault {
    const char *code; /* of the finding */
    const char *remedy;
};

/* Looks up an error text of this library, for the driver of a URL. Never NULL: for an unknown error
 * the remedy is to check the URL. Static. */
const struct broker_fault *broker_fault_of(const struct broker_driver *driver, struct kn_str error);

#endif
