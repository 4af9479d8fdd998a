#include "services/common/config/url_prefix.h"
#include "services/common/text/clean.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whatever comes in, what goes out is one line (or lines, each indented) of clean text. */
static void must_be_clean(struct kn_buf *out)
{
    if (kn_buf_status(out) == KN_OK && !kn_clean_is(kn_buf_view(out)))
        abort();
    kn_buf_clear(out);
}

static void clean(struct kn_str text, struct kn_buf *out)
{
    kn_clean(out, text);
    if (kn_clean_is(text) && !kn_str_eq(kn_buf_view(out), text))
        abort();
    must_be_clean(out);
    kn_clean_json_str(out, text);
    must_be_clean(out);
    kn_clean_json(out, text); /* line ends stay: they are JSON's own */
    for (size_t i = 0; i < out->len; i++)
        if (out->data[i] == '\n' || out->data[i] == '\r' || out->data[i] == '\t')
            out->data[i] = ' ';
    must_be_clean(out);
    kn_clean_lines(out, text, "  ");
    for (size_t i = 0; i < out->len; i++)
        if (out->data[i] == '\n')
            out->data[i] = ' ';
    must_be_clean(out);
}

/* What is accepted is a path that can stand in a page, and is read again as itself. */
static void prefix(struct kn_str text, struct kn_buf *out)
{
    struct kn_buf again;
    if (kn_url_prefix_read(text, out)) {
        if (out->len)
            abort();
        return;
    }
    struct kn_str path = kn_buf_view(out);
    if (path.len > KN_URL_PREFIX_MAX + 1 || (path.len && (path.ptr[0] != '/' || path.len < 2)))
        abort();
    for (size_t i = 0; i < path.len; i++)
        if (strchr("<>\"'&?#%\\: ", path.ptr[i]) || (unsigned char)path.ptr[i] > 126)
            abort();
    if (memmem(path.ptr, path.len, "//", 2) || memmem(path.ptr, path.len, "/../", 4))
        abort();
    kn_buf_init(&again, 0);
    if (path.len && path.len <= KN_URL_PREFIX_MAX &&
        (kn_url_prefix_read(path, &again) || !kn_str_eq(kn_buf_view(&again), path)))
        abort();
    kn_buf_fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kn_buf out;
    char *copy = malloc(size + 1);
    if (!copy)
        return 0;
    if (size)
        memcpy(copy, data, size);
    kn_buf_init(&out, 0);
    prefix((struct kn_str){copy, size}, &out);
    kn_buf_clear(&out);
    clean((struct kn_str){copy, size}, &out);
    kn_buf_fini(&out);
    free(copy);
    return 0;
}
