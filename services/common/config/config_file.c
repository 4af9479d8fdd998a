/* The YAML file. libcyaml turns it into texts by a schema that is made from
 * the table; libyaml's document says beforehand, with its line, what is wrong. */
#include "services/common/config/config_table.h"

#include <cyaml/cyaml.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <yaml.h>

#define FILE_MAX ((size_t)4 << 20)
#define BROKERS_MAX 256
#define QUEUES_MAX 4096

/* --- what libcyaml fills: a text for every key --- */

#define RAW_TEXT(name) char *name;
#define RAW_STR RAW_TEXT
#define RAW_PATH RAW_TEXT
#define RAW_URL RAW_TEXT
#define RAW_SECRET RAW_TEXT
#define RAW_ENUM RAW_TEXT
#define RAW_BOOL RAW_TEXT
#define RAW_INT RAW_TEXT
#define RAW_SIZE RAW_TEXT
#define RAW_DURATION RAW_TEXT
#define RAW_ADDRESS RAW_TEXT
#define RAW_PREFIX RAW_TEXT
#define RAW_LIST(name)                                                                             \
    char **name;                                                                                   \
    unsigned name##_count;
#define RAW_MEMBER(name, type, text, allowed, help) RAW_##type(name)

struct raw_brokers {
    KN_CONFIG_BROKER(RAW_MEMBER)
};
#define RAW_STRUCT(name, table, help)                                                              \
    struct raw_##name {                                                                            \
        table(RAW_MEMBER)                                                                          \
    };
KN_CONFIG_SECTIONS(RAW_STRUCT)

#define RAW_POINTER(name, table, help) struct raw_##name *name;
struct raw {
    KN_CONFIG_TOP(RAW_MEMBER)
    KN_CONFIG_SECTIONS(RAW_POINTER)
    struct raw_brokers *brokers;
    unsigned brokers_count;
};

#define OPTIONAL (CYAML_FLAG_POINTER_NULL | CYAML_FLAG_OPTIONAL)
static const cyaml_schema_value_t text_schema = {
    CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char *, 0, CYAML_UNLIMITED)};

#define FIELD_TEXT(name) CYAML_FIELD_STRING_PTR(#name, OPTIONAL, HOLDER, name, 0, CYAML_UNLIMITED),
#define FIELD_STR FIELD_TEXT
#define FIELD_PATH FIELD_TEXT
#define FIELD_URL FIELD_TEXT
#define FIELD_SECRET FIELD_TEXT
#define FIELD_ENUM FIELD_TEXT
#define FIELD_BOOL FIELD_TEXT
#define FIELD_INT FIELD_TEXT
#define FIELD_SIZE FIELD_TEXT
#define FIELD_DURATION FIELD_TEXT
#define FIELD_ADDRESS FIELD_TEXT
#define FIELD_PREFIX FIELD_TEXT
#define FIELD_LIST(name)                                                                           \
    CYAML_FIELD_SEQUENCE(#name, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, HOLDER, name,            \
                         &text_schema, 0, QUEUES_MAX),
#define FIELD(name, type, text, allowed, help) FIELD_##type(name)

#define HOLDER struct raw_brokers
static const cyaml_schema_field_t brokers_fields[] = {KN_CONFIG_BROKER(FIELD) CYAML_FIELD_END};
#undef HOLDER
#define HOLDER struct raw_ingestion
static const cyaml_schema_field_t ingestion_fields[] = {KN_CONFIG_INGESTION(FIELD) CYAML_FIELD_END};
#undef HOLDER
#define HOLDER struct raw_storage
static const cyaml_schema_field_t storage_fields[] = {KN_CONFIG_STORAGE(FIELD) CYAML_FIELD_END};
#undef HOLDER
#define HOLDER struct raw_aggregation
static const cyaml_schema_field_t aggregation_fields[] = {KN_CONFIG_AGGREGATION(FIELD)
                                                              CYAML_FIELD_END};
