/* What a broker's error means, and its remedy. */
#ifndef BROKER_FAULT_H
#define BROKER_FAULT_H

#include "services/broker/broker.h"

struct broker_fault {
    const char *code; /* of the finding */
    const char *remedy;
};

/* Looks up the error text of this library, for the driver of a URL; never NULL: for an unknown one,
 * the remedy is to compare the URL. Static. */
const struct broker_fault *broker_fault_of(const struct broker_driver *driver, struct kn_str error);

#endif
