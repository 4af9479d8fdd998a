#include "services/broker/url/url.h"

#include "services/common/count.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static const struct {
    const char *text, *written, *user, *password;
    const char *host; /* of the first */
} good[] = {
    {"redis://", "redis://localhost:6379/0", NULL, NULL, "localhost"},
    {"redis://localhost", "redis://localhost:6379/0", NULL, NULL, "localhost"},
    {"redis://h:7000/3", "redis://h:7000/3", NULL, NULL, "h"},
    {"redis://h//3", "redis://h:6379/3", NULL, NULL, "h"},
    {"redis://h/?virtual_host=4", "redis://h:6379/4", NULL, NULL, "h"},
    {"redis://:p%40%2F%3a@h", "redis://:***@h:6379/0", NULL, "p@/:", "h"},
    {"redis://:a@b@h", "redis://:***@h:6379/0", NULL, "a@b", "h"},
    {"redis://user:100%25@h/0", "redis://user:***@h:6379/0", "user", "100%", "h"},
    {"redis://user@h", "redis://user@h:6379/0", "user", NULL, "h"},
    {"redis://us%3Aer:%zz@h", "redis://us%3Aer:***@h:6379/0", "us:er", "%zz", "h"},
    {"redis://[::1]:7000/1", "redis://[::1]:7000/1", NULL, NULL, "::1"},
    {"redis://:x@[fe80::1]", "redis://:***@[fe80::1]:6379/0", NULL, "x", "fe80::1"},
    {"rediss://h", "rediss://h:6379/0", NULL, NULL, "h"},
    {"redis://h?ssl_cert_reqs=none", "rediss://h:6379/0", NULL, NULL, "h"},
    {"redis+socket:///tmp/r.sock?virtual_host=2", "redis+socket:///tmp/r.sock?virtual_host=2", NULL,
     NULL, NULL},
    {"unix:///tmp/r%20x.sock?db=2", "redis+socket:///tmp/r%20x.sock?virtual_host=2", NULL, NULL,
     NULL},
    {"socket://:pw@/tmp/r", "redis+socket://:***@/tmp/r?virtual_host=0", NULL, "pw", NULL},
    {"sentinel://:pw@a;sentinel://b:7/1?master_name=m", "sentinel://:***@a:26379/0;sentinel://b:7",
     NULL, "pw", "a"},
    {"sentinel://a/1?master_name=m;sentinel://b", "sentinel://a:26379/1;sentinel://b:26379", NULL,
     NULL, "a"},
    {"amqp://", "amqp://guest:***@localhost:5672/", "guest", "guest", "localhost"},
    {"pyamqp://u:p@h:1//", "amqp://u:***@h:1/", "u", "p", "h"},
    {"amqp://u:p@h/%2F", "amqp://u:***@h:5672/", "u", "p", "h"},
    {"amqp://u:p@h//team/a", "amqp://u:***@h:5672/%2Fteam%2Fa", "u", "p", "h"},
    {"amqp://u:p@h/prod", "amqp://u:***@h:5672/prod", "u", "p", "h"},
    {"amqp://u:p@h/a%20b", "amqp://u:***@h:5672/a%20b", "u", "p", "h"},
    {"amqps://u:p@h", "amqps://u:***@h:5671/", "u", "p", "h"},
    {"amqp://u:p@h?ssl_ca_certs=/x", "amqps://u:***@h:5671/", "u", "p", "h"},
    {"amqp://a;amqp://b:1;", "amqp://guest:***@a:5672/;amqp://guest:***@b:1/%2F", "guest", "guest",
     "a"},
    /* each URL its own user, virtual host, database */
    {"amqp://a:pa@dead//;amqp://b:pb@up/v%2F2",
     "amqp://a:***@dead:5672/;amqp://b:***@up:5672/v%2F2", "a", "pa", "dead"},
    {"redis://:a@one/1;redis://u:b@two:7/2;redis://three",
     "redis://:***@one:6379/1;redis://u:***@two:7/2;redis://three:7/2", NULL, "a", "one"},
    /* what kombu takes from the URL before (virtual host, port) and from the first (ssl) */
    {"amqp://u:p@a:9/v;amqp://b", "amqp://u:***@a:9/v;amqp://guest:***@b:9/v", "u", "p", "a"},
    {"amqp://a?ssl=true;amqp://b", "amqps://guest:***@a:5671/;amqps://guest:***@b:5671/%2F",
     "guest", "guest", "a"},
    {"amqp://u:p@a/v;b;c:7", "amqp://u:***@a:5672/v;amqp://u:***@b:5672/v;amqp://u:***@c:7/v", "u",
     "p", "a"},
    {"amqps://a;amqp://b", "amqps://guest:***@a:5671/;amqp://guest:***@b:5672/%2F", "guest",
     "guest", "a"},
    {"redis://a;rediss://b", "redis://a:6379/0;rediss://b:6379/0", NULL, NULL, "a"},
    {"amqp://h:5671/v?ssl=true", "amqps://guest:***@h:5671/v", "guest", "guest", "h"},
    {"amqp://h?ssl=", "amqp://guest:***@h:5672/", "guest", "guest", "h"},
    {"redis://h?ssl=True", "rediss://h:6379/0", NULL, NULL, "h"},
    {"amqps://u:p@h/v?login_method=EXTERNAL", "amqps://h:5671/v?login_method=EXTERNAL", NULL, NULL,
     "h"},
    {"amqps://h?login_method=EXTERNAL;amqps://u:p@i/v?login_method=PLAIN",
     "amqps://h:5671/?login_method=EXTERNAL;amqps://u:***@i:5671/v?login_method=PLAIN", NULL, NULL,
     "h"},
    {"amqp://h?login_method=AMQPLAIN", "amqp://guest:***@h:5672/", "guest", "guest", "h"},
    {"redis://h/0?socket_timeout=5&unknown&x=", "redis://h:6379/0", NULL, NULL, "h"},
};

