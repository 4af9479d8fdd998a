#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "services/celery/remote/methods.h"

#include "services/common/count.h"

#include <jansson.h>

static void requests_are_taken_or_refused_by_the_table(void **state)
{
    (void)state;
    static const struct {
        const char *method, *arguments;
        const char *sent;  /* NULL: refused … */
        const char *error; /* … with this in the sentence */
    } cases[] = {
        {"ping", NULL, "{}", NULL},
        {"ping", "{}", "{}", NULL},
        {"ping", "{\"x\":1}", NULL, "unknown argument \"x\": ping takes no arguments"},
        {"ping", "[]", NULL, "JSON object"},
        {"ping", "{", NULL, "JSON object"},
        {"ping", "null", NULL, "JSON object"},
        {"conf", "{\"with_defaults\":true}", "{\"with_defaults\":true}", NULL},
        {"conf", "{\"with_defaults\":\"yes\"}", NULL, "with_defaults (true or false)"},
        {"pool_grow", "{}", "{\"n\":1}", NULL},
        {"pool_grow", "{\"n\":3}", "{\"n\":3}", NULL},
        {"pool_grow", "{\"n\":0}", NULL, "an integer from 1 to 1000"},
        {"pool_grow", "{\"n\":-1}", NULL, "an integer from 1 to 1000"},
        {"pool_grow", "{\"n\":1001}", NULL, "an integer from 1 to 1000"},
        {"pool_grow", "{\"n\":1.5}", NULL, "an integer"},
        {"pool_grow", "{\"n\":1,\"n\":900}", NULL, "JSON object"},
        {"revoke", "{}", NULL, "missing argument task_id"},
        {"revoke", "{\"task_id\":\"a\"}", "{\"task_id\":\"a\"}", NULL},
        {"revoke", "{\"task_id\":[\"a\",\"b\"],\"terminate\":true,\"signal\":\"KILL\"}",
         "{\"signal\":\"KILL\",\"task_id\":[\"a\",\"b\"],\"terminate\":true}", NULL},
        {"revoke", "{\"task_id\":[]}", NULL, "invalid value of argument task_id"},
        {"revoke", "{\"task_id\":[\"\"]}", NULL, "invalid value of argument task_id"},
        {"revoke", "{\"task_id\":[[\"a\"]]}", NULL, "invalid value of argument task_id"},
        {"revoke", "{\"task_id\":\"a\",\"signal\":9}", NULL, "one of TERM"},
        {"revoke", "{\"task_id\":\"a\",\"signal\":\"STOP\"}", NULL, "one of TERM"},
        {"terminate", "{\"task_id\":\"a\"}", "{\"signal\":\"TERM\",\"task_id\":\"a\"}", NULL},
        {"terminate", "{\"task_id\":\"a\",\"signal\":\"SIGUSR1\"}",
         "{\"signal\":\"SIGUSR1\",\"task_id\":\"a\"}", NULL},
        {"terminate", "{\"task_id\":\"a\",\"signal\":\"SIGSIGUSR1\"}", NULL,
         "value of argument signal"},
        {"revoke_by_stamped_headers", "{\"headers\":{\"h\":\"v\",\"g\":[\"a\",\"b\"]}}",
         "{\"headers\":{\"g\":[\"a\",\"b\"],\"h\":\"v\"}}", NULL},
        {"revoke_by_stamped_headers", "{\"headers\":{}}", NULL,
         "invalid value of argument headers"},
        {"revoke_by_stamped_headers", "{\"headers\":{\"h\":{}}}", NULL,
         "invalid value of argument headers"},
        {"rate_limit", "{\"task_name\":\"t\",\"rate_limit\":\"10/m\"}",
         "{\"rate_limit\":\"10/m\",\"task_name\":\"t\"}", NULL},
        {"rate_limit", "{\"task_name\":\"t\",\"rate_limit\":0}",
         "{\"rate_limit\":0,\"task_name\":\"t\"}", NULL},
        {"rate_limit", "{\"task_name\":\"t\",\"rate_limit\":\"0.5/h\"}",
         "{\"rate_limit\":\"0.5/h\",\"task_name\":\"t\"}", NULL},
        {"rate_limit", "{\"task_name\":\"t\",\"rate_limit\":\"10/d\"}", NULL, "\"10/s\""},
        {"rate_limit", "{\"task_name\":\"t\",\"rate_limit\":\"10/\"}", NULL, "\"10/s\""},
        {"rate_limit", "{\"task_name\":\"t\",\"rate_limit\":\"/m\"}", NULL, "\"10/s\""},
        {"rate_limit", "{\"task_name\":\"t\",\"rate_limit\":-1}", NULL, "\"10/s\""},
        {"rate_limit", "{\"task_name\":\"t\"}", NULL, "missing argument rate_limit"},
        {"time_limit", "{\"task_name\":\"t\",\"soft\":1.5}",
         "{\"hard\":null,\"soft\":1.5,\"task_name\":\"t\"}", NULL},
        {"time_limit", "{\"task_name\":\"t\",\"soft\":-1}", NULL, "invalid value of argument soft"},
        {"autoscale", "{}", NULL, "max or min is required"},
        {"autoscale", "{\"max\":2,\"min\":3}", NULL, "max is smaller than min"},
        {"autoscale", "{\"max\":4,\"min\":2}", "{\"max\":4,\"min\":2}", NULL},
        {"add_consumer", "{\"queue\":\"q\",\"exchange_type\":\"topic\"}",
         "{\"exchange_type\":\"topic\",\"queue\":\"q\"}", NULL},
        {"add_consumer", "{\"queue\":\"q\",\"exchange_type\":\"x\"}", NULL, "one of direct"},
        {"add_consumer", "{\"queue\":\"q\",\"queue_arguments\":{\"x-max-priority\":9}}",
         "{\"queue\":\"q\",\"queue_arguments\":{\"x-max-priority\":9}}", NULL},
        {"add_consumer", "{\"queue\":\"q\",\"state\":1}", NULL, "unknown argument \"state\""},
        {"shutdown", "{\"msg\":\"x\"}", NULL, "takes no arguments"},
    };
    struct kn_buf out, error;
    kn_buf_init(&out, 0);
    kn_buf_init(&error, 0);
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++) {
        const struct celery_method *method = celery_method_find(kn_str_from(cases[i].method));
        assert_non_null(method);
        kn_buf_clear(&out);
        kn_buf_clear(&error);
        enum kn_status status =
            celery_method_check(method, kn_str_from(cases[i].arguments), &out, &error);
        kn_buf_char(&out, '\0');
        kn_buf_char(&error, '\0');
        if (cases[i].sent)
            assert_string_equal(out.data, cases[i].sent);
        else if (status != KN_INVALID || !strstr(error.data, cases[i].error))
            fail_msg("case %zu: '%s'", i, error.data);
        assert_int_equal(status, cases[i].sent ? KN_OK : KN_INVALID);
    }
    kn_buf_fini(&out);
    kn_buf_fini(&error);
}

