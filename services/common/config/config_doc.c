/* What the table says to people: --help, docs/configuration.md, and YAML. */
#include "services/common/config/config_table.h"

#include <ctype.h>
#include <string.h>

static const char *const type_words[] = {
    [CONFIG_STR] = "text",          [CONFIG_PATH] = "path",         [CONFIG_URL] = "URL",
    [CONFIG_SECRET] = "secret",     [CONFIG_ENUM] = "one of a set", [CONFIG_ADDRESS] = "address",
    [CONFIG_BOOL] = "true, false",  [CONFIG_INT] = "number",        [CONFIG_SIZE] = "size",
    [CONFIG_DURATION] = "duration", [CONFIG_LIST] = "list",         [CONFIG_PREFIX] = "path",
};

/* --- --help --- */

static void help_row(const struct config_row *row, struct kn_buf *ret)
{
    size_t start = ret->len;
    kn_buf_text(ret, "  --");
    if (strcmp(row->section, "brokers") == 0)
        kn_buf_text(ret, "brokers.N.");
    else if (*row->section)
        kn_buf_printf(ret, "%s.", row->section);
    kn_buf_text(ret, row->name);
    do
        kn_buf_char(ret, ' ');
    while (kn_buf_status(ret) == KN_OK && ret->len - start < 36);
    kn_buf_text(ret, row->help);
    struct kn_buf allowed;
    kn_buf_init(&allowed, 0);
    config_allowed_format(row, &allowed);
    if (allowed.len > 0)
        kn_buf_printf(ret, "; %.*s", KN_STR_ARG(kn_buf_view(&allowed)));
    kn_buf_fini(&allowed);
    if (*row->fallback)
        kn_buf_printf(ret, " [%s]", row->fallback);
    kn_buf_char(ret, '\n');
}

void kn_config_help(struct kn_buf *ret)
{
    kn_buf_text(ret,
                "Options (each is also a key of the YAML file and an environment variable:\n"
                "--storage.readers is KANCHI_STORAGE_READERS, --brokers.0.url KANCHI_BROKER_URL;\n"
                "options take precedence over the environment, and that over the file):\n\n"
                "  --config FILE                     The YAML file\n"
                "  --broker [NAME=]URL               A broker; may be repeated. It replaces the\n"
                "                                    brokers of the file\n"
                "  --data DIR                        Short for the key data\n"
                "  --listen HOST:PORT                Short for --gateway.listen\n"
                "  --database URL                    Short for --storage.database\n"
                "  --source NAME                     Short for --ingestion.source, "
                "--control.source\n"
                "  --help, --version\n\n");
    for (size_t i = 0; i < config_n_rows; i++)
        if (!*config_rows[i].section)
            help_row(&config_rows[i], ret);
    for (size_t i = 0; i < config_n_broker_rows; i++)
        help_row(&config_broker_rows[i], ret);
    for (size_t i = 0; i < config_n_rows; i++)
        if (*config_rows[i].section)
            help_row(&config_rows[i], ret);
}

/* --- docs/configuration.md --- */

static void cell(const char *text, struct kn_buf *ret)
{
    for (; *text; text++)
        if (*text == '|')
            kn_buf_text(ret, "\\|");
        else
            kn_buf_char(ret, *text);
}

static void upper(const char *text, struct kn_buf *ret)
{
    for (; *text; text++)
        kn_buf_char(ret, (char)toupper((unsigned char)*text));
}

static void variable(const struct config_row *row, struct kn_buf *ret)
{
    kn_buf_text(ret, "KANCHI_");
    if (strcmp(row->section, "brokers") == 0) {
        kn_buf_text(ret, "BROKER_");
    } else if (*row->section) {
        upper(row->section, ret);
        kn_buf_char(ret, '_');
    }
    upper(row->name, ret);
}

static void markdown_row(const struct config_row *row, struct kn_buf *ret)
{
    struct kn_buf allowed;
    kn_buf_init(&allowed, 0);
    config_allowed_format(row, &allowed);
    kn_buf_printf(ret, "| `%s` | %s | ", row->name, type_words[row->type]);
    if (*row->fallback)
        kn_buf_printf(ret, "`%s`", row->fallback);
    kn_buf_text(ret, " | ");
    if (allowed.len > 0 && row->type != CONFIG_BOOL)
        kn_buf_str(ret, kn_buf_view(&allowed));
    kn_buf_text(ret, " | ");
    cell(row->help, ret);
    kn_buf_text(ret, " | `");
    variable(row, ret);
    kn_buf_text(ret, "` |\n");
    kn_buf_fini(&allowed);
}

static void markdown_table(const char *section, const struct config_row *rows, size_t count,
                           struct kn_buf *ret)
{
    kn_buf_text(ret, "\n| key | type | default | allowed | description | variable |\n"
                     "| --- | --- | --- | --- | --- | --- |\n");
    for (size_t i = 0; i < count; i++)
        if (strcmp(rows[i].section, section) == 0)
            markdown_row(&rows[i], ret);
}

