#include "services/launcher/ask.h"
#include "services/common/config/config.h"
#include "services/common/text/json.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>

#define ANSWER_MAX ((size_t)16 << 20)

void ask_url(const char *address, char *ret, size_t size)
{
    char host[256] = "127.0.0.1";
    int port = 0;
    (void)kn_config_split_address(address, host, sizeof(host), &port);
    if (!*host || strcmp(host, "0.0.0.0") == 0 || strcmp(host, "*") == 0)
        snprintf(host, sizeof(host), "127.0.0.1");
    if (strcmp(host, "::") == 0)
        snprintf(host, sizeof(host), "::1");
    bool v6 = strchr(host, ':') != NULL;
    snprintf(ret, size, "http://%s%s%s:%d", v6 ? "[" : "", host, v6 ? "]" : "", port);
}

static size_t take(char *data, size_t size, size_t count, void *to)
{
    struct kn_buf *answer = to;
    kn_buf_append(answer, data, size * count);
    return kn_buf_status(answer) == KN_OK ? size * count : 0;
}

static CURLcode get(CURL *curl, const char *url, long timeout_ms, struct kn_buf *ret,
                    long *ret_code)
{
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, timeout_ms);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, ret);
    CURLcode result = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, ret_code);
    return result;
}

enum kn_status ask_path(const char *address, const char *path, long timeout_ms, struct kn_buf *ret,
                        long *ret_code)
{
    char url[512];
    ask_url(address, url, sizeof(url));
    strncat(url, path, sizeof(url) - strlen(url) - 1);
    CURL *curl = curl_easy_init();
    if (!curl)
        return KN_NOMEM;
    CURLcode result = get(curl, url, timeout_ms, ret, ret_code);
    curl_easy_cleanup(curl);
    return result == CURLE_OK ? KN_OK : KN_IO;
}

enum kn_status ask_gateway(const char *address, const char *path, json_t **ret)
{
    long code = 0;
    struct kn_buf answer;
    enum kn_status status = KN_IO;
    kn_buf_init(&answer, ANSWER_MAX);
    if (ask_path(address, path, 300, &answer, &code) == KN_OK && code == 200 && answer.len > 0) {
        json_t *json = kn_json_load(kn_buf_view(&answer), JSON_DECODE_ANY);
        if (json) {
            *ret = json;
            status = KN_OK;
        }
    }
    kn_buf_fini(&answer);
    return status;
}
