#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "services/control/find/result_backend.h"

#include "services/common/count.h"

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
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++) {
        struct control_backend_place place;
        control_backend_place_read(kn_str_from(cases[i].text), broker, &place);
        if (place.kind != cases[i].want)
            fail_msg("%s: %d", cases[i].text, place.kind);
        if (place.kind == CONTROL_BACKEND_REDIS) {
            assert_int_equal(place.url.hosts[0].db, cases[i].db);
            assert_true(kn_str_eq(kn_str_from(place.url.hosts[0].password),
                                  kn_str_from(cases[i].password)));
        }
        control_backend_place_fini(&place);
    }
    broker_url_free(broker);
}

static void the_brokers_tls_settings_are_those_of_a_backend_on_its_host(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool tls;
        const char *ca, *cert;
        enum broker_tls_verify verify;
    } cases[] = {
        {"rediss://broker:6380/1", true, "broker.ca", "broker.crt", BROKER_TLS_NONE},
        {"rediss://:**@broker:6380/1", true, "broker.ca", "broker.crt", BROKER_TLS_NONE},
        {"rediss://Broker:7000/1", true, "broker.ca", "broker.crt", BROKER_TLS_NONE},
        {"redis://broker:6380/1", true, "broker.ca", "broker.crt", BROKER_TLS_NONE},
        {"rediss://broker:7000/1?ssl_ca_certs=own.ca", true, "own.ca", "broker.crt",
         BROKER_TLS_NONE},
        {"redis://broker:7000/1", false, NULL, NULL, BROKER_TLS_REQUIRED},
        {"rediss://other:6380/1", true, NULL, NULL, BROKER_TLS_REQUIRED},
    };
    struct broker_url *broker = NULL;
    assert_int_equal(broker_url_parse(KN_STR("rediss://broker:6380/0?ssl_ca_certs=broker.ca&"
                                             "ssl_certfile=broker.crt&ssl_keyfile=broker.key&"
                                             "ssl_cert_reqs=none"),
                                      &broker, NULL),
                     KN_OK);
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++) {
        struct control_backend_place place;
        control_backend_place_read(kn_str_from(cases[i].text), broker, &place);
        const struct broker_tls_options *tls = &place.url.hosts[0].tls;
        if (tls->enabled != cases[i].tls || tls->verify != cases[i].verify ||
            !kn_str_eq(kn_str_from(tls->ca_file), kn_str_from(cases[i].ca)) ||
            !kn_str_eq(kn_str_from(tls->cert_file), kn_str_from(cases[i].cert)) ||
            !tls->cert_file != !tls->key_file)
            fail_msg("%s", cases[i].text);
        control_backend_place_fini(&place);
    }
    broker_url_free(broker);
}

static void what_is_configured_for_tls_goes_over_all(void **state)
{
    (void)state;
    struct broker_url *broker = NULL;
    struct control_backend_place place;
    const struct control_result_settings settings = {
        .url = "", .key_prefix = "", .tls_ca = "set.ca", .tls_cert = "", .tls_key = ""};
    assert_int_equal(broker_url_parse(KN_STR("rediss://h/0?ssl_ca_certs=b.ca"), &broker, NULL),
                     KN_OK);
    control_backend_place_read(KN_STR("rediss://h/1"), broker, &place);
    control_backend_place_tls(&place, &settings);
    assert_string_equal(place.url.hosts[0].tls.ca_file, "set.ca");
    assert_null(place.url.hosts[0].tls.cert_file);
    control_backend_place_fini(&place);
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
        cmocka_unit_test(the_brokers_tls_settings_are_those_of_a_backend_on_its_host),
        cmocka_unit_test(what_is_configured_for_tls_goes_over_all),
        cmocka_unit_test(a_scheme_is_what_stands_before_the_colon),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
