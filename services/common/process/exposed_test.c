/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include "services/common/process/exposed.h"

#include "services/common/count.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What is there before Kanchi starts, in a folder that any user may enter. */
static const struct entry {
    const char *name; /* a folder when it ends in "/" */
    mode_t mode;
    const char *text;
} entries[] = {
    {"safe.yaml", 0600, "brokers: [{url: 'redis://:secret@h'}]\n"},
    {"open.yaml", 0644, "brokers: [{url: 'redis://:secret@h'}]\n"},
    {"plain.yaml", 0644, "brokers: [{url: redis://h}]\n"},
    {"loose.yaml", 0646, "brokers: [{url: redis://h}]\n"},
    {"sentinel.yaml", 0640, "brokers: [{sentinel_password: secret}]\n"},
    {"read", 0644, "redis://:secret@h\n"},
    {"write", 0602, "redis://:secret@h\n"},
    {"both", 0666, "redis://:secret@h\n"},
    {"group", 0640, "redis://:secret@h\n"},
    {"ca.pem", 0644, ""},
    {"loose.pem", 0666, ""},
    {"own/", 0700, NULL},
    {"own/read", 0644, "redis://:secret@h\n"},
    {"own/data/", 0777, NULL},
    {"open/", 0777, NULL},
    {"open/safe", 0600, "redis://:secret@h\n"},
    {"open/data/", 0700, NULL},
    {"shared/", 01777, NULL},
    {"shared/safe", 0600, "redis://:secret@h\n"},
    {"fresh/", 0755, NULL},
    {"old/", 0755, NULL},
    {"old/kanchi.db", 0644, ""},
};
enum { ENTRIES = KN_COUNT_OF(entries) };

/* options and warnings: "@" stands for the folder. */
static const struct {
    const char *options;
    const char *service;
    const char *warnings;
} cases[] = {
    /* the configuration */
    {"--config safe.yaml", "kanchi", ""},
    {"--config plain.yaml", "kanchi", ""},
    {"--config sentinel.yaml", "kanchi", ""},
    {"--config open.yaml", "kanchi",
     "--config: any user can read @/open.yaml, which holds a secret (mode 0644): "
     "chmod 600 @/open.yaml\n"},
    {"--config loose.yaml", "kanchi",
     "--config: any user can change @/loose.yaml (mode 0646): chmod o-w @/loose.yaml\n"},
    /* secrets, keys and certificates */
    {"--brokers.0.url_file read", "kanchi-control",
     "brokers.url_file: any user can read @/read, which holds a secret (mode 0644): "
     "chmod 600 @/read\n"},
    {"--brokers.0.url_file write", "kanchi-control",
     "brokers.url_file: any user can change @/write (mode 0602): chmod 600 @/write\n"},
    {"--brokers.0.url_file both", "kanchi-control",
     "brokers.url_file: any user can read and change @/both, which holds a secret (mode 0666): "
     "chmod 600 @/both\n"},
    {"--brokers.0.url_file group", "kanchi-control", ""},
    {"--bus.key read --bus.ca loose.pem --bus.cert ca.pem", "kanchi-gateway",
     "bus.ca: any user can change @/loose.pem (mode 0666): chmod o-w @/loose.pem\n"
     "bus.key: any user can read @/read, which holds a secret (mode 0644): chmod 600 @/read\n"},
    {"--broker rediss://h?ssl_keyfile=read&ssl_certfile=ca.pem", "kanchi",
     "brokers.url: any user can read @/read, which holds a secret (mode 0644): "
     "chmod 600 @/read\n"},
    /* each file once */
    {"--brokers.0.url_file read --bus.key read", "kanchi",
     "bus.key: any user can read @/read, which holds a secret (mode 0644): chmod 600 @/read\n"},
    /* the folders above */
    {"--brokers.0.url_file own/read", "kanchi", ""},
    {"--brokers.0.url_file shared/safe", "kanchi", ""},
    {"--brokers.0.url_file open/safe", "kanchi",
     "brokers.url_file: any user can replace @/open/safe, as its folder @/open has mode 0777: "
     "chmod o-w @/open\n"},
    /* folders of the service */
    {"--data fresh/none", "kanchi", ""},
    {"--data own/data", "kanchi", ""},
    {"--data open", "kanchi-ingestion",
     "data: any user can put files into the folder @/open (mode 0777): chmod o-w @/open\n"},
    {"--data shared", "kanchi-ingestion",
     "data: any user can put files into the folder @/shared (mode 1777): choose a folder that "
     "only Kanchi's user can write to\n"},
    {"--data open/data", "kanchi",
     "data: any user can replace @/open/data, as its folder @/open has mode 0777: "
     "chmod o-w @/open\n"},
    {"--ingestion.spool open", "kanchi-ingestion",
     "ingestion.spool: any user can put files into the folder @/open (mode 0777): "
     "chmod o-w @/open\n"},
    {"--bus.storage ipc://shared/s --bus.metrics ipc://shared/m", "kanchi-aggregation",
     "bus.storage: any user can put files into the folder @/shared (mode 1777): choose a folder "
     "that only Kanchi's user can write to\n"},
    /* a database */
    {"--data old", "kanchi-storage",
     "storage.database: any user can read @/old/kanchi.db, which holds a secret (mode 0644): "
     "chmod 600 @/old/kanchi.db\n"},
    {"--data old", "kanchi-gateway", ""},
    /* the gateway has no use for a data folder when the bus is elsewhere */
    {"--data open --bus.storage tcp://127.0.0.1:1 --bus.storage_feed tcp://127.0.0.1:2 "
     "--bus.metrics tcp://127.0.0.1:3 --bus.control tcp://127.0.0.1:4",
     "kanchi-gateway", ""},
};

