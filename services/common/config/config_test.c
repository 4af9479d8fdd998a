/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include "services/common/config/config.h"
#include "services/common/config/config_foreign.h"
#include "services/common/config/config_table.h"
#include "services/common/count.h"
#include "services/common/text/time.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Each test works in an empty folder of its own, so that places in messages
 * are short: "k.yaml:3". */
static char folder[64];
static char root[4096];

static int enter_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/kanchi-config-test-XXXXXX");
    assert_non_null(getcwd(root, sizeof(root)));
    return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static int leave_folder(void **state)
{
    (void)state;
    static const char *const made[] = {"k.yaml", "secret"};
    for (size_t i = 0; i < KN_COUNT_OF(made); i++)
        (void)unlink(made[i]);
    return chdir(root) == 0 && rmdir(folder) == 0 ? 0 : -1;
}

static void write_file(const char *name, const char *text)
{
    FILE *out = fopen(name, "we");
    assert_non_null(out);
    fputs(text, out);
    assert_int_equal(fclose(out), 0);
}

/* args and env: words between spaces. */
static enum kn_status load(struct kn_config *config, const char *args, const char *env,
                           struct kn_buf *error)
{
    static char text[2][1024];
    const char *words[2][32] = {{0}};
    size_t counts[2] = {0};
    const char *sources[2] = {args, env};
    for (size_t i = 0; i < 2; i++) {
        snprintf(text[i], sizeof(text[i]), "%s", sources[i]);
        for (char *save, *word = strtok_r(text[i], " ", &save); word && counts[i] < 31;
             word = strtok_r(NULL, " ", &save))
            words[i][counts[i]++] = word;
    }
    struct kn_config_from from = {words[0], counts[0], words[1]};
    return kn_config_load(config, &from, error);
}

static void load_ok(struct kn_config *config, const char *args, const char *env)
{
    struct kn_buf error;
    kn_buf_init(&error, 0);
    enum kn_status status = load(config, args, env, &error);
    if (status != KN_OK)
        fail_msg("%.*s", KN_STR_ARG(kn_buf_view(&error)));
    kn_buf_fini(&error);
}

static void config_has_defaults_without_a_file(void **state)
{
    (void)state;
    struct kn_config config;
    char database[128], feed[128];
    load_ok(&config, "", "HOME=/root");
    assert_int_equal(config.n_brokers, 1);
    assert_string_equal(config.brokers[0].name, "default");
    assert_string_equal(config.brokers[0].url, "redis://localhost:6379/0");
    assert_true(config.brokers[0].enable_events);
    assert_int_equal(config.brokers[0].priority_steps.count, 4);
    assert_string_equal(config.brokers[0].priority_steps.items[3], "9");
    assert_int_equal(config.ingestion.batch_age, 200000);
    assert_int_equal(config.ingestion.memory_max, 512 << 20);
    assert_int_equal(config.storage.retention_tasks, 30 * KN_DAY);
    assert_string_equal(config.gateway.listen, "127.0.0.1:8080");
    snprintf(database, sizeof(database), "sqlite:%s/kanchi-data/kanchi.db", folder);
    snprintf(feed, sizeof(feed), "ipc://%s/kanchi-data/bus/storage-feed.ipc", folder);
    assert_string_equal(config.storage.database, database);
    assert_string_equal(config.bus.storage_feed, feed);
    kn_config_fini(&config);
}

