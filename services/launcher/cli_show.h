/* What `kanchi tasks` and so on write. Texts come from anybody who can send a task:
 * nothing of them that a terminal would obey gets through. */
#ifndef KN_LAUNCHER_CLI_SHOW_H
#define KN_LAUNCHER_CLI_SHOW_H

#include "services/common/text/buf.h"

#include <jansson.h>

struct cli_column {
    const char *title; /* NULL ends the list */
    const char *key;   /* member of an item */
    bool wide;         /* gives way when the terminal is too narrow */
};

/* Columns of the terminal at standard output; 0: it is none, nothing is cut. */
int cli_width(void);
/* A table of a JSON list of objects. */
void cli_table(struct kn_buf *out, const json_t *items, const struct cli_column *columns,
               int width);
/* Member by member. */
void cli_members(struct kn_buf *out, const json_t *object);

#endif