static void assert_text(const char *is, const char *wanted)
{
    if (!wanted)
        assert_null(is);
    else
        assert_string_equal(is, wanted);
}

static void good_urls_are_read_as_kombu_reads_them(void **state)
{
    (void)state;
    for (size_t i = 0; i < KN_COUNT_OF(good); i++) {
        struct broker_url *url = NULL;
        struct kn_buf buf;
        kn_buf_init(&buf, 0);
        enum kn_status status = broker_url_parse(kn_str_from(good[i].text), &url, &buf);
        if (status != KN_OK)
            fail_msg("%s: %.*s", good[i].text, (int)buf.len, buf.data);
        broker_url_write(url, &buf);
        kn_buf_char(&buf, '\0');
        assert_int_equal(kn_buf_status(&buf), KN_OK);
        assert_string_equal(buf.data, good[i].written);
        assert_text(url->hosts[0].user, good[i].user);
        assert_text(url->hosts[0].password, good[i].password);
        assert_text(url->hosts[0].host, good[i].host);
        kn_buf_fini(&buf);
        broker_url_free(url);
    }
}

static const struct {
    const char *text, *part; /* part: what the sentence must name */
} bad[] = {
    {"", "empty"},
    {";;", "empty"},
    {"localhost", "no scheme"},
    {"sqs://x", "scheme"},
    {"Redis", "no scheme"},
    {"redis://h:0", "port"},
    {"redis://h:70000", "port"},
    {"redis://h:12x", "port"},
    {"redis://:sec/ret@h/0", "port"},
    {"redis://[::1", "]"},
    {"redis://[::1]x", "]"},
    {"redis://[]", "host"},
    {"redis://h/x", "database"},
    {"redis://h/-1", "database"},
    {"redis://h/99999999999", "database"},
    {"redis://h/%00", "NUL"},
    {"redis+socket://", "socket"},
    {"redis+socket:///", "socket"},
    {"redis+socket:///x?ssl_cert_reqs=none", "TLS"},
    {"rediss://h?ssl_cert_reqs=perhaps", "ssl_cert_reqs"},
    {"rediss://h?ssl_certfile=/x", "ssl_keyfile"},
    {"redis://a;amqp://b", "broker for each"},
    {"sentinel://a;redis://b", "sentinel"},
    {"redis+socket:///x;redis://b", "socket"},
    {"redis+socket:///x;b", "neither a URL nor a host"},
    {"amqp://u:sec;ret@h//", "%3B"},
    {"amqp://h;sec@x", "%3B"},
    {"amqp://h?ssl=false", "ssl"},
    {"amqp://h?login_method=GSSAPI", "login_method"},
    {"amqps://h?login_method=external", "login_method"},
    {"amqp://h?login_method=EXTERNAL", "TLS"},
};

static void bad_urls_are_refused_with_the_part_named_and_no_secret(void **state)
{
    (void)state;
    for (size_t i = 0; i < KN_COUNT_OF(bad); i++) {
        struct broker_url *url = NULL;
        struct kn_buf buf;
        kn_buf_init(&buf, 0);
        assert_int_equal(broker_url_parse(kn_str_from(bad[i].text), &url, &buf), KN_CONFIG);
        assert_null(url);
        kn_buf_char(&buf, '\0');
        if (!strstr(buf.data, bad[i].part) || strstr(buf.data, "sec"))
            fail_msg("%s: %s", bad[i].text, buf.data);
        kn_buf_fini(&buf);
    }
}

static void tls_and_sentinel_options_are_read(void **state)
{
    (void)state;
    struct broker_url *url = NULL;
    const char *text = "sentinel://a?master_name=my%20m&sentinel_password=sp&ssl_cert_reqs=none"
                       "&ssl_check_hostname=False&ssl_ca_certs=/ca&ssl_certfile=/c&ssl_keyfile=/k";
    assert_int_equal(broker_url_parse(kn_str_from(text), &url, NULL), KN_OK);
    assert_true(url->sentinel);
    assert_string_equal(url->master_name, "my m");
    assert_string_equal(url->sentinel_password, "sp");
    assert_true(url->hosts[0].tls.enabled);
    assert_int_equal(url->hosts[0].tls.verify, BROKER_TLS_NONE);
    assert_false(url->hosts[0].tls.check_hostname);
    assert_string_equal(url->hosts[0].tls.ca_file, "/ca");
    assert_string_equal(url->hosts[0].tls.cert_file, "/c");
    assert_string_equal(url->hosts[0].tls.key_file, "/k");
    broker_url_free(url);
    broker_url_free(NULL);
}

static void a_url_with_too_many_hosts_or_bytes_is_refused(void **state)
{
    (void)state;
    struct kn_buf text;
    struct broker_url *url = NULL;
    kn_buf_init(&text, 0);
    for (int i = 0; i < BROKER_HOSTS_MAX + 1; i++)
        kn_buf_text(&text, "redis://h;");
    assert_int_equal(broker_url_parse(kn_buf_view(&text), &url, NULL), KN_CONFIG);
    while (text.len <= BROKER_URL_MAX)
        kn_buf_char(&text, 'x');
    assert_int_equal(broker_url_parse(kn_buf_view(&text), &url, NULL), KN_CONFIG);
    kn_buf_fini(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_urls_are_read_as_kombu_reads_them),
        cmocka_unit_test(bad_urls_are_refused_with_the_part_named_and_no_secret),
        cmocka_unit_test(tls_and_sentinel_options_are_read),
        cmocka_unit_test(a_url_with_too_many_hosts_or_bytes_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
