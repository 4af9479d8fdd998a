/* What `kanchi tasks` and so on write. Texts come from anybody who can send a task:
 * nothing of them that a terminal would obey gets through. */
#ifndef KN_LAUNCHER_CLI_SHOW_H
#define KN_LAUNCHER_CLI_SHOW_H

#include "services/common/buf.h"

#include <jansson.h>

/* Appends text fit for a terminal: control characters, marks that turn the direction of
 * text, and bytes that are no UTF-8 become "\x1b" and the like; line ends "\n". */
void cli_clean(struct kn_buf *out, struct kn_str text);
/* The same inside of JSON: the value stays, such characters are escaped. */
void cli_clean_json(struct kn_buf *out, struct kn_str json);

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
