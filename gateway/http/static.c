#include "gateway/http/static.h"

#include "services/common/count.h"
#include "services/common/process/log.h"
#include "services/common/text/json.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum coding { PLAIN, GZIP, BROTLI, N_CODINGS };

struct content {
    char *data; /* NULL: there is no such form of the file */
    size_t len;
    char etag[40];
};

struct file {
    char *path; /* "/index.html" */
    struct content forms[N_CODINGS];
};

struct gw_static {
    struct file *files; /* by path */
    size_t count;
    size_t bytes;
    char *policy;
};

static const struct {
    const char *suffix;
    const char *type;
} types[] = {
    {".html", "text/html; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".mjs", "text/javascript; charset=utf-8"},
    {".css", "text/css; charset=utf-8"},
    {".json", "application/json"},
    {".svg", "image/svg+xml"},
    {".png", "image/png"},
    {".ico", "image/x-icon"},
    {".webp", "image/webp"},
    {".woff2", "font/woff2"},
    {".txt", "text/plain; charset=utf-8"},
    {".webmanifest", "application/manifest+json"},
};

static bool ends_with(const char *text, const char *suffix)
{
    size_t n = strlen(text), m = strlen(suffix);
    return n >= m && strcmp(text + n - m, suffix) == 0;
}

static const char *type_of(const char *path)
{
    for (size_t i = 0; i < KN_COUNT_OF(types); i++)
        if (ends_with(path, types[i].suffix))
            return types[i].type;
    return "application/octet-stream";
}

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct file *)a)->path, ((const struct file *)b)->path);
}

static struct file *find(const struct gw_static *files, const char *path)
{
    struct file key = {.path = (char *)path};
    if (!files || !files->count)
        return NULL;
    return bsearch(&key, files->files, files->count, sizeof key, compare);
}

/* ---- reading the folder ----------------------------------------------------------------- */

static enum kn_status read_content(int dir, const char *name, size_t room, struct content *ret)
{
    enum kn_status status = KN_IO;
    struct stat st;
    char *data = NULL;
    int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0)
        goto out;
    if ((size_t)st.st_size > room) {
        status = KN_TOO_BIG;
        goto out;
    }
    size_t size = (size_t)st.st_size, at = 0;
    data = malloc(size + 1);
    while (data && at < size) {
        ssize_t n = read(fd, data + at, size - at);
        if (n <= 0)
            goto out;
        at += (size_t)n;
    }
    if (!data)
        goto out;
    *ret = (struct content){.data = data, .len = size};
    snprintf(ret->etag, sizeof ret->etag, "\"%016llx\"",
             (unsigned long long)kn_hash64(size, data, size));
    data = NULL;
    status = KN_OK;
out:
    free(data);
    if (fd >= 0)
        close(fd);
    return status;
}

static enum kn_status add_file(struct gw_static *files, int dir, const char *prefix,
                               const char *name)
{
    if (files->count == GW_STATIC_FILES_MAX)
        return KN_TOO_BIG;
    if ((files->count & (files->count - 1)) == 0) {
        size_t cap = files->count ? files->count * 2 : 1;
        struct file *more = realloc(files->files, cap * sizeof *more);
        if (!more)
            return KN_NOMEM;
        files->files = more;
    }
    struct file *file = &files->files[files->count];
    *file = (struct file){0};
    enum kn_status status =
        read_content(dir, name, GW_STATIC_BYTES_MAX - files->bytes, &file->forms[PLAIN]);
    if (status != KN_OK)
        return status;
    if (asprintf(&file->path, "%s/%s", prefix, name) < 0) {
        free(file->forms[PLAIN].data);
        return KN_NOMEM;
    }
    files->bytes += file->forms[PLAIN].len;
    files->count++;
    return KN_OK;
}

static enum kn_status load_dir(struct gw_static *files, int fd, const char *prefix, unsigned depth);

