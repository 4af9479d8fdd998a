#include "gateway/test.h"

#include "gateway/api/app.h"
#include "gateway/http/exchange.h"
#include "gateway/http/host.h"
#include "gateway/http/router.h"
#include "services/common/count.h"

static void a_path_finds_its_route_and_argument(void **state)
{
    (void)state;
    static const struct gw_route table[] = {
        {.pattern = "/tasks", .method = GW_GET},
        {.pattern = "/tasks/{id}/events", .method = GW_GET},
        {.pattern = "/tasks/{id}", .method = GW_GET},
        {.pattern = "/metrics/time", .method = GW_GET},
        {0},
    };
    static const struct {
        const char *path;
        const char *pattern; /* NULL: none */
        const char *arg;     /* NULL: absent */
    } cases[] = {
        {"/tasks", "/tasks", NULL},
        {"/tasks/", NULL, NULL},
        {"/tasks/a", "/tasks/{id}", "a"},
        {"/tasks/a%2Fb", "/tasks/{id}", "a%2Fb"},
        {"/tasks/a/b", "/tasks/{id}", "a/b"},
        {"/tasks/a/events", "/tasks/{id}/events", "a"},
        {"/tasks/a/b/events", "/tasks/{id}/events", "a/b"},
        {"/tasks/a%2Fevents", "/tasks/{id}", "a%2Fevents"},
        {"/tasks/events", "/tasks/{id}", "events"},
        {"/tasks//events", "/tasks/{id}", "/events"},
        {"/task", NULL, NULL},
        {"/tasksx", NULL, NULL},
        {"/metrics/time", "/metrics/time", NULL},
        {"", NULL, NULL},
    };
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++) {
        struct kn_str arg = KN_STR_ABSENT;
        const struct gw_route *route = gw_route_find(table, kn_str_from(cases[i].path), &arg);
        if (!cases[i].pattern) {
            assert_null(route);
            continue;
        }
        assert_non_null(route);
        assert_string_equal(route->pattern, cases[i].pattern);
        assert_str(arg, cases[i].arg);
    }
}

static void methods_are_compared_whole(void **state)
{
    (void)state;
    static const char allow[] = "GET, HEAD, OPTIONS";
    assert_true(gw_allows(allow, KN_STR("GET")));
    assert_true(gw_allows(allow, KN_STR("HEAD")));
    assert_true(gw_allows(allow, KN_STR("OPTIONS")));
    assert_false(gw_allows(allow, KN_STR("get")));
    assert_false(gw_allows(allow, KN_STR("GE")));
    assert_false(gw_allows(allow, KN_STR("POST")));
    assert_false(gw_allows(allow, KN_STR("")));
    assert_false(gw_allows(allow, KN_STR("GET, HEAD")));
}

static void a_path_answers_the_methods_of_its_rows(void **state)
{
    (void)state;
    static const struct gw_route table[] = {
        {.pattern = "/a", .method = GW_GET},      {.pattern = "/a", .method = GW_DELETE},
        {.pattern = "/b", .method = GW_POST},     {.pattern = "/b", .method = GW_DELETE},
        {.pattern = "/ws", .method = GW_UPGRADE}, {0},
    };
    static const struct {
        const char *path, *allow, *method;
        int row; /* -1: none */
    } cases[] = {
        {"/a", "GET, HEAD, OPTIONS, DELETE", "GET", 0},
        {"/a", "GET, HEAD, OPTIONS, DELETE", "HEAD", 0},
        {"/a", "GET, HEAD, OPTIONS, DELETE", "DELETE", 1},
        {"/a", "GET, HEAD, OPTIONS, DELETE", "POST", -1},
        {"/b", "POST, DELETE, OPTIONS", "POST", 2},
        {"/b", "POST, DELETE, OPTIONS", "DELETE", 3},
        {"/b", "POST, DELETE, OPTIONS", "GET", -1},
        {"/ws", "GET, OPTIONS", "GET", 4},
        {"/ws", "GET, OPTIONS", "HEAD", -1},
    };
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++) {
        struct kn_str arg;
        const struct gw_route *first = gw_route_find(table, kn_str_from(cases[i].path), &arg);
        const struct gw_route *want = cases[i].row < 0 ? NULL : &table[cases[i].row];
        assert_string_equal(gw_route_allow(first), cases[i].allow);
        assert_ptr_equal(gw_route_of(first, kn_str_from(cases[i].method)), want);
    }
}

