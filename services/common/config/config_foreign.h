/* Variables that begin with KANCHI_ but were made by others. Kubernetes gives every
 * container some for each Service, for one called "kanchi-db" with a port "sql":
 *
 *   KANCHI_DB_SERVICE_HOST=10.0.0.7            KANCHI_DB_PORT=tcp://10.0.0.7:5432
 *   KANCHI_DB_SERVICE_PORT=5432                KANCHI_DB_PORT_5432_TCP=tcp://10.0.0.7:5432
 *   KANCHI_DB_SERVICE_PORT_SQL=5432            KANCHI_DB_PORT_5432_TCP_ADDR=10.0.0.7
 *                                              (and _PORT=5432, _PROTO=tcp)
 *
 * Docker does for a link called "kanchi_db": the right column, and
 *
 *   KANCHI_DB_NAME=/web/kanchi_db              KANCHI_DB_ENV_PGDATA=/data
 *
 * Name and value must both have this form, so that a misspelt setting is still found. */
#ifndef KN_COMMON_CONFIG_CONFIG_FOREIGN_H
#define KN_COMMON_CONFIG_CONFIG_FOREIGN_H

#include <stdbool.h>

/* Whether others made variable ("KANCHI_PORT=tcp://…", with a "="). env, as environ, has the name
 * of the link that an ENV_ belongs to. Also true for what belongs to ./dev, to tests and to the
 * commands of `kanchi`. */
bool config_is_foreign(const char *variable, const char *const *env);

#endif
