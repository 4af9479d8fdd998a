/* Variables that begin with KANCHI_ but come from other software. Kubernetes sets these in every
 * container for a Service named "kanchi-db" with a port "sql":
 *
 *   KANCHI_DB_SERVICE_HOST=10.0.0.7            KANCHI_DB_PORT=tcp://10.0.0.7:5432
 *   KANCHI_DB_SERVICE_PORT=5432                KANCHI_DB_PORT_5432_TCP=tcp://10.0.0.7:5432
 *   KANCHI_DB_SERVICE_PORT_SQL=5432            KANCHI_DB_PORT_5432_TCP_ADDR=10.0.0.7
 *                                              (and _PORT=5432, _PROTO=tcp)
 *
 * For a link named "kanchi_db", Docker sets the right column, and
 *
 *   KANCHI_DB_NAME=/web/kanchi_db              KANCHI_DB_ENV_PGDATA=/data
 *
 * Both name and value must have this form, so that a misspelt setting is still detected. */
#ifndef KN_COMMON_CONFIG_CONFIG_FOREIGN_H
#define KN_COMMON_CONFIG_CONFIG_FOREIGN_H

#include <stdbool.h>

/* Whether others made variable ("KANCHI_PORT=tcp://…", with a "="). env, as environ, has the name
 * of the link that an ENV_ belongs to. Also true for what belongs to ./dev, to tests and to the
 * commands of `kanchi`. */
bool config_is_foreign(const char *variable, const char *const *env);

#endif
