#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "services/common/text/json.h"

#include "services/common/count.h"

#include <pthread.h>
#include <stdlib.h>

/* "[[[…]]]" or {"a":{"a":…}}, with the deepest in the middle. */
static char *nested(const char *open, const char *close, size_t depth, const char *deepest)
{
    size_t size = depth * (strlen(open) + strlen(close)) + strlen(deepest) + 1;
    char *text = calloc(1, size), *at = text;
    assert_non_null(text);
    for (size_t i = 0; i < depth; i++)
        at = stpcpy(at, open);
    at = stpcpy(at, deepest);
    for (size_t i = 0; i < depth; i++)
        at = stpcpy(at, close);
    return text;
}

static bool loads(const char *text)
{
    json_t *value = kn_json_load(kn_str_from(text), JSON_DECODE_ANY);
    char *again = value ? json_dumps(value, JSON_ENCODE_ANY) : NULL;
    bool good = again != NULL;
    free(again);
    json_decref(value);
    return good;
}

static const struct {
    const char *open, *close;
    size_t depth;
    const char *deepest;
    bool good;
} cases[] = {
    {"[", "]", 0, "1", true},
    {"[", "]", KN_JSON_DEPTH_MAX, "", true},
    {"[", "]", KN_JSON_DEPTH_MAX + 1, "", false},
    {"[", "]", 1000000, "", false},
    {"[", "", 1000, "", false},
    {"{\"a\":", "}", KN_JSON_DEPTH_MAX, "1", true},
    {"{\"a\":", "}", KN_JSON_DEPTH_MAX + 1, "1", false},
    {"{\"a\":[", "]}", KN_JSON_DEPTH_MAX / 2, "1", true},
    {"{\"a\":[", "]}", KN_JSON_DEPTH_MAX / 2 + 1, "1", false},
    /* what is in a text, or comes one after the other, is not deep */
    {"", "", 0, "\"\\\"[[[[[[[[[[[[[\\\\\"", true},
    {"[\"\\\"[\",", "]", 200, "1", true},
};

/* Reads, writes and frees each of them on a stack like those of the gateway's threads. */
static void *load_all(void *arg)
{
    bool *good = arg;
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++) {
        char *text = nested(cases[i].open, cases[i].close, cases[i].depth, cases[i].deepest);
        if (loads(text) != cases[i].good) {
            print_error("case %zu\n", i);
            *good = false;
        }
        free(text);
    }
    return NULL;
}

static void depth_is_bounded_on_the_smallest_stack(void **state)
{
    (void)state;
    bool good = true;
    pthread_t thread;
    pthread_attr_t attr;
    pthread_attr_init(&attr);
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    pthread_attr_setstacksize(&attr, 4 << 20);
#else
    pthread_attr_setstacksize(&attr, 256 << 10); /* half of what the gateway's have */
#endif
    assert_int_equal(pthread_create(&thread, &attr, load_all, &good), 0);
    pthread_join(thread, NULL);
    pthread_attr_destroy(&attr);
    assert_true(good);
}

static void absent_text_is_no_json(void **state)
{
    (void)state;
    assert_null(kn_json_load(KN_STR_ABSENT, 0));
    assert_null(kn_json_load(KN_STR(""), 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(depth_is_bounded_on_the_smallest_stack),
        cmocka_unit_test(absent_text_is_no_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