static void hosts_are_good_by_the_rules(void **state)
{
    (void)state;
    static const struct gw_host_rules loopback = {true, ""}, open = {false, ""},
                                      named = {false, "kanchi.example, other"}, all = {true, "*"};
    static const struct {
        const struct gw_host_rules *rules;
        const char *host;
        bool good;
    } cases[] = {
        {&loopback, "localhost", true},
        {&loopback, "LocalHost:8080", true},
        {&loopback, "127.0.0.1:1", true},
        {&loopback, "[::1]:8080", true},
        {&loopback, "evil.example", false},
        {&loopback, "localhost.evil.example", false},
        {&loopback, "localhost:8080@evil", false},
        {&loopback, "localhost:80x", false},
        {&loopback, "", false},
        {&loopback, "[::1", false},
        {&loopback, "[::1]x", false},
        {&open, "anything.example:80", true},
        {&open, "with space", false},
        {&open, "a/b", false},
        {&named, "kanchi.example:443", true},
        {&named, "KANCHI.EXAMPLE", true},
        {&named, "other", true},
        {&named, "evil.example", false},
        {&named, "localhost", true},
        {&all, "evil.example", true},
        {&named, "10.1.2.3:8080", true},
        {&loopback, "[fe80::1]:8080", true},
        {&loopback, "127.evil.example", false},
        {&loopback, "1.2.3.4.evil.example", false},
        {&loopback, "[evil.example]", false},
    };
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++)
        assert_int_equal(gw_host_ok(cases[i].rules, kn_str_from(cases[i].host)), cases[i].good);
}

static void origins_must_be_the_host(void **state)
{
    (void)state;
    static const struct gw_host_rules loopback = {true, ""}, named = {false, "kanchi.example"};
    static const struct {
        const struct gw_host_rules *rules;
        const char *origin; /* NULL: absent */
        const char *host;
        bool good;
        const char *forwarded; /* X-Forwarded-Host */
    } cases[] = {
        {&loopback, NULL, "localhost:8080", true, NULL},
        {&loopback, "http://localhost:8080", "localhost:8080", true, NULL},
        {&loopback, "https://localhost:8080", "localhost:8080", true, NULL},
        {&loopback, "http://localhost:3000", "localhost:8080", false, NULL},
        {&loopback, "http://localhost", "localhost:8080", false, NULL},
        {&loopback, "http://evil.example", "localhost:8080", false, NULL},
        {&loopback, "null", "localhost:8080", false, NULL},
        {&loopback, "", "localhost:8080", false, NULL},
        {&loopback, "file://", "localhost:8080", false, NULL},
        {&loopback, "http://", "localhost:8080", false, NULL},
        {&loopback, "https://127.0.0.1:8443", "127.0.0.1", true, NULL},
        {&named, "https://kanchi.example", "gateway.internal:80", true, NULL},
        {&named, "https://other.example:8443", "other.example", true, NULL},
        {&named, "https://other.example:8443", "other.example:443", true, NULL},
        {&named, "https://other.example:8443", "gateway:8080", true, "other.example"},
        {&named, "https://evil.example", "gateway:8080", false, "other.example"},
        {&named, "https://other.example.evil", "other.example", false, NULL},
    };
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++)
        assert_int_equal(gw_origin_ok(cases[i].rules, kn_str_from(cases[i].origin),
                                      kn_str_from(cases[i].host), kn_str_from(cases[i].forwarded)),
                         cases[i].good);
}

