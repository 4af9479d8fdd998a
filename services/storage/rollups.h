/* How rollups are stored: what those who write and those who read them agree on. */
#ifndef KN_STORAGE_ROLLUPS_H
#define KN_STORAGE_ROLLUPS_H

/* Column scope: the sums over all names (name is 0 there), or of one name. */
enum { ROLLUPS_ALL_NAMES, ROLLUPS_BY_NAME };

#endif
