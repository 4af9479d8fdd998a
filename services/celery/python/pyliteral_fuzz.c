/* Any bytes as a Python literal: what comes out must be JSON, and a text that
 * counts as cut must not be read. */
#include "services/celery/python/pyliteral.h"

#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_json(struct kn_str json)
{
    /* jansson refuses integers beyond 64 bits, floats beyond a double, NUL in keys */
    json_error_t error;
    json_t *value = json_loadb(json.ptr, json.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    if (!value && json_error_code(&error) != json_error_numeric_overflow &&
        json_error_code(&error) != json_error_null_byte_in_key)
        abort();
    json_decref(value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kn_str text = {(const char *)data, size};
    struct kn_buf json;
    struct celery_literal_info info;
    kn_buf_init(&json, 0);
    enum kn_status status = celery_literal_to_json(text, NULL, &json, &info);
    if (celery_repr_is_cut(text) != (status == KN_TRUNCATED))
        abort();
    if (status == KN_OK)
        check_json(kn_buf_view(&json));
    else if (json.len != 0)
        abort();
    kn_buf_fini(&json);
    return 0;
}
