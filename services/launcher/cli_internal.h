/* Inside of the command line: what its commands share. */
#ifndef LAUNCHER_CLI_INTERNAL_H
#define LAUNCHER_CLI_INTERNAL_H

#include "services/common/text/buf.h"

#include <jansson.h>
#include <stdio.h>

enum { WORDS_MAX = 1000, TIMEOUT_MS = 60000 };

struct cli_option {
    const char *name;
    unsigned commands;
    bool value;
    bool query; /* goes into the query as it is */
    const char *help;
};

struct cli {
    const struct command *command;
    const char *url;
    const char *words[WORDS_MAX]; /* that are no options */
    size_t n_words;
    struct cli_given {
        const struct cli_option *option;
        const char *value;
    } given[WORDS_MAX];
    size_t n_given;
};

/* The value of an option; "" for one without; NULL when it is not there. */
const char *cli_given(const struct cli *cli, const char *name);
/* One line on standard error; returns code. */
int cli_complain(const char *head, struct kn_str text, int code);
/* Writes the text, and empties it. */
void cli_flush(FILE *to, struct kn_buf *text);
/* Asks, and reads the answer; *ret_code is 0 when all is well, else the exit code. */
json_t *cli_ask(const struct cli *cli, const char *method, const char *path, const char *body,
                long timeout_ms, int *ret_code);
/* Appends the options that belong into the query, and extra unless it is NULL. */
void cli_add_query(const struct cli *cli, struct kn_buf *path, const char *extra);

/* `kanchi inspect` and `kanchi command`; return the exit code. */
int cli_run_inspect(struct cli *cli);
int cli_run_command(struct cli *cli);

#endif
