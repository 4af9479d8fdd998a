#include "gateway/http/head.h"
#include "gateway/server/ws.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The first byte chooses: "w": frames of a WebSocket client; else the head of a request. */

/* However the bytes come in, the end is found at the same place; what is accepted is whole. */
static void head(struct kn_str text)
{
    struct gw_head parsed;
    size_t at = 0, slowly = 0;
    enum kn_status status = gw_head_end(text, &at), then = KN_AGAIN;
    for (size_t n = 1; n <= text.len && then == KN_AGAIN; n++)
        then = gw_head_end((struct kn_str){text.ptr, n}, &slowly);
    if (status != then || (status == KN_OK && at != slowly))
        abort();
    if (status != KN_OK)
        return;
    if (gw_head_parse((struct kn_str){text.ptr, at}, &parsed) != KN_OK) {
        if (parsed.status < 400 || !parsed.detail)
            abort();
        return;
    }
    if (!parsed.path.len || parsed.n_headers > GW_HEADERS_MAX ||
        gw_head_count(&parsed, "Host") > 1 || gw_head_count(&parsed, "Content-Length") > 1 ||
        gw_head_get(&parsed, "Transfer-Encoding").ptr)
        abort();
}

static void frames(char *data, size_t len)
{
    enum { MAX = 1000 };
    struct gw_ws_reader reader;
    struct gw_ws_event event;
    enum kn_status status = KN_OK;
    gw_ws_reader_init(&reader, MAX);
    for (size_t at = 0; at < len; at += event.size) {
        status = gw_ws_read(&reader, data + at, len - at, &event);
        if (event.payload.len > MAX || reader.message.len > MAX || event.size > len - at)
            abort();
        if (status == KN_AGAIN && !event.size && len - at >= MAX + GW_WS_HEADER_MAX)
            abort(); /* all of a frame that may be is there */
        if (status == KN_INVALID && !event.code)
            abort();
        if (status == KN_INVALID || !event.size)
            break;
    }
    gw_ws_reader_fini(&reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    char *copy = malloc(size);
    if (!copy)
        return 0;
    memcpy(copy, data, size);
    if (data[0] == 'w')
        frames(copy + 1, size - 1);
    else
        head((struct kn_str){copy + 1, size - 1});
    free(copy);
    return 0;
}
