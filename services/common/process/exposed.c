#include "services/common/process/exposed.h"
#include "services/common/config/config_table.h"
#include "services/common/process/log.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MODE_BITS 07777

struct seen {
    struct seen *next;
    const char *path;
};

struct look {
    const struct kn_config *config;
    const char *service;
    kn_exposed_fn *say;
    void *arg;
    struct kn_arena arena;
    struct seen *seen;
};

/* False when this path has had its turn. */
static bool is_first(struct look *look, const char *path)
{
    for (const struct seen *at = look->seen; at; at = at->next)
        if (strcmp(at->path, path) == 0)
            return false;
    struct seen *new = kn_arena_alloc(&look->arena, sizeof(*new));
    struct kn_str copy = kn_arena_str(&look->arena, kn_str_from(path));
    if (!new || !copy.ptr)
        return false;
    *new = (struct seen){.next = look->seen, .path = copy.ptr};
    look->seen = new;
    return true;
}

static void say(struct look *look, const char *path, const struct stat *info, struct kn_buf *text)
{
    if (kn_buf_status(text) == KN_OK)
        look->say(path, info->st_mode & MODE_BITS, kn_buf_view(text), look->arg);
    kn_buf_fini(text);
}

/* --- the folders above a path --- */

/* Writes the next folder above path into ret, from the root down. False at the end. */
static bool next_folder(const char *path, size_t *at, char ret[static PATH_MAX])
{
    const char *slash = strchr(path + *at, '/');
    if (!slash || !slash[1] || strlen(path) >= PATH_MAX)
        return false;
    size_t len = slash == path ? 1 : (size_t)(slash - path);
    memcpy(ret, path, len);
    ret[len] = '\0';
    *at = (size_t)(slash - path) + 1;
    return true;
}

/* A folder in which any user may rename what others have made. */
static bool lets_replace(const struct stat *info)
{
    return (info->st_mode & S_IWOTH) && !(info->st_mode & S_ISVTX);
}

/* Returns whether any user can get to path, an absolute one. */
static bool check_folders(struct look *look, const char *key, const char *path)
{
    char folder[PATH_MAX];
    struct stat info;
    for (size_t at = 0; next_folder(path, &at, folder);) {
        if (stat(folder, &info) != 0 || !(info.st_mode & S_IXOTH))
            return false;
        if (!lets_replace(&info) || !is_first(look, folder))
            continue;
        struct kn_buf text;
        kn_buf_init(&text, 0);
        kn_buf_printf(&text,
                      "%s: any user can replace %s, as its folder %s has mode %04o: "
                      "chmod o-w %s",
                      key, path, folder, info.st_mode & MODE_BITS, folder);
        say(look, folder, &info, &text);
    }
    return true;
}

/* --- the path itself --- */

static bool is_in_group(gid_t group)
{
    gid_t groups[NGROUPS_MAX];
    int count = getgroups(NGROUPS_MAX, groups);
    for (int i = 0; i < count; i++)
        if (groups[i] == group)
            return true;
    return group == getegid();
}

/* The remedy must leave the file readable by this process. */
static void add_chmod(struct kn_buf *text, const char *path, const struct stat *info)
{
    uid_t user = geteuid();
    if (user != 0 && info->st_uid != user && is_in_group(info->st_gid))
        kn_buf_printf(text, "chmod 640 %s", path);
    else if (user != 0 && info->st_uid != user)
        kn_buf_printf(text, "chown %u %s && chmod 600 %s", (unsigned)user, path, path);
    else
        kn_buf_printf(text, "chmod 600 %s", path);
}

static void say_folder(struct look *look, const char *key, const char *path,
                       const struct stat *info)
{
    struct kn_buf text;
    kn_buf_init(&text, 0);
    kn_buf_printf(&text, "%s: any user can put files into the folder %s (mode %04o): ", key, path,
                  info->st_mode & MODE_BITS);
    if (info->st_mode & S_ISVTX)
        kn_buf_text(&text, "choose a folder that only Kanchi's user can write to");
    else
        kn_buf_printf(&text, "chmod o-w %s", path);
    say(look, path, info, &text);
}

static void say_file(struct look *look, const char *key, const char *path, bool secret,
                     const struct stat *info)
{
    struct kn_buf text;
    bool read = secret && (info->st_mode & S_IROTH), change = info->st_mode & S_IWOTH;
    kn_buf_init(&text, 0);
    kn_buf_printf(&text, "%s: any user can %s%s%s %s%s (mode %04o): ", key, read ? "read" : "",
                  read && change ? " and " : "", change ? "change" : "", path,
                  read ? ", which holds a secret" : "", info->st_mode & MODE_BITS);
    if (secret)
        add_chmod(&text, path, info);
    else
        kn_buf_printf(&text, "chmod o-w %s", path);
    say(look, path, info, &text);
}

