#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "services/common/text/mask.h"

#include "services/common/count.h"

static void a_shown_url_holds_no_piece_of_a_password(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"redis://:secret@h:1/0", "redis://h:1/0"},
        {"amqp://u:p%40@h/v?x=secret", "amqp://h/v"},
        {"sentinel://:a@h1:1;sentinel://:b@h2:2/0", "sentinel://h1:1;sentinel://h2:2/0"},
        {"amqp://u:s@h1;h2:5672", "amqp://h1;h2:5672"},
        {"redis://h", "redis://h"},
        {"redis://[::1]:7/1", "redis://[::1]:7/1"},
        {"redis+socket:///run/r.sock?password=secret", "redis+socket:///run/r.sock"},
        {"sqlite:/var/k.db", "sqlite:/var/k.db"},
        {"sqlite:postgresql://u:secret@h/db", "***"},
        {"redis://:p@ss@h/1", "redis://h/1"},
        {"amqp://u:sec,ret@h1/;amqp://u:sec,ret@h2/", "amqp://h1/;amqp://h2/"},
        {"amqp://u:sec;ret@h1/v", "amqp://h1/v"},
        {"amqp://u:sec;ret", "amqp://***;ret"}, /* no "@": no password */
        {"redis://:sec/ret@h/0", "redis://h/0"},
        {"redis://:sec?ret@h/0", "redis://***"},
        {"redis://:sec#ret@h/0", "redis://***"},
        {"redis://:s@c?r@t@h/0", "redis://***"},
        {"redis://:secret", "redis://***"},
        {"postgresql://u:s,t@h1:1,h2:2/db", "postgresql://h1:1,h2:2/db"},
        {"postgresql://u:100%sure@h/db", "postgresql://h/db"},
        {"u:secret@h", "***"},
    };
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++) {
        struct kn_buf shown;
        kn_buf_init(&shown, 0);
        kn_mask_url(cases[i][0], &shown);
        kn_buf_char(&shown, '\0');
        assert_string_equal(shown.data, cases[i][1]);
        kn_buf_fini(&shown);
    }
}

static void sentences_about_a_url_lose_its_secrets(void **state)
{
    (void)state;
    static const struct {
        const char *url, *text, *masked;
    } cases[] = {
        {"postgresql://kanchi:100%sure@h/db", "invalid percent-encoded token: \"100%sure\"",
         "invalid percent-encoded token: \"***\""},
        {"postgresql://u:ab/cd@h/db", "invalid integer value \"ab\" for connection option \"port\"",
         "invalid integer value \"***\" for connection option \"port\""},
        {"postgresql://u:deep/sea@h/db", "database \"sea@h/db\" does not exist",
         "database \"***@h/db\" does not exist"},
        {"redis://:p%40ss@h", "unknown command 'AUTH', with args beginning with: 'p@ss'",
         "unknown command 'AUTH', with args beginning with: '***'"},
        {"redis://u:secret@h", "bad URL redis://u:secret@h.", "bad URL ***."},
        {"redis+socket:///r?password=secret&x=1", "said secret", "said ***"},
        {"amqp://guest:guest@h", "ACCESS_REFUSED for user 'guest'",
         "ACCESS_REFUSED for user 'guest'"},
        {"amqp://u:ca@h", "concatenation of ca", "concatenation of ca"},
        {"amqp://u:celery@h", "celery@host celeryev", "***@host celeryev"},
        {"amqp://a:one1@h;amqp://b:two2@i", "one1 or two2", "*** or ***"},
        {NULL, "as it is", "as it is"},
    };
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++) {
        struct kn_buf masked;
        kn_buf_init(&masked, 0);
        kn_mask_text(kn_str_from(cases[i].text), cases[i].url, &masked);
        kn_buf_char(&masked, '\0');
        assert_string_equal(masked.data, cases[i].masked);
        kn_buf_fini(&masked);
    }
}

static void a_url_has_a_password_before_its_host_or_in_its_query(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        bool has_one;
    } cases[] = {
        {"redis://:secret@h/0", true},
        {"amqp://h;amqp://u:secret@i", true},
        {"postgresql://u@h/db?password=secret", true},
        {"postgresql://u@h/db", false},
        {"redis://h/0?ssl_cert_reqs=none", false},
        {"amqp://guest:guest@h", false},
        {"sqlite:/srv/kanchi.db", false},
        {"", false},
    };
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++)
        if (kn_url_has_password(cases[i].url) != cases[i].has_one)
            fail_msg("%s", cases[i].url);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_shown_url_holds_no_piece_of_a_password),
        cmocka_unit_test(sentences_about_a_url_lose_its_secrets),
        cmocka_unit_test(a_url_has_a_password_before_its_host_or_in_its_query),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
