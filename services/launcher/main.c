/* kanchi: runs all services on one machine. */
#include "services/common/count.h"
#include "services/common/process/service.h"
#include "services/launcher/certs.h"
#include "services/launcher/cli.h"
#include "services/launcher/doctor.h"
#include "services/launcher/health.h"
#include "services/launcher/up.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static int print_help(int argc, char **argv);

static int print_version(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    printf("kanchi %s\n", KANCHI_VERSION);
    return KN_EXIT_OK;
}

static int print_config_doc(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    struct kn_buf text;
    kn_buf_init(&text, 0);
    kn_config_markdown(&text);
    fwrite(text.data, 1, text.len, stdout);
    kn_buf_fini(&text);
    return KN_EXIT_OK;
}

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
} commands[] = {
    {"up", launcher_up, "Start all services on this machine"},
    {"doctor", launcher_doctor, "Check the brokers and workers, without a running Kanchi"},
    {"health", launcher_health, "Check whether the service with this configuration is ready"},
    {"certs", launcher_certs, "Create the TLS certificates of the bus"},
    {"config-doc", print_config_doc, "Print docs/configuration.md"},
    {"version", print_version, "Print the version"},
    {"help", print_help, "Print this help"},
};

static int print_help(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    printf("kanchi %s: monitoring and control for Celery\n\nUsage: kanchi COMMAND [options]\n\n",
           KANCHI_VERSION);
    for (size_t i = 0; i < KN_COUNT_OF(commands); i++)
        printf("  %-12s %s\n", commands[i].name, commands[i].help);
    printf("\nCommands that use a running gateway (--url or KANCHI_URL):\n\n");
    for (unsigned i = 0; cli_command_name(i); i++)
        printf("  %-12s %s\n", cli_command_name(i), cli_command_help(i));
    printf("\nkanchi COMMAND --help describes a command.\n"
           "Quick start: kanchi up --broker redis://localhost:6379/0\n");
    return KN_EXIT_OK;
}

/* What could not be written was not done, whatever the command says of itself. */
static int finish(int code)
{
    bool written = fflush(stdout) == 0 && !ferror(stdout);
    if (written || code != KN_EXIT_OK)
        return code;
    return kn_die("kanchi", KN_EXIT_FAILED, "standard output: %s",
                  errno ? strerror(errno) : "input or output failed");
}

int main(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : "help";
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
        word = "help";
    if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0)
        word = "version";
    curl_global_init(CURL_GLOBAL_DEFAULT);
    for (size_t i = 0; i < KN_COUNT_OF(commands); i++)
        if (strcmp(word, commands[i].name) == 0)
            return finish(commands[i].run(argc > 1 ? argc - 1 : argc, argc > 1 ? argv + 1 : argv));
    for (unsigned i = 0; cli_command_name(i); i++)
        if (strcmp(word, cli_command_name(i)) == 0)
            return finish(launcher_cli(argc - 1, argv + 1));
    return kn_die("kanchi", KN_EXIT_CONFIG, "unknown command \"%s\"; see kanchi help", word);
}