static void config_option_goes_over_environment_over_file(void **state)
{
    (void)state;
    struct kn_config config;
    write_file("k.yaml",
               "ingestion: {inflight: 7, batch_events: 7, event_max: 7KB}\n"
               "log:\n"
               "brokers:\n"
               "  - {name: a, url: 'redis://a', queues: [x, 'y,z'], priority_steps: [0, 5]}\n"
               "  - {url: amqp://b/%2f, url_file: }\n");
    load_ok(&config, "--config k.yaml --ingestion.inflight 9 --listen=[::1]:0",
            "KANCHI_INGESTION_INFLIGHT=8 KANCHI_INGESTION_BATCH_EVENTS=8 "
            "KANCHI_BROKERS_1_KEY_PREFIX=p KANCHI_BROKERS_1_PRIORITY_STEPS=0,1,2 "
            "KANCHI_GATEWAY_PORT=tcp://10.0.0.1:80");
    assert_string_equal(config.file, "k.yaml");
    assert_int_equal(config.ingestion.inflight, 9);
    assert_int_equal(config.ingestion.batch_events, 8);
    assert_int_equal(config.ingestion.event_max, 7 << 10);
    assert_string_equal(config.gateway.listen, "[::1]:0");
    assert_int_equal(config.n_brokers, 2);
    assert_string_equal(config.brokers[0].name, "a");
    assert_int_equal(config.brokers[0].queues.count, 2);
    assert_string_equal(config.brokers[0].queues.items[1], "y,z");
    assert_int_equal(config.brokers[0].priority_steps.count, 2);
    assert_string_equal(config.brokers[0].priority_steps.items[1], "5");
    assert_int_equal(config.brokers[1].priority_steps.count, 3);
    assert_string_equal(config.brokers[1].name, "broker-2");
    assert_string_equal(config.brokers[1].key_prefix, "p");
    kn_config_fini(&config);
}

static void config_broker_options_replace_the_files_brokers(void **state)
{
    (void)state;
    struct kn_config config;
    write_file("k.yaml", "brokers: [{name: a, url: redis://a}, {name: b, url: redis://b}]\n");
    load_ok(&config, "--config k.yaml --broker amqp://u:p%40@h/v --broker c=redis://c?x=y", "");
    assert_int_equal(config.n_brokers, 2);
    assert_string_equal(config.brokers[0].name, "default");
    assert_string_equal(config.brokers[0].url, "amqp://u:p%40@h/v");
    assert_string_equal(config.brokers[1].name, "c");
    assert_string_equal(config.brokers[1].url, "redis://c?x=y");
    kn_config_fini(&config);
}

static void config_secret_is_read_from_the_file_of_the_highest_layer(void **state)
{
    (void)state;
    struct kn_config config;
    write_file("secret", "redis://:password@h:1/2\n");
    write_file("k.yaml", "brokers: [{url: redis://a}]\nstorage: {database_file: /nowhere}\n");
    load_ok(&config, "--config k.yaml --database postgresql://u@h/d",
            "KANCHI_BROKER_URL_FILE=secret");
    assert_string_equal(config.brokers[0].url, "redis://:password@h:1/2");
    assert_string_equal(config.storage.database, "postgresql://u@h/d");
    kn_config_fini(&config);
}

static void config_handed_on_as_yaml_reads_back_the_same(void **state)
{
    (void)state;
    struct kn_config config, again;
    struct kn_buf yaml, second;
    kn_buf_init(&yaml, 0);
    kn_buf_init(&second, 0);
    load_ok(&config, "--broker redis://:p\"'\\w@h --broker z=redis://z --brokers.1.queues a,b", "");
    kn_config_write_yaml(&config, &yaml);
    kn_buf_char(&yaml, '\0');
    write_file("k.yaml", yaml.data);
    load_ok(&again, "--config k.yaml", "");
    kn_config_write_yaml(&again, &second);
    kn_buf_char(&second, '\0');
    assert_string_equal(yaml.data, second.data);
    assert_string_equal(again.brokers[0].url, "redis://:p\"'\\w@h");
    assert_int_equal(again.brokers[1].queues.count, 2);
    kn_buf_fini(&yaml);
    kn_buf_fini(&second);
    kn_config_fini(&config);
    kn_config_fini(&again);
}