static const char markdown_head[] =
    "# Configuration\n"
    "\n"
    "<!-- Made by `kanchi config-doc` from services/common/config/config.h: change it there. -->\n"
    "\n"
    "All services read one YAML file, named by `--config FILE` or `KANCHI_CONFIG`. Every key is\n"
    "also an option and an environment variable: `storage.readers` is `--storage.readers 8` and\n"
    "`KANCHI_STORAGE_READERS=8`. Options take precedence over the environment, the environment "
    "over\n"
    "the file, and the file over defaults. An unknown key or an invalid value stops the service "
    "with\n"
    "one sentence that names the place.\n"
    "\n"
    "```yaml\n"
    "data: /var/lib/kanchi\n"
    "brokers:\n"
    "  - name: shop\n"
    "    url: redis://localhost:6379/0\n"
    "  - name: mail\n"
    "    url_file: /run/secrets/mail-broker\n"
    "storage:\n"
    "  retention_tasks: 30d\n"
    "```\n"
    "\n"
    "- Sizes are `512KB`, `64MB`, `1GB` (powers of 1,024), durations `500ms`, `30s`, `5m`, `12h`,\n"
    "  `30d`, `2w`; a bare number is bytes or seconds.\n"
    "- A key that ends in `_file` names a file with the value, for secrets. If both keys are set, "
    "the\n"
    "  one with precedence counts; both in the YAML file are an error.\n"
    "- Short options: `--broker [NAME=]URL` (may be repeated; it replaces the brokers of the "
    "file),\n"
    "  `--data DIR`, `--listen HOST:PORT`, `--database URL`, `--source NAME`.\n"
    "- `KANCHI_BROKER_…` sets the first broker, `KANCHI_BROKERS_1_…` and `--brokers.1.…` the "
    "second,\n"
    "  and so on. In variables and options, separate list items by commas: "
    "`KANCHI_BROKER_QUEUES=a,b`.\n"
    "- Variables that Kubernetes makes for a Service called `kanchi` or `kanchi-…`\n"
    "  (`KANCHI_PORT=tcp://…`, `KANCHI_SERVICE_HOST`), and Docker for a link, are ignored. Any "
    "other\n"
    "  unknown variable that begins with `KANCHI_` is an error.\n";

void kn_config_markdown(struct kn_buf *ret)
{
    kn_buf_text(ret, markdown_head);
    kn_buf_text(ret, "\n## At the top\n");
    markdown_table("", config_rows, config_n_rows, ret);
    kn_buf_text(ret, "\n## brokers\n\nA list with one entry per broker.\n");
    markdown_table("brokers", config_broker_rows, config_n_broker_rows, ret);
    for (size_t i = 0; i < config_n_sections; i++) {
        kn_buf_printf(ret, "\n## %s\n\n%s.\n", config_sections[i].name, config_sections[i].help);
        markdown_table(config_sections[i].name, config_rows, config_n_rows, ret);
    }
}

/* --- YAML --- */

static void yaml_list(const struct kn_config_list *list, struct kn_buf *ret)
{
    kn_buf_char(ret, '[');
    for (size_t i = 0; i < list->count; i++) {
        if (i > 0)
            kn_buf_text(ret, ", ");
        kn_buf_json_str(ret, kn_str_from(list->items[i]));
    }
    kn_buf_char(ret, ']');
}

static void yaml_value(const struct config_row *row, const void *base, struct kn_buf *ret)
{
    const void *value = (const char *)base + row->offset;
    switch (row->type) {
    case CONFIG_BOOL:
        kn_buf_text(ret, *(const bool *)value ? "true" : "false");
        break;
    case CONFIG_INT:
        kn_buf_printf(ret, "%lld", (long long)*(const int64_t *)value);
        break;
    case CONFIG_SIZE:
        config_size_format(*(const int64_t *)value, ret);
        break;
    case CONFIG_DURATION:
        config_duration_format(*(const int64_t *)value, ret);
        break;
    case CONFIG_LIST:
        yaml_list(value, ret);
        break;
    default:
        kn_buf_json_str(ret, kn_str_from(*(const char *const *)value));
        break;
    }
}

static void yaml_rows(const struct config_row *rows, size_t count, const char *section,
                      const void *base, const char *indent, struct kn_buf *ret)
{
    for (size_t i = 0; i < count; i++) {
        /* secrets are resolved: their files need not be read again */
        if (strcmp(rows[i].section, section) != 0 || config_secret_of(&rows[i]))
            continue;
        kn_buf_printf(ret, "%s%s: ", indent, rows[i].name);
        yaml_value(&rows[i], base, ret);
        kn_buf_char(ret, '\n');
    }
}

void kn_config_write_yaml(const struct kn_config *config, struct kn_buf *ret)
{
    yaml_rows(config_rows, config_n_rows, "", config, "", ret);
    kn_buf_text(ret, "brokers:\n");
    for (size_t i = 0; i < config->n_brokers; i++) {
        kn_buf_text(ret, "  -\n");
        yaml_rows(config_broker_rows, config_n_broker_rows, "brokers", &config->brokers[i], "    ",
                  ret);
    }
    for (size_t i = 0; i < config_n_sections; i++) {
        kn_buf_printf(ret, "%s:\n", config_sections[i].name);
        yaml_rows(config_rows, config_n_rows, config_sections[i].name, config, "  ", ret);
    }
}
