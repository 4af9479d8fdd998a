#include "gateway/api/handler.h"

#include "services/common/text/time.h"

#define SYSTEM_PATIENCE (7 * KN_SECOND / 2) /* the feed's silence is noticed before */

extern const char gw_openapi_begin[], gw_openapi_end[];

/* The document is part of the program. */
__asm__(".pushsection .rodata\n"
        ".global gw_openapi_begin\n"
        ".global gw_openapi_end\n"
        "gw_openapi_begin:\n"
        ".incbin \"" GW_OPENAPI_FILE "\"\n"
        "gw_openapi_end:\n"
        ".byte 0\n"
        ".popsection\n");

/* The server of the document is "/": that is where the prefix belongs. */
static void write_openapi(struct kn_buf *out, struct kn_str document, struct kn_str prefix)
{
    static const char server[] = "\"url\": \"/\"";
    const char *found = memmem(document.ptr, document.len, server, sizeof server - 1);
    size_t before = found ? (size_t)(found - document.ptr) + sizeof server - 3 : 0;
    kn_buf_str(out, (struct kn_str){document.ptr, before});
    kn_buf_str(out, prefix);
    kn_buf_str(out, (struct kn_str){document.ptr + before + 1, document.len - before - 1});
}

void gw_api_openapi(struct gw_exchange *x)
{
    const struct kn_str document = {gw_openapi_begin, (size_t)(gw_openapi_end - gw_openapi_begin)};
    if (!gw_params_ok(x))
        return;
    if (x->prefix.len > 0)
        write_openapi(&x->body, document, x->prefix);
    else
        x->stored = document;
    x->cache = "no-cache";
    gw_exchange_tag(x);
}

void gw_api_system(struct gw_exchange *x)
{
    const struct kn_msg_system_get get = {0};
    if (!gw_params_ok(x))
        return;
    struct kn_bus_message *answer = NULL;
    int64_t patience = gw_patience(x->app);
    if (patience > SYSTEM_PATIENCE)
        patience = SYSTEM_PATIENCE;
    enum kn_status status = kn_bus_ask(x->app->storage, KN_KIND_SYSTEM_GET, &get, patience,
                                       KN_KIND_SYSTEM, &answer, NULL);
    if (status != KN_OK && gw_live_connected(x->app->live))
        answer = gw_ask(x, KN_KIND_SYSTEM_GET, &get, KN_KIND_SYSTEM); /* slow, but there */
    else if (status != KN_OK && gw_live_stale(x->app->live, &x->body) != KN_OK)
        gw_fail_memory(x);
    if (!answer)
        return;
    gw_view_system(&x->body, answer->msg, 0);
    kn_bus_message_free(answer);
}

/* Only requests that are no handshake come here. */
void gw_api_websocket(struct gw_exchange *x)
{
    gw_fail(x, 426, "this path requires a WebSocket: see docs/websocket.md");
}

void gw_healthz(struct gw_exchange *x)
{
    x->type = "text/plain; charset=utf-8";
    kn_buf_text(&x->body, "ok\n");
}

/* Why storage can't do its work, as it reports; absent when it can. */
static struct kn_str trouble_of_storage(const struct kn_msg_system *system)
{
    for (size_t i = 0; i < system->services.count; i++) {
        const struct kn_msg_service_status *service = &system->services.items[i];
        if (kn_str_eq(service->name, KN_STR("storage")) && service->state == KN_SERVICE_DEGRADED)
            return service->detail;
    }
    return KN_STR_ABSENT;
}

void gw_readyz(struct gw_exchange *x)
{
    const struct kn_msg_system_get get = {0};
    struct kn_str trouble = KN_STR_ABSENT;
    struct kn_bus_message *answer = NULL;
    bool connected = gw_live_connected(x->app->live);
    enum kn_status status = kn_bus_ask(x->app->storage, KN_KIND_SYSTEM_GET, &get, KN_SECOND,
                                       KN_KIND_SYSTEM, &answer, NULL);
    if (status == KN_OK) {
        trouble = kn_arena_str(&x->arena, trouble_of_storage(answer->msg));
        kn_bus_message_free(answer);
    }
    x->type = "text/plain; charset=utf-8";
    if (status == KN_OK && connected && !trouble.len) {
        kn_buf_text(&x->body, "ready\n");
        return;
    }
    x->status = 503;
    x->retry_after = 2;
    if (status != KN_OK)
        kn_buf_printf(&x->body, "storage does not answer: %s\n", kn_status_text(status));
    if (trouble.len)
        kn_buf_printf(&x->body, "storage can't write: %.*s\n", KN_STR_ARG(trouble));
    if (!connected)
        kn_buf_text(&x->body, "the change feed of storage is not connected\n");
}
