/* Storage as a service: answers requests, publishes the feed. */
#ifndef KN_STORAGE_SERVICE_H
#define KN_STORAGE_SERVICE_H

#include "services/common/config/config.h"
#include "services/common/process/service.h"

struct storage;

/* Opens the database, binds the addresses. A failure may have a sentence in error; CONFIG, DENIED
 * and VERSION are permanent. */
enum kn_status storage_new(const struct kn_config *config, const struct kn_service *service,
                           struct storage **ret, struct kn_buf *error) KN_MUST_CHECK;
/* Publishes marks every second until the service is asked to stop. */
void storage_run(struct storage *storage);
/* Stops answering, commits waiting requests, and closes the database. NULL is allowed. */
void storage_free(struct storage *storage);

#endif