static const struct {
    const char *yaml;
    const char *args;
    const char *env;
    const char *error;
} bad[] = {
    {"ingestion:\n  batch_evnts: 3\n", "", "",
     "k.yaml:2: ingestion.batch_evnts: unknown key; allowed: source, batch_events, batch_age, "
     "memory_max, event_max, queue_interval, inflight, instance, queue_max, queue_age, spool, "
     "spool_max, spool_age, spool_after, spool_fsync"},
    {"storage: {}\ngatway: 1\n", "", "",
     "k.yaml:2: gatway: unknown key; allowed: data, ingestion, storage, aggregation, control, "
     "gateway, bus, health, log, brokers"},
    {"log:\n  # a comment\n  level: loud\n", "", "",
     "k.yaml:3: log.level: \"loud\" is unknown; allowed: debug, info, warn, error or off"},
    {"ingestion:\n\n  batch_events: many\n", "", "",
     "k.yaml:3: ingestion.batch_events: \"many\" is not a whole number; allowed: 1 to 100000"},
    {"ingestion:\n  memory_max: 12 apples\n", "", "",
     "k.yaml:2: ingestion.memory_max: \"12 apples\" is not a size such as 64MB; allowed: 1MB to "
     "64GB"},
    {"ingestion:\n  batch_age: 1h\n", "", "",
     "k.yaml:2: ingestion.batch_age: \"1h\" is too large; allowed: 1ms to 10s"},
    {"ingestion:\n  inflight: 0\n", "", "",
     "k.yaml:2: ingestion.inflight: \"0\" is too small; allowed: 1 to 64"},
    {"brokers:\n  - name: a\n    enable_events: perhaps\n", "", "",
     "k.yaml:3: brokers.enable_events: \"perhaps\" is not a boolean; allowed: true or "
     "false"},
    {"brokers:\n  - name: a\n  - name: b\n    url: kafka://user:secret@h\n", "", "",
     "k.yaml:4: brokers.url: has an unknown scheme; allowed: redis://, "
     "rediss://, redis+socket://, "
     "unix://, sentinel://, amqp://, amqps:// or pyamqp://"},
    {"brokers:\n  url: redis://h\n", "", "",
     "k.yaml:2: brokers: must be a list with entries that begin with \"- \""},
    {"brokers:\n  - url: redis://h\n    url_file: x\n", "", "",
     "k.yaml:3: brokers.url_file: cannot be combined with url; set only one of them"},
    {"brokers:\n  - name: a b\n", "", "",
     "brokers.name: is not allowed; a name has up to 64 letters, digits, \"-\", \"_\" and \".\""},
    {"brokers: [{name: a}, {name: a}]\n", "", "", "brokers.name: \"a\" is given twice"},
    {"brokers: [{priority_steps: [3, 6]}]\n", "", "",
     "brokers.priority_steps: is not allowed; it takes up to 16 numbers from 0 to 255, ascending "
     "from 0, such as [0, 3, 6, 9]"},
    {"brokers: [{priority_steps: [0, 3, 3]}]\n", "", "",
     "brokers.priority_steps: is not allowed; it takes up to 16 numbers from 0 to 255, ascending "
     "from 0, such as [0, 3, 6, 9]"},
    {"brokers: [{priority_steps: [0, 256]}]\n", "", "",
     "brokers.priority_steps: is not allowed; it takes up to 16 numbers from 0 to 255, ascending "
     "from 0, such as [0, 3, 6, 9]"},
    {"brokers: [{priority_steps: [0, x]}]\n", "", "",
     "brokers.priority_steps: is not allowed; it takes up to 16 numbers from 0 to 255, ascending "
     "from 0, such as [0, 3, 6, 9]"},
    {"brokers: [{priority_steps: [0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16]}]\n", "", "",
     "brokers.priority_steps: is not allowed; it takes up to 16 numbers from 0 to 255, ascending "
     "from 0, such as [0, 3, 6, 9]"},
    {"brokers: [{url: 'sentinel://h:26379'}]\n", "", "",
     "brokers.sentinel_master: is required for a sentinel:// URL"},
    {"brokers:\n  - queues: a\n", "", "",
     "k.yaml:2: brokers.queues: must be a list, such as [a, b]"},
    {"data: [a]\n", "", "", "k.yaml:1: data: must be a single value"},
    {"log: 3\n", "", "", "k.yaml:1: log: must be a mapping of keys to values"},
    {"- a\n", "", "", "k.yaml:1: must be a mapping of keys to values"},
    {"log:\n  level: info\n  level: debug\n", "", "", "k.yaml:3: log.level: is given twice"},
    {"log: {}\nlog: {}\n", "", "", "k.yaml:2: log: is given twice"},
    {"log:\n  level: info\n bad: x\n", "", "", "k.yaml:3: is not YAML: did not find expected key"},
    {"gateway:\n  listen: 8080\n", "", "",
     "k.yaml:2: gateway.listen: \"8080\" is not an address with a port from 0 to 65535; allowed: "
     "host:port"},
    {"gateway: {url_prefix: 'http://x/kanchi'}\n", "", "",
     "k.yaml:1: gateway.url_prefix: \"http://x/kanchi\" is not a path of letters, digits and -._~ "
     "such as /kanchi"},
    {"gateway: {url_prefix: /a/../b}\n", "", "",
     "k.yaml:1: gateway.url_prefix: \"/a/../b\" has a segment that is \".\" or \"..\""},
    {"gateway: {url_prefix: //evil.example}\n", "", "",
     "k.yaml:1: gateway.url_prefix: \"//evil.example\" has an empty segment"},
    {"bus: {storage: 'tcp://0.0.0.0:7000'}\n", "", "",
     "bus.storage: tcp:// beyond this machine is unprotected; allowed: tls+tcp://, or "
     "bus.insecure: true"},
    {"bus: {storage: 'tls+tcp://h:7000'}\n", "", "",
     "bus.storage: tls+tcp:// requires bus.ca, bus.cert and bus.key"},
    {"bus: {metrics: 'udp://h:7000'}\n", "", "",
     "bus.metrics: is not a bus address; allowed: ipc://, tcp:// or tls+tcp://"},
    {"", "--listne 1:2", "", "--listne: unknown option; see --help"},
    {"", "--data", "", "--data: requires a value"},
    {"", "up", "", "up: unknown argument; see --help"},
    {"", "--broker=redis://h:x1/0", "",
     "--broker: has a port that is not a number from 1 to 65535; allowed: redis://, rediss://, "
     "redis+socket://, "
     "unix://, sentinel://, amqp://, amqps:// or pyamqp://"},
    {"", "--broker localhost", "",
     "--broker: has an unknown scheme; allowed: redis://, rediss://, "
     "redis+socket://, "
     "unix://, sentinel://, amqp://, amqps:// or pyamqp://"},
    {"", "--database mysql://h", "",
     "--database: has an unknown scheme; allowed: sqlite:, "
     "postgresql:// or postgres://"},
    {"", "--source nobody", "",
     "ingestion.source: \"nobody\" is not the name of a broker; allowed: default"},
    {"", "", "KANCHI_LOG_LEVL=x", "KANCHI_LOG_LEVL: unknown variable; see --help"},
    {"", "", "KANCHI_GATEWAY_PORT=8080", "KANCHI_GATEWAY_PORT: unknown variable; see --help"},
    {"", "", "KANCHI_SERVICE_HOST=db", "KANCHI_SERVICE_HOST: unknown variable; see --help"},
    {"", "", "KANCHI_SERVICE_LEVEL=1", "KANCHI_SERVICE_LEVEL: unknown variable; see --help"},
    {"", "", "KANCHI_SERVICE_PORT_HTTP=tcp://10.0.0.1:80",
     "KANCHI_SERVICE_PORT_HTTP: unknown variable; see --help"},
    {"", "", "KANCHI_PORT_8080_TPC=tcp://10.0.0.1:80",
     "KANCHI_PORT_8080_TPC: unknown variable; see --help"},
    {"", "", "KANCHI_PORT_TCP=tcp://10.0.0.1:80", "KANCHI_PORT_TCP: unknown variable; see --help"},
    {"", "", "KANCHI_DB_ENV_PGDATA=/data", "KANCHI_DB_ENV_PGDATA: unknown variable; see --help"},
    {"", "", "KANCHI_NAME=kanchi", "KANCHI_NAME: unknown variable; see --help"},
    {"", "", "KANCHI_STORAGE_READERS=-1",
     "KANCHI_STORAGE_READERS: \"-1\" is too small; allowed: 1 to 64"},
    {"", "", "KANCHI_BROKER_URL_FILE=/nowhere",
     "brokers.url_file: cannot read /nowhere: No such file or directory"},
};