static enum kn_status load_entry(struct gw_static *files, int fd, const char *prefix,
                                 const char *name, unsigned depth)
{
    struct stat st;
    if (name[0] == '.' || fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return KN_OK;
    if (S_ISREG(st.st_mode))
        return add_file(files, fd, prefix, name);
    if (!S_ISDIR(st.st_mode) || depth == 8)
        return KN_OK;
    char *sub = NULL;
    int child = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (child < 0)
        return KN_IO;
    if (asprintf(&sub, "%s/%s", prefix, name) < 0) {
        close(child);
        return KN_NOMEM;
    }
    enum kn_status status = load_dir(files, child, sub, depth + 1);
    free(sub);
    return status;
}

/* Closes fd. */
static enum kn_status load_dir(struct gw_static *files, int fd, const char *prefix, unsigned depth)
{
    enum kn_status status = KN_OK;
    DIR *dir = fdopendir(fd);
    if (!dir) {
        close(fd);
        return KN_IO;
    }
    for (struct dirent *entry; status == KN_OK && (entry = readdir(dir));)
        status = load_entry(files, dirfd(dir), prefix, entry->d_name, depth);
    closedir(dir);
    return status;
}

static void free_file(struct file *file)
{
    for (int i = 0; i < N_CODINGS; i++)
        free(file->forms[i].data);
    free(file->path);
}

/* Moves "/x.js.gz" to where "/x.js" is, and forgets csp.json. */
static void join_forms(struct gw_static *files)
{
    static const struct {
        const char *suffix;
        enum coding coding;
    } suffixes[] = {{".gz", GZIP}, {".br", BROTLI}};
    qsort(files->files, files->count, sizeof *files->files, compare);
    for (size_t i = 0; i < files->count; i++) {
        for (int s = 0; s < 2; s++) {
            char path[1024];
            size_t len = strlen(files->files[i].path);
            if (len >= sizeof path || !ends_with(files->files[i].path, suffixes[s].suffix))
                continue;
            memcpy(path, files->files[i].path, len - 3);
            path[len - 3] = '\0';
            struct file *plain = find(files, path);
            if (!plain)
                continue;
            plain->forms[suffixes[s].coding] = files->files[i].forms[PLAIN];
            files->files[i].forms[PLAIN].data = NULL;
        }
    }
    size_t kept = 0;
    for (size_t i = 0; i < files->count; i++) {
        struct file *file = &files->files[i];
        if (file->forms[PLAIN].data && strcmp(file->path, "/csp.json") != 0)
            files->files[kept++] = *file;
        else
            free_file(file);
    }
    files->count = kept;
}

/* ---- the policy ------------------------------------------------------------------------- */

static const struct {
    const char *name;
    const char *value;
} directives[] = {
    {"default-src", "'none'"},   {"script-src", "'self'"},      {"style-src", "'self'"},
    {"img-src", "'self' data:"}, {"font-src", "'self'"},        {"connect-src", "'self'"},
    {"manifest-src", "'self'"},  {"worker-src", "'self'"},      {"base-uri", "'none'"},
    {"form-action", "'none'"},   {"frame-ancestors", "'none'"},
};

/* "sha256-" and base64: nothing that could end the directive. */
static bool is_hash(const char *text)
{
    static const char base64[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";
    return text && strncmp(text, "sha256-", 7) == 0 && strlen(text) < 60 &&
           text[7 + strspn(text + 7, base64)] == '\0';
}

static char *make_policy(const json_t *hashes)
{
    struct kn_buf out;
    kn_buf_init(&out, 16384);
    for (size_t i = 0; i < KN_COUNT_OF(directives); i++) {
        size_t n;
        json_t *item;
        kn_buf_printf(&out, "%s%s %s", i ? "; " : "", directives[i].name, directives[i].value);
        if (strcmp(directives[i].name, "script-src") != 0)
            continue;
        json_array_foreach((json_t *)hashes, n, item)
        {
            if (is_hash(json_string_value(item)))
                kn_buf_printf(&out, " '%s'", json_string_value(item));
        }
    }
    char *policy = kn_buf_take(&out, NULL);
    kn_buf_fini(&out);
    return policy;
}

static char *load_policy(int dir)
{
    struct content content = {0};
    json_t *root = NULL;
    enum kn_status status = read_content(dir, "../csp.json", 1 << 20, &content);
    if (status != KN_OK)
        status = read_content(dir, "csp.json", 1 << 20, &content);
    if (status == KN_OK)
        root = kn_json_load((struct kn_str){content.data, content.len}, 0);
    if (!root)
        KN_WARN("gateway.no_policy",
                KN_F_TEXT("text", "csp.json is missing or not valid: inline scripts are blocked"));
    char *policy = make_policy(json_object_get(root, "script_hashes"));
    json_decref(root);
    free(content.data);
    return policy;
}

enum kn_status gw_static_load(const char *dir, struct gw_static **ret)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR ? KN_NOT_FOUND : KN_IO;
    struct gw_static *files = calloc(1, sizeof *files);
    if (!files) {
        close(fd);
        return KN_NOMEM;
    }
    files->policy = load_policy(fd);
    enum kn_status status = load_dir(files, fd, "", 0);
    if (status == KN_OK) {
        join_forms(files);
        status = files->policy ? KN_OK : KN_NOMEM;
    }
    if (status != KN_OK) {
        gw_static_free(files);
        return status;
    }
    *ret = files;
    return KN_OK;
}

void gw_static_free(struct gw_static *files)
{
    if (!files)
        return;
    for (size_t i = 0; i < files->count; i++)
        free_file(&files->files[i]);
    free(files->files);
    free(files->policy);
    free(files);
}

/* ---- answering -------------------------------------------------------------------------- */

/* Whether an Accept-Encoding header takes a coding: it is named, and not with q=0. */
static bool accepts(struct kn_str header, const char *coding)
{
    size_t len = strlen(coding);
    for (size_t i = 0; i + len <= header.len; i++) {
        if (memcmp(header.ptr + i, coding, len) != 0)
            continue;
        bool starts = i == 0 || strchr(", \t", header.ptr[i - 1]);
        size_t end = i + len;
        while (end < header.len && header.ptr[end] == ' ')
            end++;
        if (!starts || (end < header.len && !strchr(",;", header.ptr[end])))
            continue;
        size_t stop = end;
        while (stop < header.len && header.ptr[stop] != ',')
            stop++;
        struct kn_str weight = {header.ptr + end, stop - end};
        const char *q = weight.len ? memmem(weight.ptr, weight.len, "q=0", 3) : NULL;
        if (!q)
            return true;
        const char *rest = q + 3;
        while (rest < weight.ptr + weight.len && (*rest == '.' || *rest == '0'))
            rest++;
        return rest < weight.ptr + weight.len && *rest >= '1' && *rest <= '9';
    }
    return false;
}

/* The next path of ours in the page: after href=" and the like, at the "/". NULL: none. */
static const char *next_path(const char *at, const char *end)
{
    static const char *const attributes[] = {" href=\"/", " src=\"/", " data-base=\"/"};
    const char *first = NULL;
    for (size_t i = 0; i < KN_COUNT_OF(attributes); i++) {
        size_t len = strlen(attributes[i]);
        const char *found = memmem(at, (size_t)(end - at), attributes[i], len);
        if (found && (!first || found + len - 1 < first))
            first = found + len - 1;
    }
    return first;
}

/* Not compressed: it is small, and each proxy may have another prefix. */
static void send_page_below(const struct content *content, struct gw_exchange *x)
{
    const char *at = content->data, *end = at + content->len;
    for (const char *path; (path = next_path(at, end)); at = path) {
        kn_buf_str(&x->body, (struct kn_str){at, (size_t)(path - at)});
        kn_buf_str(&x->body, x->prefix);
        kn_buf_char(&x->body, *path++);
    }
    kn_buf_str(&x->body, (struct kn_str){at, (size_t)(end - at)});
    x->status = 200;
    x->type = "text/html; charset=utf-8";
    x->cache = "no-cache";
    x->page = true;
    gw_exchange_tag(x);
}

static void send_file(const struct file *file, struct gw_exchange *x)
{
    enum coding coding = PLAIN;
    if (x->prefix.len > 0 && ends_with(file->path, ".html")) {
        send_page_below(&file->forms[PLAIN], x);
        return;
    }
    if (file->forms[BROTLI].data && accepts(x->accept_encoding, "br"))
        coding = BROTLI;
    else if (file->forms[GZIP].data && accepts(x->accept_encoding, "gzip"))
        coding = GZIP;
    const struct content *content = &file->forms[coding];
    x->status = 200;
    x->type = type_of(file->path);
    x->encoding = coding == BROTLI ? "br" : coding == GZIP ? "gzip" : NULL;
    x->cache =
        strncmp(file->path, "/_nuxt/", 7) == 0 ? "public, max-age=31536000, immutable" : "no-cache";
    x->page = true;
    x->stored = (struct kn_str){content->data, content->len};
    snprintf(x->etag, sizeof x->etag, "%s", content->etag);
    gw_exchange_tag(x);
}

static const struct file *choose(const struct gw_static *files, struct kn_str path)
{
    char name[1024];
    if (path.len >= sizeof name || memchr(path.ptr, '\0', path.len))
        return find(files, "/200.html");
    memcpy(name, path.ptr, path.len);
    name[path.len] = '\0';
    const struct file *file = strcmp(name, "/") == 0 ? NULL : find(files, name);
    if (file || strncmp(name, "/_nuxt/", 7) == 0)
        return file;
    file = find(files, "/200.html");
    return file ? file : find(files, "/index.html");
}

void gw_static_answer(const struct gw_static *files, struct gw_exchange *x)
{
    struct kn_str path;
    if (gw_percent_decode(x->path, false, &x->arena, &path) != KN_OK) {
        gw_problem_set(&x->problem, 400, NULL,
                       "the path has an invalid %%XX or a NUL, or is not UTF-8");
        gw_exchange_fail(x);
        return;
    }
    const struct file *file = choose(files, path);
    if (file) {
        send_file(file, x);
        return;
    }
    gw_problem_set(&x->problem, 404, NULL, "%s",
                   files ? "file not found"
                         : "the dashboard's files are missing: set gateway.static_dir");
    gw_exchange_fail(x);
}

const char *gw_static_policy(const struct gw_static *files)
{
    return files ? files->policy : "default-src 'none'; frame-ancestors 'none'";
}

size_t gw_static_count(const struct gw_static *files)
{
    return files ? files->count : 0;
}
