/* Inside of the configuration: the rows of the table, and how one value is
 * read. Not for services; they use config.h. */
#ifndef KN_COMMON_CONFIG_CONFIG_TABLE_H
#define KN_COMMON_CONFIG_CONFIG_TABLE_H

#include "services/common/config/config.h"

enum config_type {
    CONFIG_STR,
    CONFIG_PATH,
    CONFIG_URL,
    CONFIG_SECRET,
    CONFIG_ENUM,
    CONFIG_ADDRESS,
    CONFIG_BOOL,
    CONFIG_INT,
    CONFIG_SIZE,
    CONFIG_DURATION,
    CONFIG_LIST,
    CONFIG_PREFIX, /* url_prefix.h */
};

struct config_row {
    const char *section; /* "" at the top level, "brokers" for a broker's keys */
    const char *name;
    enum config_type type;
    const char *fallback; /* as it would be written in the file */
    const char *allowed;
    const char *help;
    size_t offset; /* in struct kn_config, or in struct kn_config_broker */
};

struct config_section {
    const char *name;
    const char *help;
};

/* Every key but the brokers'. */
extern const struct config_row config_rows[];
extern const size_t config_n_rows;
/* The keys of one broker. */
extern const struct config_row config_broker_rows[];
extern const size_t config_n_broker_rows;
extern const struct config_section config_sections[];
extern const size_t config_n_sections;

/* NULL when there is none. section as in config_row. */
const struct config_row *config_row_find(const char *section, struct kn_str name);
/* `url` for `url_file`, NULL for a row that is not a secret's file. */
const struct config_row *config_secret_of(const struct config_row *row);

/* Parses text as the row's type and stores it at target (base + offset); copies
 * go to arena. CONFIG: error has the error and the allowed values, without
 * the value if it may be a secret. */
enum kn_status config_value_set(const struct config_row *row, const char *text, void *base,
                                struct kn_arena *arena, struct kn_buf *error) KN_MUST_CHECK;

/* "64MB", in the largest unit that needs no fraction. */
void config_size_format(int64_t bytes, struct kn_buf *ret);
void config_duration_format(int64_t us, struct kn_buf *ret);
/* The allowed values as text: "1 to 100000", "debug, info or warn". "" for any value. */
void config_allowed_format(const struct config_row *row, struct kn_buf *ret);

/* The contents of the file: one string per row, NULL for an absent key. */
struct config_file {
    const char **texts; /* by index in config_rows */
    struct config_file_broker *brokers;
    size_t n_brokers;
    char *data; /* the file's bytes, for config_file_line */
    size_t len;
    const char *path;
};
struct config_file_broker {
    const char **texts; /* by index in config_broker_rows; NULL for a LIST */
    struct kn_config_list queues, priority_steps;
};

/* Reads the file into memory of the arena. CONFIG: error has the whole
 * sentence. file->data must be freed with config_file_fini in either case. */
enum kn_status config_file_load(struct config_file *file, const char *path, struct kn_arena *arena,
                                struct kn_buf *error) KN_MUST_CHECK;
void config_file_fini(struct config_file *file);
/* The line of section.name (of broker number index when section is "brokers"); 1 if unknown. */
size_t config_file_line(const struct config_file *file, const char *section, size_t index,
                        const char *name);

#endif