static char folder[64];

static int make_entries(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/kanchi-exposed-test-XXXXXX");
    if (!mkdtemp(folder) || chmod(folder, 0755) != 0 || chdir(folder) != 0)
        return -1;
    for (size_t i = 0; i < ENTRIES; i++) {
        const struct entry *entry = &entries[i];
        int made = entry->text ? open(entry->name, O_CREAT | O_WRONLY | O_CLOEXEC, 0600)
                               : mkdir(entry->name, 0700);
        if (made < 0 || chmod(entry->name, entry->mode) != 0)
            return -1;
        if (entry->text && write(made, entry->text, strlen(entry->text)) < 0)
            return -1;
        if (entry->text)
            close(made);
    }
    return 0;
}

static int remove_entries(void **state)
{
    (void)state;
    for (size_t i = ENTRIES; i-- > 0;)
        (void)remove(entries[i].name);
    return chdir("/") == 0 && rmdir(folder) == 0 ? 0 : -1;
}

static void load(struct kn_config *config, const char *options)
{
    char text[1024];
    const char *words[32];
    size_t count = 0;
    struct kn_buf error;
    kn_buf_init(&error, 0);
    snprintf(text, sizeof(text), "%s", options);
    for (char *save, *word = strtok_r(text, " ", &save); word && count < 32;
         word = strtok_r(NULL, " ", &save))
        words[count++] = word;
    struct kn_config_from from = {.argv = words, .argc = count};
    if (kn_config_load(config, &from, &error) != KN_OK)
        fail_msg("%s: %.*s", options, KN_STR_ARG(kn_buf_view(&error)));
    kn_buf_fini(&error);
}

static void gather(const char *path, unsigned mode, struct kn_str text, void *arg)
{
    struct stat info;
    struct kn_buf *all = arg;
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 07777, mode);
    for (size_t i = 0; i < text.len; i++) {
        size_t len = strlen(folder);
        bool here = text.len - i >= len && memcmp(text.ptr + i, folder, len) == 0;
        kn_buf_char(all, here ? '@' : text.ptr[i]);
        i += here ? len - 1 : 0;
    }
    kn_buf_char(all, '\n');
}

static void what_any_user_can_read_or_change_is_named_with_its_remedy(void **state)
{
    (void)state;
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++) {
        struct kn_config config;
        struct kn_buf found;
        kn_buf_init(&found, 0);
        load(&config, cases[i].options);
        kn_exposed_find(&config, cases[i].service, gather, &found);
        if (!kn_str_eq(kn_buf_view(&found), kn_str_from(cases[i].warnings)))
            fail_msg("%s %s: wanted\n%sgot\n%.*s", cases[i].service, cases[i].options,
                     cases[i].warnings, KN_STR_ARG(kn_buf_view(&found)));
        kn_buf_fini(&found);
        kn_config_fini(&config);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_any_user_can_read_or_change_is_named_with_its_remedy),
    };
    return cmocka_run_group_tests(tests, make_entries, remove_entries);
}