static bool make_absolute(const char *path, char ret[static 2 * PATH_MAX])
{
    size_t len = 0;
    if (path[0] != '/') {
        if (!getcwd(ret, PATH_MAX))
            return false;
        len = strlen(ret);
        ret[len++] = '/';
    }
    return snprintf(ret + len, 2 * PATH_MAX - len, "%s", path) < PATH_MAX;
}

/* secret: nobody else may read the file. */
static void check(struct look *look, const char *key, const char *path, bool secret)
{
    char full[2 * PATH_MAX], real[PATH_MAX];
    struct stat info;
    if (!*path || !make_absolute(path, full))
        return;
    (void)check_folders(look, key, full);
    if (!realpath(full, real) || stat(real, &info) != 0)
        return;
    bool can_enter = check_folders(look, key, real);
    if (!can_enter || !is_first(look, real))
        return;
    if (S_ISDIR(info.st_mode) && (info.st_mode & S_IWOTH))
        say_folder(look, key, real, &info);
    else if (S_ISREG(info.st_mode) && (info.st_mode & (S_IWOTH | (secret ? S_IROTH : 0))))
        say_file(look, key, real, secret, &info);
}

/* --- what the configuration names --- */

static bool is_key(const struct config_row *row)
{
    size_t len = strlen(row->name);
    return strcmp(row->name, "key") == 0 || (len > 4 && strcmp(row->name + len - 4, "_key") == 0);
}

/* Celery's way to name a key: `rediss://host?ssl_keyfile=/path`. */
static void check_url(struct look *look, const char *key, const char *url)
{
    static const char name[] = "ssl_keyfile=";
    char path[PATH_MAX];
    for (const char *at = url; (at = strstr(at, name));) {
        at += sizeof(name) - 1;
        snprintf(path, sizeof(path), "%.*s", (int)strcspn(at, "&;"), at);
        check(look, key, path, true);
    }
}

/* `data` is for some services only. */
static void check_rows(struct look *look, const struct config_row *rows, size_t count,
                       const void *base)
{
    for (size_t i = 0; i < count; i++) {
        char key[128];
        const char *const *text = (const void *)((const char *)base + rows[i].offset);
        snprintf(key, sizeof(key), "%s.%s", rows[i].section, rows[i].name);
        if (rows[i].type == CONFIG_PATH && *rows[i].section)
            check(look, key, *text, is_key(&rows[i]) || config_secret_of(&rows[i]));
        else if (rows[i].type == CONFIG_URL)
            check_url(look, key, *text);
    }
}

static bool is_for(const struct look *look, const char *service)
{
    return strcmp(look->service, "kanchi") == 0 || strcmp(look->service, service) == 0;
}

static void check_socket(struct look *look, const char *key, const char *address)
{
    char folder[PATH_MAX];
    if (strncmp(address, "ipc://", 6) != 0)
        return;
    snprintf(folder, sizeof(folder), "%s", address + 6);
    char *slash = strrchr(folder, '/');
    if (!slash)
        return;
    slash[slash == folder] = '\0';
    check(look, key, folder, false);
}

void kn_exposed_find(const struct kn_config *config, const char *service, kn_exposed_fn *say_each,
                     void *arg)
{
    struct look look = {.config = config, .service = service, .say = say_each, .arg = arg};
    const char *database = config->storage.database;
    kn_arena_init(&look.arena, 0);
    check(&look, "--config", config->file, config->file_has_secret);
    check_rows(&look, config_rows, config_n_rows, config);
    for (size_t i = 0; i < config->n_brokers; i++)
        check_rows(&look, config_broker_rows, config_n_broker_rows, &config->brokers[i]);
    if (is_for(&look, "kanchi-ingestion"))
        check(&look, "data", config->data, false);
    if (is_for(&look, "kanchi-storage") && strncmp(database, "sqlite:", 7) == 0)
        check(&look, "storage.database", database + 7, true);
    check_socket(&look, "bus.storage", config->bus.storage);
    check_socket(&look, "bus.storage_feed", config->bus.storage_feed);
    check_socket(&look, "bus.metrics", config->bus.metrics);
    check_socket(&look, "bus.control", config->bus.control);
    kn_arena_fini(&look.arena);
}

/* --- the warning --- */

/* What `kanchi up` writes for its services is memory: a file without a name. */
static bool was_handed_over(const struct kn_config *config)
{
    struct stat info;
    return *config->file && stat(config->file, &info) == 0 && S_ISREG(info.st_mode) &&
           info.st_nlink == 0;
}

static void warn(const char *path, unsigned mode, struct kn_str text, void *arg)
{
    char octal[8];
    (void)arg;
    snprintf(octal, sizeof(octal), "%04o", mode);
    KN_WARN("file.exposed", KN_F_TEXT("path", path), KN_F_TEXT("mode", octal),
            KN_F_STR("warning", text));
}

void kn_exposed_warn(const struct kn_config *config, const char *service)
{
    if (!was_handed_over(config))
        kn_exposed_find(config, service, warn, NULL);
}
