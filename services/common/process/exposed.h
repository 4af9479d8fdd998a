/* Files and folders of the configuration that any user of this machine can read or change. */
#ifndef KN_COMMON_PROCESS_EXPOSED_H
#define KN_COMMON_PROCESS_EXPOSED_H

#include "services/common/config/config.h"

/* path: absolute. mode: its permission bits. text: names the setting, the path, the mode and the
 * remedy. All three are valid only during the call. */
typedef void kn_exposed_fn(const char *path, unsigned mode, struct kn_str text, void *arg);

/* Calls say once for each exposed file or folder that service ("kanchi-storage"; "kanchi" for all
 * of them) uses:
 *
 *   - a file with a secret (the configuration if it has a password, files of `…_file` settings,
 *     TLS keys, the SQLite database) that any user can read;
 *   - one of these, a certificate, or a folder (data, spool, sockets, dashboard) that any user
 *     can change or replace.
 *
 * Files in a folder that others can't enter are safe. Missing paths are skipped. */
void kn_exposed_find(const struct kn_config *config, const char *service, kn_exposed_fn *say,
                     void *arg);

/* Logs a warning for each. Does nothing if `kanchi up` passed on the configuration, because it has
 * already warned. */
void kn_exposed_warn(const struct kn_config *config, const char *service);

#endif
