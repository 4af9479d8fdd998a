#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "services/control/result_backend.h"

static void a_masked_password_is_the_brokers_on_its_own_server_only(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum control_backend_kind want;
        const char *password;
        int db;
    } cases[] = {
        {"", CONTROL_BACKEND_NONE, NULL, 0},
        {"rpc://", CONTROL_BACKEND_NONE, NULL, 0},
        {"disabled://", CONTROL_BACKEND_NONE, NULL, 0},
        {"redis://broker:6380/3", CONTROL_BACKEND_REDIS, NULL, 3},
        {"redis://:********@broker:6380/3", CONTROL_BACKEND_REDIS, "secret", 3},
        {"redis://u:**@BROKER:6380/3", CONTROL_BACKEND_REDIS, "secret", 3},
        {"redis://:own@broker:6380/0", CONTROL_BACKEND_REDIS, "own", 0},
        {"redis://:********@broker:6379/3", CONTROL_BACKEND_MASKED, NULL, 0},
        {"redis://:********@other:6380/3", CONTROL_BACKEND_MASKED, NULL, 0},
        {"redis://other/1", CONTROL_BACKEND_REDIS, NULL, 1},
        {"db+postgresql://u:**@h/d", CONTROL_BACKEND_UNSUPPORTED, NULL, 0},
        {"django-db", CONTROL_BACKEND_UNSUPPORTED, NULL, 0},
        {"redis", CONTROL_BACKEND_WRONG, NULL, 0},
        {"redis://h:port/0", CONTROL_BACKEND_WRONG, NULL, 0},
    };
    struct broker_url *broker = NULL;
    assert_int_equal(broker_url_parse(KN_STR("redis://u:secret@broker:6380/0"), &broker, NULL),
                     KN_OK);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct control_backend_place place;
        control_backend_place_read(kn_str_from(cases[i].text), broker, &place);
        if (place.kind != cases[i].want)
            fail_msg("%s: %d", cases[i].text, place.kind);
        if (place.kind == CONTROL_BACKEND_REDIS) {
            assert_int_equal(place.url.db, cases[i].db);
            assert_true(kn_str_eq(kn_str_from(place.url.password), kn_str_from(cases[i].password)));
        }
        control_backend_place_fini(&place);
    }
    broker_url_free(broker);
}

static void a_scheme_is_what_stands_before_the_colon(void **state)
{
    (void)state;
    assert_true(kn_str_eq(control_backend_scheme(KN_STR("db+sqlite:///x")), KN_STR("db+sqlite")));
    assert_true(kn_str_eq(control_backend_scheme(KN_STR("django-db")), KN_STR("django-db")));
    assert_true(kn_str_eq(control_backend_scheme(KN_STR("")), KN_STR("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_masked_password_is_the_brokers_on_its_own_server_only),
        cmocka_unit_test(a_scheme_is_what_stands_before_the_colon),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
