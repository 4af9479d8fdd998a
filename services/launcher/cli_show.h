/* The output of `kanchi tasks` and similar commands. Strings come from anyone who can send a
 * task, so everything that a terminal would interpret is escaped. */
#ifndef KN_LAUNCHER_CLI_SHOW_H
#define KN_LAUNCHER_CLI_SHOW_H

#include "services/common/text/buf.h"

#include <jansson.h>

struct cli_column {
    const char *title; /* NULL ends the list */
    const char *key;   /* member of an item */
    bool wide;         /* shrinks if the terminal is too narrow */
};

/* Width of the terminal at standard output; 0: not a terminal, nothing is truncated. */
int cli_width(void);
/* A table of a JSON list of objects. */
void cli_table(struct kn_buf *out, const json_t *items, const struct cli_column *columns,
               int width);
/* Member by member. */
void cli_members(struct kn_buf *out, const json_t *object);

#endif
