/* Inside of the configuration: what is shared while it is loaded. config.c lays the layers one
 * over the other, config_given.c reads options and environment, config_check.c checks what
 * belongs together. */
#ifndef KN_COMMON_CONFIG_CONFIG_INTERNAL_H
#define KN_COMMON_CONFIG_CONFIG_INTERNAL_H

#include "services/common/config/config_table.h"

#define CONFIG_BROKERS_MAX 256

/* A value from the environment or the options. */
struct config_setting {
    const struct config_row *row;
    size_t index; /* of the broker */
    const char *text;
    const char *place; /* "--data", "KANCHI_DATA" */
};

struct config_settings {
    struct config_setting *items;
    size_t count;
};

struct config_load {
    struct kn_config *config;
    const struct kn_config_from *from;
    struct kn_buf *error;
    struct kn_arena *arena;
    struct config_file file;
    struct config_settings env;
    struct config_settings options;
    const char *path;      /* of the file; "" for none */
    size_t broker_options; /* how many --broker there are */
};

/* Writes "place: what" to the error; returns CONFIG. */
enum kn_status config_fail(struct config_load *load, const char *place, const char *what);
/* Both behind each other, in the arena. NULL: no memory. */
const char *config_join(struct config_load *load, const char *first, const char *second);
/* Where the text of a row is in base. */
const char **config_text_at(void *base, const struct config_row *row);
/* A letter, a digit, "_", "-" or ".". */
bool config_is_name_char(char c);

/* Fills load->options and load->env, and the path of the file. */
enum kn_status config_read_options(struct config_load *load) KN_MUST_CHECK;
enum kn_status config_read_env(struct config_load *load) KN_MUST_CHECK;
/* Reads the files of secrets, completes paths and addresses, and checks everything. */
enum kn_status config_check_all(struct config_load *load) KN_MUST_CHECK;

#endif
