#include "gateway/test.h"

#include "gateway/http/static.h"
#include "services/common/count.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const names[] = {
    "200.html",    "index.html",      "theme.js",           "theme.js.gz",
    "theme.js.br", "_nuxt/entry.css", "_nuxt/entry.css.gz", ".secret",
    "csp.json",    "lonely.gz",       "with space.txt",     "../outside.txt",
};

static char dir[64];

static void write_file(const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/site/%s", dir, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static int make_site(void **state)
{
    char path[256], outside[256];
    snprintf(dir, sizeof dir, "/tmp/kanchi-static-XXXXXX");
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/site", dir);
    mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/site/_nuxt", dir);
    mkdir(path, 0700);
    for (size_t i = 0; i < KN_COUNT_OF(names); i++)
        write_file(names[i], names[i]);
    write_file("csp.json", "{\"script_hashes\": [\"sha256-abc=\", \"sha256-d/f+=\", \"x; y\", 7,"
                           " \"sha256-a'; default-src *\"]}");
    snprintf(path, sizeof path, "%s/site/link.txt", dir);
    snprintf(outside, sizeof outside, "%s/outside.txt", dir);
    assert_int_equal(symlink(outside, path), 0);
    snprintf(path, sizeof path, "%s/site", dir);
    struct gw_static *files = NULL;
    assert_int_equal(gw_static_load(path, &files), KN_OK);
    *state = files;
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static int remove_site(void **state)
{
    gw_static_free(*state);
    return nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void ask(const struct gw_static *files, const char *path, const char *encoding,
                const char *etag, struct gw_exchange *x)
{
    gw_exchange_init(x, NULL);
    x->path = kn_str_from(path);
    x->accept_encoding = kn_str_from(encoding);
    x->if_none_match = kn_str_from(etag);
    gw_static_answer(files, x);
}

static void a_path_is_a_file_or_the_dashboard(void **state)
{
    static const struct {
        const char *path;
        const char *encoding;
        int status;
        const char *body; /* NULL: a problem */
    } cases[] = {
        {"/", NULL, 200, "200.html"},
        {"/index.html", NULL, 200, "index.html"},
        {"/tasks/abc", NULL, 200, "200.html"},
        {"/workers/celery@node-1.example", NULL, 200, "200.html"},
        {"/workers/celery%40node.js", NULL, 200, "200.html"},
        {"/theme.js", NULL, 200, "theme.js"},
        {"/theme.js", "gzip", 200, "theme.js.gz"},
        {"/theme.js", "gzip, deflate, br", 200, "theme.js.br"},
        {"/theme.js", "br;q=0, gzip;q=0.5", 200, "theme.js.gz"},
        {"/theme.js", "br;q=0.000,gzip;q=0", 200, "theme.js"},
        {"/theme.js", "brotli, xgzip", 200, "theme.js"},
        {"/_nuxt/entry.css", NULL, 200, "_nuxt/entry.css"},
        {"/_nuxt/gone.js", NULL, 404, NULL},
        {"/with%20space.txt", NULL, 200, "with space.txt"},
        {"/lonely.gz", NULL, 200, "lonely.gz"},
        {"/.secret", NULL, 200, "200.html"},
        {"/csp.json", NULL, 200, "200.html"},
        {"/theme.js.gz", NULL, 200, "200.html"},
        {"/link.txt", NULL, 200, "200.html"},
        {"/../outside.txt", NULL, 200, "200.html"},
        {"/%2e%2e/outside.txt", NULL, 200, "200.html"},
        {"/_nuxt/../../outside.txt", NULL, 404, NULL},
        {"/..%2f..%2fetc/passwd", NULL, 200, "200.html"},
        {"//etc/passwd", NULL, 200, "200.html"},
        {"/a%00b", NULL, 400, NULL},
        {"/a%", NULL, 400, NULL},
        {"/%ff", NULL, 400, NULL},
    };
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++) {
        struct gw_exchange x;
        ask(*state, cases[i].path, cases[i].encoding, NULL, &x);
        assert_int_equal(x.status, cases[i].status);
        if (cases[i].body)
            assert_str(gw_exchange_body(&x), cases[i].body);
        gw_exchange_fini(&x);
    }
}

static void a_page_names_its_files_below_the_prefix(void **state)
{
    static const char page[] = "<html lang=\"en\" data-base=\"/\"><script src=\"/theme.js\">"
                               "</script><link href=\"/a.css\"> <a href=\"#main\">/x</a>";
    write_file("200.html", page);
    char path[256];
    snprintf(path, sizeof path, "%s/site", dir);
    struct gw_static *files = NULL;
    struct gw_exchange plain, below, other;
    assert_int_equal(gw_static_load(path, &files), KN_OK);
    ask(files, "/tasks", "br", NULL, &plain);
    assert_str(gw_exchange_body(&plain), page);
    gw_exchange_init(&below, NULL);
    below.path = KN_STR("/tasks");
    below.prefix = KN_STR("/kanchi");
    gw_static_answer(files, &below);
    assert_str(gw_exchange_body(&below),
               "<html lang=\"en\" data-base=\"/kanchi/\"><script src=\"/kanchi/theme.js\">"
               "</script><link href=\"/kanchi/a.css\"> <a href=\"#main\">/x</a>");
    assert_true(below.page && !below.encoding);
    assert_string_not_equal(plain.etag, below.etag);
    gw_exchange_init(&other, NULL);
    other.path = KN_STR("/theme.js");
    other.prefix = KN_STR("/kanchi");
    gw_static_answer(files, &other);
    assert_str(gw_exchange_body(&other), "theme.js");
    gw_exchange_fini(&plain);
    gw_exchange_fini(&below);
    gw_exchange_fini(&other);
    gw_static_free(files);
    (void)state;
}

static void what_the_client_has_is_not_sent_again(void **state)
{
    struct gw_exchange first, second, other;
    ask(*state, "/theme.js", "br", NULL, &first);
    ask(*state, "/theme.js", "br", first.etag, &second);
    ask(*state, "/theme.js", NULL, first.etag, &other);
    assert_int_equal(second.status, 304);
    assert_int_equal(gw_exchange_body(&second).len, 0);
    assert_int_equal(other.status, 200);
    gw_exchange_fini(&first);
    gw_exchange_fini(&second);
    gw_exchange_fini(&other);
}

static void hashed_files_are_kept_for_ever(void **state)
{
    struct gw_exchange hashed, page;
    ask(*state, "/_nuxt/entry.css", NULL, NULL, &hashed);
    ask(*state, "/", NULL, NULL, &page);
    assert_non_null(strstr(hashed.cache, "immutable"));
    assert_string_equal(page.cache, "no-cache");
    assert_string_equal(page.type, "text/html; charset=utf-8");
    gw_exchange_fini(&hashed);
    gw_exchange_fini(&page);
}

static void the_policy_takes_hashes_and_nothing_that_breaks_it(void **state)
{
    const char *policy = gw_static_policy(*state);
    assert_non_null(strstr(policy, "script-src 'self' 'sha256-abc=' 'sha256-d/f+=';"));
    assert_null(strstr(policy, "x; y"));
    assert_null(strstr(policy, "default-src *"));
    assert_non_null(strstr(policy, "frame-ancestors 'none'"));
}

static void without_files_the_answer_says_so(void **state)
{
    (void)state;
    struct gw_exchange x;
    struct gw_static *files = NULL;
    ask(NULL, "/", NULL, NULL, &x);
    assert_int_equal(x.status, 404);
    gw_exchange_fini(&x);
    assert_int_equal(gw_static_load("/tmp/kanchi-there-is-no-such-folder", &files), KN_NOT_FOUND);
    assert_null(files);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_is_a_file_or_the_dashboard),
        cmocka_unit_test(a_page_names_its_files_below_the_prefix),
        cmocka_unit_test(what_the_client_has_is_not_sent_again),
        cmocka_unit_test(hashed_files_are_kept_for_ever),
        cmocka_unit_test(the_policy_takes_hashes_and_nothing_that_breaks_it),
        cmocka_unit_test(without_files_the_answer_says_so),
    };
    return cmocka_run_group_tests(tests, make_site, remove_site);
}