static void config_says_place_key_fault_and_what_is_allowed(void **state)
{
    (void)state;
    for (size_t i = 0; i < KN_COUNT_OF(bad); i++) {
        struct kn_config config;
        struct kn_buf error;
        char args[256];
        kn_buf_init(&error, 0);
        write_file("k.yaml", bad[i].yaml);
        snprintf(args, sizeof(args), "--config k.yaml %s", bad[i].args);
        assert_int_equal(load(&config, args, bad[i].env, &error), KN_CONFIG);
        kn_buf_char(&error, '\0');
        assert_string_equal(error.data, bad[i].error);
        kn_buf_fini(&error);
    }
}

static void url_prefix_is_written_in_one_way(void **state)
{
    (void)state;
    static const struct {
        const char *text, *prefix;
    } cases[] = {{"kanchi", "/kanchi"},
                 {"/kanchi", "/kanchi"},
                 {"/kanchi/", "/kanchi"},
                 {"a/b.c/", "/a/b.c"},
                 {"/", ""},
                 {"", ""},
                 {"/~x-y_z", "/~x-y_z"}};
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++) {
        struct kn_config config;
        char env[64];
        snprintf(env, sizeof(env), "KANCHI_GATEWAY_URL_PREFIX=%s", cases[i].text);
        load_ok(&config, "--broker redis://h", env);
        assert_string_equal(config.gateway.url_prefix, cases[i].prefix);
        kn_config_fini(&config);
    }
}