#undef HOLDER
#define HOLDER struct raw_control
static const cyaml_schema_field_t control_fields[] = {KN_CONFIG_CONTROL(FIELD) CYAML_FIELD_END};
#undef HOLDER
#define HOLDER struct raw_gateway
static const cyaml_schema_field_t gateway_fields[] = {KN_CONFIG_GATEWAY(FIELD) CYAML_FIELD_END};
#undef HOLDER
#define HOLDER struct raw_bus
static const cyaml_schema_field_t bus_fields[] = {KN_CONFIG_BUS(FIELD) CYAML_FIELD_END};
#undef HOLDER
#define HOLDER struct raw_health
static const cyaml_schema_field_t health_fields[] = {KN_CONFIG_HEALTH(FIELD) CYAML_FIELD_END};
#undef HOLDER
#define HOLDER struct raw_log
static const cyaml_schema_field_t log_fields[] = {KN_CONFIG_LOG(FIELD) CYAML_FIELD_END};
#undef HOLDER

static const cyaml_schema_value_t broker_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_brokers, brokers_fields)};

#define HOLDER struct raw
#define SECTION_FIELD(name, table, help)                                                           \
    CYAML_FIELD_MAPPING_PTR(#name, OPTIONAL, struct raw, name, name##_fields),
static const cyaml_schema_field_t top_fields[] = {
    KN_CONFIG_TOP(FIELD) KN_CONFIG_SECTIONS(SECTION_FIELD)
        CYAML_FIELD_SEQUENCE("brokers", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct raw,
                             brokers, &broker_schema, 0, BROKERS_MAX),
    CYAML_FIELD_END};
#undef HOLDER
static const cyaml_schema_value_t top_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct raw, top_fields)};

static const cyaml_config_t cyaml_settings = {
    .log_fn = NULL, .mem_fn = cyaml_mem, .log_level = CYAML_LOG_ERROR};

/* --- from there to texts by row --- */

static const char *copy(struct kn_arena *arena, const char *text)
{
    return text ? kn_arena_str(arena, kn_str_from(text)).ptr : NULL;
}

#define COPY_KEY(name, type, text, allowed, help)                                                  \
    *texts++ = section ? copy(arena, section->name) : NULL;
#define COPY_SECTION(name, table, help)                                                            \
    {                                                                                              \
        const struct raw_##name *section = raw->name;                                              \
        table(COPY_KEY)                                                                            \
    }

static void copy_sections(const struct raw *raw, const char **texts, struct kn_arena *arena)
{
    {
        const struct raw *section = raw;
        KN_CONFIG_TOP(COPY_KEY)
    }
    KN_CONFIG_SECTIONS(COPY_SECTION)
}

