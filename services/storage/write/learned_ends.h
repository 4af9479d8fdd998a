/* Once, for databases from before the column learned_end: sets it, and the spans of these ends. */
#ifndef KN_STORAGE_WRITE_LEARNED_ENDS_H
#define KN_STORAGE_WRITE_LEARNED_ENDS_H

#include "services/storage/state/state.h"

/* Does nothing if it was done. */
enum kn_status learned_ends_fill(struct store *store) KN_MUST_CHECK;

#endif