/* What Kubernetes makes for a Service, and Docker for a link: NAME stands for theirs. */
static const char *const made_by_others[] = {
    "NAME_SERVICE_HOST=10.96.0.7",
    "NAME_SERVICE_HOST=fd00::7",
    "NAME_SERVICE_PORT=8080",
    "NAME_SERVICE_PORT_HTTP=8080",
    "NAME_SERVICE_PORT_HTTP_METRICS=8081",
    "NAME_PORT=tcp://10.96.0.7:8080",
    "NAME_PORT=udp://[fd00::7]:8080",
    "NAME_PORT_8080_TCP=tcp://10.96.0.7:8080",
    "NAME_PORT_8080_TCP_PROTO=tcp",
    "NAME_PORT_8080_TCP_PORT=8080",
    "NAME_PORT_8080_TCP_ADDR=10.96.0.7",
    "NAME_PORT_53_UDP=udp://10.96.0.7:53",
    "NAME_PORT_9000_SCTP_PROTO=sctp",
    "NAME_PORT_8000_TCP_START=tcp://172.17.0.2:8000",
    "NAME_PORT_8000_TCP_PORT_START=8000",
    "NAME_PORT_8000_TCP_END=tcp://172.17.0.2:8010",
    "NAME_PORT_8000_TCP_PORT_END=8010",
    "NAME_NAME=/web/kanchi",
    "NAME_ENV_PGDATA=/var/lib/postgresql NAME_NAME=/web/kanchi",
};

/* Replaces every NAME_ at the start of a word. */
static void named(char *ret, size_t size, const char *text, const char *name)
{
    *ret = '\0';
    for (bool start = true; *text; start = text[-1] == ' ') {
        size_t len = strlen(ret);
        bool here = start && strncmp(text, "NAME_", 5) == 0;
        snprintf(ret + len, size - len, "%.*s%s", here ? (int)strlen(name) : 1, here ? name : text,
                 here ? "_" : "");
        text += here ? 5 : 1;
    }
}

static void config_ignores_the_variables_of_services_and_links(void **state)
{
    (void)state;
    static const char *const names[] = {
        "KANCHI",         "KANCHI_GATEWAY",   "KANCHI_BROKER",       "KANCHI_BROKERS_1",
        "KANCHI_STORAGE", "KANCHI_PORT",      "KANCHI_SERVICE_HOST", "KANCHI_NAME",
        "KANCHI_LOG",     "KANCHI_PORT_PORT", "KANCHI_WEB_80",       "KANCHI_SERVICE_PORT"};
    for (size_t i = 0; i < KN_COUNT_OF(names); i++)
        for (size_t j = 0; j < KN_COUNT_OF(made_by_others); j++) {
            struct kn_config config;
            char env[256];
            named(env, sizeof(env), made_by_others[j], names[i]);
            load_ok(&config, "", env);
            assert_int_equal(config.n_foreign, strchr(env, ' ') ? 2 : 1);
            assert_string_equal(config.brokers[0].name, "default");
            kn_config_fini(&config);
        }
}

