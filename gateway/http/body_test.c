#include "gateway/test.h"

#include "gateway/api/app.h"
#include "gateway/http/body.h"
#include "services/common/count.h"

enum { IDS = 6000, ESCAPES = 40000 };

static void write_ids(struct kn_buf *out)
{
    kn_buf_text(out, "{\"ids\":[\"a\"");
    for (int i = 1; i < IDS; i++)
        kn_buf_text(out, ",\"a\"");
    kn_buf_text(out, "]}");
}

static void write_escapes(struct kn_buf *out)
{
    kn_buf_text(out, "{\"ids\":[\"");
    for (int i = 0; i < ESCAPES; i++)
        kn_buf_text(out, "\\\"a");
    kn_buf_text(out, "\"]}");
}

static void write_long_key(struct kn_buf *out)
{
    kn_buf_text(out, "{\"");
    for (int i = 0; i < ESCAPES; i++)
        kn_buf_text(out, "\\\"a");
    kn_buf_text(out, "\":1}");
}

/* Status of the answer to a request with this body when so many bytes are left. */
static int status_with(size_t left, struct kn_str body, int *ret_retry_after)
{
    struct kn_budget budget;
    struct gw_exchange x;
    kn_budget_init(&budget, left);
    gw_exchange_init(&x, NULL);
    x.arena.budget = &budget;
    x.body_in = body;
    gw_params_init(&x.params, KN_STR_ABSENT, NULL, &x.arena);
    gw_body_read(&x);
    gw_body_texts(&x, "ids");
    (void)!gw_body_ok(&x);
    int status = x.status;
    *ret_retry_after = x.retry_after;
    gw_exchange_fini(&x);
    return status;
}

static void want_of_memory_is_not_the_fault_of_the_request(void **state)
{
    (void)state;
    static const struct {
        void (*write)(struct kn_buf *out);
        int with_memory;
    } cases[] = {{write_ids, 200}, {write_escapes, 200}, {write_long_key, 400}};
    for (size_t i = 0; i < KN_COUNT_OF(cases); i++) {
        struct kn_buf body;
        int retry_after;
        kn_buf_init(&body, 0);
        cases[i].write(&body);
        assert_int_equal(status_with(64 << 20, kn_buf_view(&body), &retry_after),
                         cases[i].with_memory);
        assert_int_equal(retry_after, 0);
        assert_int_equal(status_with(0, kn_buf_view(&body), &retry_after), 503);
        assert_true(retry_after > 0);
        kn_buf_fini(&body);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(want_of_memory_is_not_the_fault_of_the_request),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
