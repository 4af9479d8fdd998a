#include "services/launcher/cli_http.h"

#include "services/common/text/mask.h"

#include <curl/curl.h>
#include <stdio.h>

#define ANSWER_MAX ((size_t)64 << 20)

void cli_encode(struct kn_buf *out, const char *text)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~";
    for (; *text; text++) {
        if (strchr(plain, *text))
            kn_buf_char(out, *text);
        else
            kn_buf_printf(out, "%%%02X", (unsigned char)*text);
    }
}

static size_t take(char *data, size_t size, size_t count, void *to)
{
    struct kn_buf *answer = to;
    kn_buf_append(answer, data, size * count);
    return kn_buf_status(answer) == KN_OK ? size * count : 0;
}

static CURLcode perform(CURL *curl, const struct cli_request *request, const char *url,
                        struct kn_buf *ret, long *ret_code)
{
    struct curl_slist *headers = curl_slist_append(NULL, "Accept: application/json");
    if (request->body)
        headers = curl_slist_append(headers, "Content-Type: application/json");
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "kanchi/" KANCHI_VERSION);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, 5000L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, request->timeout_ms);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, ret);
    if (request->body)
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body);
    CURLcode result = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, ret_code);
    curl_slist_free_all(headers);
    return result;
}

enum kn_status cli_request(const struct cli_request *request, long *ret_code, struct kn_buf *ret,
                           struct kn_buf *error)
{
    struct kn_buf url, answer;
    long code = 0;
    enum kn_status status = KN_OK;
    CURL *curl = curl_easy_init();
    if (!curl)
        return KN_NOMEM;
    kn_buf_init(&url, 65536);
    kn_buf_init(&answer, ANSWER_MAX);
    kn_buf_text(&url, request->base);
    while (url.len && url.data[url.len - 1] == '/')
        url.len--;
    kn_buf_text(&url, request->path);
    kn_buf_char(&url, '\0');
    CURLcode result = kn_buf_status(&url) == KN_OK
                          ? perform(curl, request, url.data, &answer, &code)
                          : CURLE_URL_MALFORMAT;
    if (result != CURLE_OK) {
        kn_buf_text(error, "no answer from ");
        kn_mask_url(request->base, error);
        kn_buf_printf(error, ": %s", curl_easy_strerror(result));
        status = KN_IO;
    } else {
        kn_buf_str(ret, kn_buf_view(&answer));
        *ret_code = code;
    }
    kn_buf_fini(&url);
    kn_buf_fini(&answer);
    curl_easy_cleanup(curl);
    return status;
}