static void too_much_is_refused(void **state)
{
    (void)state;
    struct kn_buf in, out, error;
    kn_buf_init(&in, 0);
    kn_buf_init(&out, 0);
    kn_buf_init(&error, 0);
    kn_buf_text(&in, "{\"task_id\":[\"a\"");
    for (int i = 0; i < CELERY_ARGUMENT_LIST_MAX; i++)
        kn_buf_text(&in, ",\"a\"");
    kn_buf_text(&in, "]}");
    const struct celery_method *revoke = celery_method_find(KN_STR("revoke"));
    assert_int_equal(celery_method_check(revoke, kn_buf_view(&in), &out, &error), KN_INVALID);
    kn_buf_clear(&in);
    kn_buf_text(&in, "{\"task_id\":\"");
    for (int i = 0; i <= CELERY_ARGUMENT_TEXT_MAX; i++)
        kn_buf_char(&in, 'x');
    kn_buf_text(&in, "\"}");
    assert_int_equal(celery_method_check(revoke, kn_buf_view(&in), &out, &error), KN_INVALID);
    kn_buf_fini(&in);
    kn_buf_fini(&out);
    kn_buf_fini(&error);
}

static void the_table_is_told_as_json_and_in_words(void **state)
{
    (void)state;
    struct kn_buf out;
    kn_buf_init(&out, 0);
    celery_methods_json(&out);
    json_t *all = json_loadb(out.data, out.len, 0, NULL);
    assert_true(json_array_size(json_object_get(all, "items")) >= 28);
    json_decref(all);
    kn_buf_clear(&out);
    celery_method_names(&out, true, false);
    assert_true(kn_str_starts(kn_buf_view(&out), KN_STR("ping, active, ")));
    assert_null(memmem(out.data, out.len, "shutdown", 8));
    kn_buf_fini(&out);
    assert_null(celery_method_find(KN_STR("election")));
    assert_null(celery_method_find(KN_STR("")));
    assert_null(celery_method_find(KN_STR_ABSENT));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_taken_or_refused_by_the_table),
        cmocka_unit_test(too_much_is_refused),
        cmocka_unit_test(the_table_is_told_as_json_and_in_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
