/* `kanchi tasks`, `workers`, `queues`, `retry`, `revoke`, `inspect`, `command`, `jobs` and
 * `audit`: the gateway's REST for people and scripts. */
#ifndef KN_LAUNCHER_CLI_H
#define KN_LAUNCHER_CLI_H

/* Exit codes, besides KN_EXIT_OK and KN_EXIT_CONFIG for a wrong command line. */
enum {
    CLI_REFUSED = 1,     /* the gateway refused or failed; the reason is on standard error */
    CLI_PARTLY = 3,      /* a worker refused or did not reply */
    CLI_UNREACHABLE = 4, /* no answer */
};

/* argv[0] is the command's word, one of these. The exit code. */
int launcher_cli(int argc, char **argv);
/* Rows for `kanchi help`: name and help; NULL at the end. */
const char *cli_command_name(unsigned i);
const char *cli_command_help(unsigned i);

#endif