/* No key is mistaken for one of those, whatever its value. */
static void config_key_is_never_ignored(void **state)
{
    (void)state;
    static const char *const values[] = {"8080", "10.0.0.1", "tcp", "tcp://10.0.0.1:80", "x"};
    for (size_t i = 0; i < config_n_rows + config_n_broker_rows; i++) {
        const struct config_row *row =
            i < config_n_rows ? &config_rows[i] : &config_broker_rows[i - config_n_rows];
        for (size_t j = 0; j < KN_COUNT_OF(values); j++) {
            char variable[128];
            int n = snprintf(variable, sizeof(variable), "KANCHI_%s%s%s=", row->section,
                             *row->section ? "_" : "", row->name);
            for (int k = 0; k < n; k++)
                variable[k] = (char)toupper((unsigned char)variable[k]);
            snprintf(variable + n, sizeof(variable) - (size_t)n, "%s", values[j]);
            const char *const env[] = {variable, NULL};
            assert_false(config_is_foreign(variable, env));
        }
    }
}

static void config_refuses_a_file_that_is_not_there(void **state)
{
    (void)state;
    struct kn_config config;
    struct kn_buf error;
    kn_buf_init(&error, 0);
    assert_int_equal(load(&config, "--config no.yaml", "", &error), KN_CONFIG);
    kn_buf_char(&error, '\0');
    assert_string_equal(error.data, "no.yaml: cannot read the file: No such file or directory");
    kn_buf_fini(&error);
}

static void config_refuses_a_data_folder_too_long_for_sockets(void **state)
{
    (void)state;
    struct kn_config config;
    struct kn_buf error;
    char args[256];
    snprintf(args, sizeof(args), "--data /%0100d", 0);
    kn_buf_init(&error, 0);
    assert_int_equal(load(&config, args, "", &error), KN_CONFIG);
    kn_buf_char(&error, '\0');
    assert_non_null(strstr(error.data, "has 117 bytes; a socket allows 107"));
    kn_buf_fini(&error);
}

static void config_finds_the_broker_of_a_service(void **state)
{
    (void)state;
    struct kn_config config;
    const struct kn_config_broker *broker = NULL;
    struct kn_buf error;
    kn_buf_init(&error, 0);
    load_ok(&config, "--broker a=redis://a --broker b=redis://b", "");
    assert_int_equal(kn_config_broker(&config, "b", &broker, &error), KN_OK);
    assert_string_equal(broker->url, "redis://b");
    assert_int_equal(kn_config_broker(&config, "", &broker, &error), KN_CONFIG);
    kn_buf_char(&error, '\0');
    assert_string_equal(error.data, "there are several brokers; choose one with --source: a, b");
    assert_non_null(strstr(kn_config_control_address(&config, "b"), "/bus/control-b.ipc"));
    kn_buf_fini(&error);
    kn_config_fini(&config);
}

/* docs/configuration.md is made from the table; `kanchi config-doc` writes it. */
static void config_document_says_what_the_table_says(void **state)
{
    (void)state;
    struct kn_buf made;
    kn_buf_init(&made, 0);
    kn_config_markdown(&made);
    assert_int_equal(kn_buf_status(&made), KN_OK);
    FILE *in = fopen("docs/configuration.md", "re");
    assert_non_null(in);
    char *kept = calloc(1, made.len + 2);
    assert_non_null(kept);
    assert_int_equal(fread(kept, 1, made.len + 1, in), made.len);
    fclose(in);
    assert_memory_equal(kept, made.data, made.len);
    free(kept);
    kn_buf_fini(&made);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, enter_folder, leave_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(config_has_defaults_without_a_file),
        IN_FOLDER(config_option_goes_over_environment_over_file),
        IN_FOLDER(config_ignores_the_variables_of_services_and_links),
        IN_FOLDER(config_key_is_never_ignored),
        IN_FOLDER(config_broker_options_replace_the_files_brokers),
        IN_FOLDER(config_secret_is_read_from_the_file_of_the_highest_layer),
        IN_FOLDER(config_handed_on_as_yaml_reads_back_the_same),
        IN_FOLDER(config_says_place_key_fault_and_what_is_allowed),
        IN_FOLDER(url_prefix_is_written_in_one_way),
        IN_FOLDER(config_refuses_a_file_that_is_not_there),
        IN_FOLDER(config_refuses_a_data_folder_too_long_for_sockets),
        IN_FOLDER(config_finds_the_broker_of_a_service),
        cmocka_unit_test(config_document_says_what_the_table_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
