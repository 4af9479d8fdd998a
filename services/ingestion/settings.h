/* Converts the configuration to ingestion's options. */
#ifndef INGESTION_SETTINGS_H
#define INGESTION_SETTINGS_H

#include "services/broker/settings.h"
#include "services/ingestion/ingestion.h"

struct ingest_settings {
    struct broker_settings broker;
    struct ingestion_options ingestion;
    char *spool_dir;
    int lock; /* of its number, with ingestion.instance "auto"; -1: none */
};

/* CONFIG: error gets a message. Strings of config must outlive ret. */
enum kn_status ingest_settings_read(struct ingest_settings *ret, const struct kn_config *config,
                                    struct kn_buf *error) KN_MUST_CHECK;
/* Safe on a zeroed struct. */
void ingest_settings_fini(struct ingest_settings *settings);

#endif