static void probes_may_use_any_name(void **state)
{
    (void)state;
    static const struct gw_host_rules loopback = {true, ""}, named = {false, "kanchi.example"};
    assert_true(gw_host_any_ok(&loopback, KN_STR("/healthz")));
    assert_true(gw_host_any_ok(&named, KN_STR("/readyz")));
    assert_true(gw_host_any_ok(&named, KN_STR("/metrics")));
    assert_false(gw_host_any_ok(&loopback, KN_STR("/metrics")));
    assert_false(gw_host_any_ok(&named, KN_STR("/api/v1/tasks")));
}

static void the_prefix_is_found_with_and_without_stripping(void **state)
{
    (void)state;
    static const struct {
        const char *own, *header, *path; /* header NULL: absent */
        const char *prefix, *rest;
    } cases[] = {
        {"", NULL, "/tasks", "", "/tasks"},
        {"/kanchi", NULL, "/kanchi/tasks", "/kanchi", "/tasks"},
        {"/kanchi", NULL, "/kanchi", "/kanchi", "/"},
        {"/kanchi", NULL, "/tasks", "/kanchi", "/tasks"},
        {"/kanchi", NULL, "/kanchis", "/kanchi", "/kanchis"},
        {"", "/kanchi", "/tasks", "/kanchi", "/tasks"},
        {"", "/kanchi/", "/kanchi/tasks", "/kanchi", "/tasks"},
        {"/kanchi", "/kanchi", "/tasks", "/kanchi", "/tasks"},
        {"/kanchi", "/kanchi", "/kanchi/tasks", "/kanchi", "/tasks"},
        {"/kanchi", "/outer", "/kanchi/tasks", "/outer/kanchi", "/tasks"},
        {"/kanchi", "/other", "/tasks", "/other", "/tasks"},
        {"", "/a, /b", "/tasks", "/a/b", "/tasks"},
        {"", "//evil.example", "/tasks", "", "/tasks"},
        {"", "/\"><script>", "/tasks", "", "/tasks"},
        {"/kanchi", "/a, ../b", "/kanchi/", "/kanchi", "/"},
        {"", "/", "/tasks", "", "/tasks"},
    };
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++) {
        const struct gw_app app = {.url_prefix = cases[i].own};
        struct gw_exchange x;
        gw_exchange_init(&x, NULL);
        x.path = kn_str_from(cases[i].path);
        x.forwarded_prefix = kn_str_from(cases[i].header);
        gw_app_find_prefix(&app, &x);
        assert_str(x.prefix, cases[i].prefix);
        assert_str(x.path, cases[i].rest);
        gw_exchange_fini(&x);
    }
}

static void an_etag_is_found_in_a_list(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        bool match;
    } cases[] = {
        {"\"a\"", true},
        {"W/\"a\"", true},
        {"\"b\", \"a\"", true},
        {" \"a\" ,\"c\"", true},
        {"*", true},
        {"\"b\"", false},
        {"a", false},
        {"", false},
        {"\"a\" \"b\"", false},
        {",,,", false},
    };
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++)
        assert_int_equal(gw_etag_matches(kn_str_from(cases[i].header), "\"a\""), cases[i].match);
    assert_false(gw_etag_matches(KN_STR_ABSENT, "\"a\""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_finds_its_route_and_argument),
        cmocka_unit_test(methods_are_compared_whole),
        cmocka_unit_test(a_path_answers_the_methods_of_its_rows),
        cmocka_unit_test(hosts_are_good_by_the_rules),
        cmocka_unit_test(origins_must_be_the_host),
        cmocka_unit_test(probes_may_use_any_name),
        cmocka_unit_test(the_prefix_is_found_with_and_without_stripping),
        cmocka_unit_test(an_etag_is_found_in_a_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