#define COPY_BROKER_STR(name) *texts++ = copy(arena, raw->name);
#define COPY_BROKER_PATH COPY_BROKER_STR
#define COPY_BROKER_URL COPY_BROKER_STR
#define COPY_BROKER_SECRET COPY_BROKER_STR
#define COPY_BROKER_BOOL COPY_BROKER_STR
#define COPY_BROKER_ENUM COPY_BROKER_STR
#define COPY_BROKER_LIST(name)                                                                     \
    *texts++ = NULL;                                                                               \
    ret->name.items = kn_arena_array(arena, raw->name##_count + 1, sizeof(char *));                \
    for (unsigned i = 0; ret->name.items && i < raw->name##_count; i++)                            \
        ret->name.items[ret->name.count++] = copy(arena, raw->name[i]);
#define COPY_BROKER_KEY(name, type, text, allowed, help) COPY_BROKER_##type(name)

static void copy_broker(const struct raw_brokers *raw, struct config_file_broker *ret,
                        struct kn_arena *arena)
{
    const char **texts = kn_arena_array(arena, config_n_broker_rows, sizeof(*texts));
    if (!texts)
        return;
    ret->texts = texts;
    KN_CONFIG_BROKER(COPY_BROKER_KEY)
}

static enum kn_status copy_raw(const struct raw *raw, struct config_file *file,
                               struct kn_arena *arena)
{
    file->brokers = kn_arena_array(arena, raw->brokers_count + 1, sizeof(*file->brokers));
    if (!file->brokers)
        return KN_NOMEM;
    copy_sections(raw, file->texts, arena);
    for (; file->n_brokers < raw->brokers_count; file->n_brokers++)
        copy_broker(&raw->brokers[file->n_brokers], &file->brokers[file->n_brokers], arena);
    return arena->overflow ? KN_NOMEM : KN_OK;
}

/* --- what is wrong with the document, and where --- */

struct check {
    yaml_document_t document;
    const char *path;
    struct kn_buf *error;
};

static size_t node_line(const yaml_node_t *node)
{
    return node->start_mark.line + 1;
}

static struct kn_str node_text(const yaml_node_t *node)
{
    return (struct kn_str){(const char *)node->data.scalar.value, node->data.scalar.length};
}

static bool node_is_null(const yaml_node_t *node)
{
    return node->type == YAML_SCALAR_NODE && node->data.scalar.length == 0 &&
           node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

static enum kn_status fault(struct check *check, const yaml_node_t *node, const char *section,
                            struct kn_str key, const char *what)
{
    kn_buf_printf(check->error, "%s:%zu: %s%s%.*s%s%s", check->path, node_line(node), section,
                  *section && key.len ? "." : "", KN_STR_ARG(kn_utf8_head(key, 80)),
                  *section || key.len ? ": " : "", what);
    return KN_CONFIG;
}

static void list_keys(const char *section, struct kn_buf *ret)
{
    bool broker = strcmp(section, "brokers") == 0;
    const struct config_row *rows = broker ? config_broker_rows : config_rows;
    size_t count = broker ? config_n_broker_rows : config_n_rows;
    const char *comma = "";
    for (size_t i = 0; i < count; i++)
        if (strcmp(rows[i].section, section) == 0) {
            kn_buf_printf(ret, "%s%s", comma, rows[i].name);
            comma = ", ";
        }
    for (size_t i = 0; !*section && i < config_n_sections; i++)
        kn_buf_printf(ret, ", %s", config_sections[i].name);
    if (!*section)
        kn_buf_text(ret, ", brokers");
}

static enum kn_status unknown_key(struct check *check, const yaml_node_t *node, const char *section,
                                  struct kn_str key)
{
    (void)fault(check, node, section, key, "unknown key; allowed: ");
    list_keys(section, check->error);
    return KN_CONFIG;
}

/* A text that is the last of its kind in the mapping; libcyaml wants each once. */
static bool seen_before(struct check *check, const yaml_node_t *mapping,
                        const yaml_node_pair_t *pair)
{
    const yaml_node_t *key = yaml_document_get_node(&check->document, pair->key);
    for (yaml_node_pair_t *at = mapping->data.mapping.pairs.start; at < pair; at++) {
        const yaml_node_t *other = yaml_document_get_node(&check->document, at->key);
        if (other->type == YAML_SCALAR_NODE && kn_str_eq(node_text(other), node_text(key)))
            return true;
    }
    return false;
}

static enum kn_status check_value(struct check *check, const struct config_row *row,
                                  const yaml_node_t *value)
{
    struct kn_str key = kn_str_from(row->name);
    if (row->type != CONFIG_LIST) {
        if (value->type != YAML_SCALAR_NODE)
            return fault(check, value, row->section, key, "must be a single value");
        if (memchr(value->data.scalar.value, 0, value->data.scalar.length))
            return fault(check, value, row->section, key, "must not contain a NUL byte");
        return KN_OK;
    }
    if (value->type != YAML_SEQUENCE_NODE)
        return fault(check, value, row->section, key, "must be a list, such as [a, b]");
    if (value->data.sequence.items.top - value->data.sequence.items.start > QUEUES_MAX)
        return fault(check, value, row->section, key, "has too many entries");
    for (yaml_node_item_t *at = value->data.sequence.items.start;
         at < value->data.sequence.items.top; at++) {
        const yaml_node_t *item = yaml_document_get_node(&check->document, *at);
        if (item->type != YAML_SCALAR_NODE || node_is_null(item))
            return fault(check, item, row->section, key, "must be a list of strings");
    }
    return KN_OK;
}

static enum kn_status check_section(struct check *check, const char *section,
                                    const yaml_node_t *node)
{
    if (node_is_null(node) && strcmp(section, "brokers") != 0)
        return KN_OK;
    if (node->type != YAML_MAPPING_NODE)
        return fault(check, node, section, KN_STR(""), "must be a mapping of keys to values");
    for (yaml_node_pair_t *at = node->data.mapping.pairs.start; at < node->data.mapping.pairs.top;
         at++) {
        const yaml_node_t *key = yaml_document_get_node(&check->document, at->key);
        if (key->type != YAML_SCALAR_NODE)
            return fault(check, key, section, KN_STR(""), "has a key that is not a string");
        const struct config_row *row = config_row_find(section, node_text(key));
        if (!row)
            return unknown_key(check, key, section, node_text(key));
        if (seen_before(check, node, at))
            return fault(check, key, section, node_text(key), "is given twice");
        enum kn_status status =
            check_value(check, row, yaml_document_get_node(&check->document, at->value));
        if (status != KN_OK)
            return status;
    }
    return KN_OK;
}

static enum kn_status check_brokers(struct check *check, const yaml_node_t *node)
{
    if (node->type != YAML_SEQUENCE_NODE)
        return fault(check, node, "brokers", KN_STR(""),
                     "must be a list with entries that begin with \"- \"");
    if (node->data.sequence.items.top - node->data.sequence.items.start > BROKERS_MAX)
        return fault(check, node, "brokers", KN_STR(""), "has more than 256 entries");
    for (yaml_node_item_t *at = node->data.sequence.items.start; at < node->data.sequence.items.top;
         at++) {
        enum kn_status status =
            check_section(check, "brokers", yaml_document_get_node(&check->document, *at));
        if (status != KN_OK)
            return status;
    }
    return KN_OK;
}

static bool is_section(struct kn_str name)
{
    for (size_t i = 0; i < config_n_sections; i++)
        if (kn_str_eq(name, kn_str_from(config_sections[i].name)))
            return true;
    return false;
}

static enum kn_status check_key(struct check *check, const yaml_node_t *key,
                                const yaml_node_t *value)
{
    char section[64];
    if (key->type != YAML_SCALAR_NODE)
        return fault(check, key, "", KN_STR(""), "has a key that is not a string");
    struct kn_str name = node_text(key);
    const struct config_row *row = config_row_find("", name);
    if (row)
        return check_value(check, row, value);
    if (kn_str_eq(name, KN_STR("brokers")))
        return check_brokers(check, value);
    if (!is_section(name))
        return unknown_key(check, key, "", name);
    snprintf(section, sizeof(section), "%.*s", KN_STR_ARG(name));
    return check_section(check, section, value);
}

static enum kn_status check_document(struct check *check, bool *ret_empty)
{
    const yaml_node_t *root = yaml_document_get_root_node(&check->document);
    *ret_empty = !root || node_is_null(root);
    if (*ret_empty)
        return KN_OK;
    if (root->type != YAML_MAPPING_NODE)
        return fault(check, root, "", KN_STR(""), "must be a mapping of keys to values");
    for (yaml_node_pair_t *at = root->data.mapping.pairs.start; at < root->data.mapping.pairs.top;
         at++) {
        const yaml_node_t *key = yaml_document_get_node(&check->document, at->key);
        enum kn_status status =
            check_key(check, key, yaml_document_get_node(&check->document, at->value));
        if (status != KN_OK)
            return status;
        if (seen_before(check, root, at))
            return fault(check, key, "", node_text(key), "is given twice");
    }
    return KN_OK;
}

static bool parse(yaml_parser_t *parser, const struct config_file *file, yaml_document_t *ret)
{
    if (!yaml_parser_initialize(parser))
        return false;
    yaml_parser_set_input_string(parser, (const unsigned char *)file->data, file->len);
    return yaml_parser_load(parser, ret) != 0;
}

static enum kn_status check_file(const struct config_file *file, bool *ret_empty,
                                 struct kn_buf *error)
{
    struct check check = {.path = file->path, .error = error};
    yaml_parser_t parser = {0};
    enum kn_status status = KN_CONFIG;
    if (parse(&parser, file, &check.document)) {
        status = check_document(&check, ret_empty);
        yaml_document_delete(&check.document);
    } else {
        kn_buf_printf(error, "%s:%zu: is not YAML: %s", file->path, parser.problem_mark.line + 1,
                      parser.problem ? parser.problem : "cannot be read");
    }
    yaml_parser_delete(&parser);
    return status;
}

/* --- reading --- */

static enum kn_status read_all(struct config_file *file, struct kn_buf *error)
{
    struct kn_buf content;
    kn_buf_init(&content, FILE_MAX);
    struct stat info;
    FILE *in = fopen(file->path, "re");
    if (!in || fstat(fileno(in), &info) != 0 || S_ISDIR(info.st_mode)) {
        kn_buf_printf(error, "%s: cannot read the file: %s", file->path,
                      in ? "it is a folder" : strerror(errno));
        if (in)
            fclose(in);
        return KN_CONFIG;
    }
    char chunk[4096];
    for (size_t n; (n = fread(chunk, 1, sizeof(chunk), in)) > 0;)
        kn_buf_append(&content, chunk, n);
    bool failed = ferror(in) != 0;
    fclose(in);
    if (failed || kn_buf_status(&content) != KN_OK) {
        kn_buf_printf(error, "%s: cannot read the file: %s", file->path,
                      failed ? "input failed" : "larger than 4 MB");
        kn_buf_fini(&content);
        return KN_CONFIG;
    }
    file->len = content.len;
    file->data = kn_buf_take(&content, NULL);
    return file->data || file->len == 0 ? KN_OK : KN_NOMEM;
}

enum kn_status config_file_load(struct config_file *file, const char *path, struct kn_arena *arena,
                                struct kn_buf *error)
{
    *file = (struct config_file){.path = path};
    file->texts = kn_arena_array(arena, config_n_rows, sizeof(*file->texts));
    if (!file->texts)
        return KN_NOMEM;
    bool empty = false;
    enum kn_status status = read_all(file, error);
    if (status == KN_OK)
        status = check_file(file, &empty, error);
    if (status != KN_OK || empty)
        return status;
    struct raw *raw = NULL;
    cyaml_err_t code = cyaml_load_data((const uint8_t *)file->data, file->len, &cyaml_settings,
                                       &top_schema, (cyaml_data_t **)&raw, NULL);
    if (code != CYAML_OK) {
        kn_buf_printf(error, "%s: %s", path, cyaml_strerror(code));
        return KN_CONFIG;
    }
    status = copy_raw(raw, file, arena);
    cyaml_free(&cyaml_settings, &top_schema, raw, 0);
    return status;
}

void config_file_fini(struct config_file *file)
{
    free(file->data);
    file->data = NULL;
}

/* --- the line of a value --- */

static const yaml_node_t *member(yaml_document_t *document, const yaml_node_t *mapping,
                                 const char *name, const yaml_node_t **ret_key)
{
    if (!mapping || mapping->type != YAML_MAPPING_NODE)
        return NULL;
    for (yaml_node_pair_t *at = mapping->data.mapping.pairs.start;
         at < mapping->data.mapping.pairs.top; at++) {
        const yaml_node_t *key = yaml_document_get_node(document, at->key);
        if (key->type == YAML_SCALAR_NODE && kn_str_eq(node_text(key), kn_str_from(name))) {
            *ret_key = key;
            return yaml_document_get_node(document, at->value);
        }
    }
    return NULL;
}

size_t config_file_line(const struct config_file *file, const char *section, size_t index,
                        const char *name)
{
    yaml_document_t document;
    yaml_parser_t parser = {0};
    size_t line = 1;
    if (parse(&parser, file, &document)) {
        const yaml_node_t *key = NULL;
        const yaml_node_t *node = yaml_document_get_root_node(&document);
        if (*section)
            node = member(&document, node, section, &key);
        if (node && node->type == YAML_SEQUENCE_NODE &&
            index < (size_t)(node->data.sequence.items.top - node->data.sequence.items.start)) {
            node = yaml_document_get_node(&document, node->data.sequence.items.start[index]);
            key = node;
        }
        (void)member(&document, node, name, &key);
        if (key)
            line = node_line(key);
        yaml_document_delete(&document);
    }
    yaml_parser_delete(&parser);
    return line;
}
