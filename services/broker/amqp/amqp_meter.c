/* Queues on RabbitMQ: AMQP itself tells ready messages and consumers of a queue
 * whose name is known (a passive declaration; a queue that is missing closes the
 * channel). Names, and what is unacknowledged, only the management API tells. */
#include "services/broker/amqp/amqp_session.h"
#include "services/common/data/table.h"
#include "services/common/text/json.h"
#include "services/common/text/time.h"

#include <curl/curl.h>
#include <jansson.h>
#include <pthread.h>
#include <stdlib.h>

#define ANSWER_MAX ((size_t)16 << 20)
#define CHANNEL 1
#define NAME_MAX_BYTES 255
#define GONE_FIRST_US (5 * KN_SECOND)
#define GONE_LONGEST_US (5 * KN_MINUTE)

struct amqp_meter {
    struct broker_meter base;
    struct broker_amqp amqp;
    struct kn_table gone;     /* queues that were not there */
    struct broker_amqp alarm; /* a separate connection: in an alarm it answers nothing else */
    bool unprobed;            /* the user may not have an exchange for probes */
};

/* ---- the management API ---------------------------------------------------------- */

static void init_curl(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

static size_t collect(char *data, size_t size, size_t count, void *arg)
{
    struct kn_buf *answer = arg;
    kn_buf_append(answer, data, size * count);
    return kn_buf_status(answer) == KN_OK ? size * count : 0;
}

static enum kn_status say(struct amqp_meter *m, const char *what)
{
    kn_buf_clear(&m->base.error);
    kn_buf_printf(&m->base.error, "management API: %s", what);
    return KN_IO;
}

/* The broker's TLS settings, which also apply to this port. */
static void set_tls(CURL *curl, const struct broker_tls_options *tls)
{
    bool trust = tls->verify == BROKER_TLS_NONE;
    if (tls->ca_file)
        curl_easy_setopt(curl, CURLOPT_CAINFO, tls->ca_file);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, trust ? 0L : 1L);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, trust || !tls->check_hostname ? 0L : 2L);
    if (tls->cert_file)
        curl_easy_setopt(curl, CURLOPT_SSLCERT, tls->cert_file);
    if (tls->key_file)
        curl_easy_setopt(curl, CURLOPT_SSLKEY, tls->key_file);
}

/* why: in curl's words, with the file, the certificate or the address. */
static enum kn_status say_failure(struct amqp_meter *m, CURLcode rc, const char *why)
{
    char text[CURL_ERROR_SIZE + 64];
    snprintf(text, sizeof(text), "%s%s",
             rc == CURLE_PEER_FAILED_VERIFICATION ? "TLS: the certificate is not trusted: " : "",
             *why ? why : curl_easy_strerror(rc));
    return say(m, text);
}

static enum kn_status perform(struct amqp_meter *m, CURL *curl, const char *url,
                              struct kn_buf *answer)
{
    long code = 0;
    char why[CURL_ERROR_SIZE] = "";
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, why);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)(m->base.options.connect_timeout_us / 1000));
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, collect);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
    set_tls(curl, &m->base.options.url->hosts[0].tls);
    CURLcode rc = curl_easy_perform(curl);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, NULL); /* curl outlives why */
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &code);
    if (rc != CURLE_OK)
        return say_failure(m, rc, why);
    if (code == 401 || code == 403)
        return say(m, "the user or password was refused");
    if (code == 404)
        return say(m, "not found (HTTP 404); management_url is the address of RabbitMQ's "
                      "management pages, with or without /api");
    return code == 200 ? KN_OK : say(m, "the answer is not a list of queues");
}

static size_t trim(const char *url, size_t len)
{
    while (len > 0 && url[len - 1] == '/')
        len--;
    return len;
}

/* The address without the "/api" that Flower's broker_api ends with. */
static struct kn_str base_of(const char *url)
{
    size_t len = trim(url, strlen(url));
    if (len >= 4 && memcmp(url + len - 4, "/api", 4) == 0)
        len = trim(url, len - 4);
    return (struct kn_str){url, len};
}

/* queues: what follows /api/queues. */
static enum kn_status fetch(struct amqp_meter *m, const char *queues, struct kn_buf *answer)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, init_curl);
    CURL *curl = curl_easy_init();
    struct kn_buf url;
    kn_buf_init(&url, 0);
    kn_buf_str(&url, base_of(m->base.options.management_url));
    kn_buf_printf(&url, "/api/queues%s%c", queues, '\0');
    enum kn_status status = curl ? kn_buf_status(&url) : KN_NOMEM;
    if (status == KN_OK)
        status = perform(m, curl, url.data, answer);
    curl_easy_cleanup(curl);
    kn_buf_fini(&url);
    return status;
}

/* *ret is NULL on failure. */
static enum kn_status fetch_list(struct amqp_meter *m, const char *queues, json_t **ret)
{
    struct kn_buf answer;
    kn_buf_init(&answer, ANSWER_MAX);
    enum kn_status status = fetch(m, queues, &answer);
    *ret = status == KN_OK ? kn_json_load(kn_buf_view(&answer), 0) : NULL;
    kn_buf_fini(&answer);
    if (status == KN_OK && !json_is_array(*ret)) {
        json_decref(*ret);
        *ret = NULL;
        return say(m, "the answer is not a list of queues");
    }
    return status;
}

static bool starts(struct kn_str name, const char *prefix)
{
    size_t len = strlen(prefix);
    return kn_str_starts(name, kn_str_from(prefix)) && name.len > len && name.ptr[len] == '.';
}

static bool ends(struct kn_str name, struct kn_str suffix)
{
    return name.len >= suffix.len &&
           memcmp(name.ptr + name.len - suffix.len, suffix.ptr, suffix.len) == 0;
}

/* Queues of event receivers and of remote control hold no tasks. */
static bool is_internal(const struct amqp_meter *m, struct kn_str name)
{
    return ends(name, KN_STR(".pidbox")) || starts(name, m->base.options.event_exchange) ||
           starts(name, m->base.options.queue_prefix);
}

static void add_queue(struct amqp_meter *m, struct kn_arena *arena, struct broker_depths *depths,
                      const json_t *queue)
{
    struct kn_str name = kn_str_from(json_string_value(json_object_get(queue, "name")));
    if (!name.ptr || is_internal(m, name) || json_is_true(json_object_get(queue, "exclusive")))
        return;
    broker_depths_add(depths, arena, name);
    for (size_t i = 0; i < depths->count; i++) {
        struct broker_depth *d = &depths->items[i];
        const json_t *unacked = json_object_get(queue, "messages_unacknowledged");
        if (kn_str_eq(d->name, name) && json_is_integer(unacked))
            d->unacked = json_integer_value(unacked);
    }
}

/* The vhost of the connected host: each host of a list may have its own. */
static const char *vhost_of(const struct amqp_meter *m)
{
    return m->amqp.host ? m->amqp.host->vhost : m->base.options.url->hosts[0].vhost;
}

static enum kn_status discover(struct amqp_meter *m, struct kn_arena *arena,
                               struct broker_depths *depths)
{
    json_t *list = NULL;
    struct kn_buf path;
    kn_buf_init(&path, 0);
    char *vhost = curl_easy_escape(NULL, vhost_of(m), 0);
    kn_buf_printf(&path,
                  "/%s?columns=name,messages_ready,messages_unacknowledged,consumers,exclusive%c",
                  vhost ? vhost : "", '\0');
    enum kn_status status = vhost ? kn_buf_status(&path) : KN_NOMEM;
    if (status == KN_OK)
        status = fetch_list(m, path.data, &list);
    for (size_t i = 0; i < json_array_size(list); i++)
        add_queue(m, arena, depths, json_array_get(list, i));
    json_decref(list);
    curl_free(vhost);
    kn_buf_fini(&path);
    return status;
}

static void add_vhost(struct kn_str *vhosts, size_t max, size_t *count, struct kn_arena *arena,
                      struct kn_str name)
{
    if (!name.ptr || *count == max)
        return;
    for (size_t i = 0; i < *count; i++)
        if (kn_str_eq(vhosts[i], name))
            return;
    vhosts[*count] = kn_arena_str(arena, name);
    if (vhosts[*count].ptr)
        ++*count;
}

/* A worker has a queue HOSTNAME.celery.pidbox, by its control_exchange, as long as it runs:
 * kombu/pidbox.py. */
enum kn_status broker_amqp_places(struct broker_meter *meter, struct kn_arena *arena,
                                  struct kn_str *ret, size_t max, size_t *ret_count)
{
    struct amqp_meter *m = (struct amqp_meter *)meter;
    char suffix[256];
    json_t *list = NULL;
    snprintf(suffix, sizeof(suffix), ".%s.pidbox", m->base.options.control_exchange);
    if (!m->base.options.management_url)
        return KN_UNSUPPORTED;
    enum kn_status status = fetch_list(m, "?columns=name,vhost", &list);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *queue = json_array_get(list, i);
        struct kn_str name = kn_str_from(json_string_value(json_object_get(queue, "name")));
        if (name.ptr && ends(name, kn_str_from(suffix)))
            add_vhost(ret, max, ret_count, arena,
                      kn_str_from(json_string_value(json_object_get(queue, "vhost"))));
    }
    json_decref(list);
    return status;
}

/* ---- AMQP -------------------------------------------------------------------------- */

static enum kn_status measure_queue(struct amqp_meter *m, struct broker_depth *depth)
{
    amqp_bytes_t name = {.len = depth->name.len, .bytes = (void *)depth->name.ptr};
    const amqp_queue_declare_ok_t *ok =
        amqp_queue_declare(m->amqp.conn, CHANNEL, name, 1, 0, 0, 0, amqp_empty_table);
    if (ok) {
        depth->messages = ok->message_count;
        depth->consumers = ok->consumer_count;
    }
    enum kn_status status = broker_amqp_outcome(&m->amqp, &m->base.error);
    amqp_maybe_release_buffers(m->amqp.conn);
    return status;
}

/* A missing queue is asked for less and less often, because RabbitMQ logs an error each time. */
struct gone {
    struct kn_table_entry entry;
    int64_t next_at, pause; /* monotonic */
};

static bool is_gone(struct amqp_meter *m, struct kn_str name)
{
    const struct gone *gone = (struct gone *)kn_table_find(&m->gone, KN_STR(""), name);
    return name.len > NAME_MAX_BYTES || (gone && kn_time_mono() < gone->next_at);
}

static void note_gone(struct amqp_meter *m, struct kn_str name)
{
    struct gone *gone = (struct gone *)kn_table_need_newest(&m->gone, KN_STR(""), name);
    if (!gone)
        return;
    gone->pause = gone->pause == 0                    ? GONE_FIRST_US
                  : gone->pause * 2 < GONE_LONGEST_US ? gone->pause * 2
                                                      : GONE_LONGEST_US;
    gone->next_at = kn_time_mono() + gone->pause;
}

static void note_there(struct amqp_meter *m, struct kn_str name)
{
    struct kn_table_entry *gone = kn_table_find(&m->gone, KN_STR(""), name);
    if (gone)
        kn_table_remove(&m->gone, gone);
}

struct broker_meter *broker_amqp_meter_new(void)
{
    struct amqp_meter *m = calloc(1, sizeof(*m));
    if (!m)
        return NULL;
    kn_table_init(&m->gone, sizeof(struct gone), BROKER_QUEUES_MAX);
    return &m->base;
}

void broker_amqp_meter_fini(struct broker_meter *meter)
{
    struct amqp_meter *m = (struct amqp_meter *)meter;
    broker_amqp_close(&m->amqp, true);
    broker_amqp_close(&m->alarm, true);
    kn_table_fini(&m->gone);
}

bool broker_amqp_meter_connected(const struct broker_meter *meter)
{
    return ((const struct amqp_meter *)meter)->amqp.conn;
}

/* Measures each, and takes those out that are not there or not ours to see. */
static enum kn_status measure_all(struct amqp_meter *m, struct broker_depths *depths)
{
    size_t kept = 0;
    for (size_t i = 0; i < depths->count; i++) {
        struct broker_depth depth = depths->items[i];
        if (is_gone(m, depth.name))
            continue;
        enum kn_status status = measure_queue(m, &depth);
        if (!broker_amqp_alive(status))
            return status;
        if (status == KN_OK) {
            note_there(m, depth.name);
            depths->items[kept++] = depth;
            continue;
        }
        note_gone(m, depth.name);
        status = broker_amqp_reopen(&m->amqp, CHANNEL, &m->base.error);
        if (!broker_amqp_alive(status))
            return status;
    }
    depths->count = kept;
    kn_buf_clear(&m->base.error);
    return KN_OK;
}

/* ---- alarms ------------------------------------------------------------------------ */

static enum kn_status open_alarm(struct amqp_meter *m, struct kn_buf *error)
{
    enum kn_status status = broker_amqp_open(&m->base.options, 0, -1, error, &m->alarm);
    if (status == KN_OK)
        status = broker_amqp_channel(&m->alarm, CHANNEL, error);
    if (status == KN_OK)
        status = broker_amqp_exchange(&m->alarm, CHANNEL, BROKER_PROBE_EXCHANGE, "fanout", false,
                                      error, NULL);
    return status;
}

/* RabbitMQ reports alarms only to publishing connections. A failure here does not fail the
 * measurement. */
static void look_for_alarm(struct amqp_meter *m)
{
    struct kn_buf error;
    enum kn_status status = KN_OK;
    if (m->unprobed)
        return;
    kn_buf_init(&error, 4096);
    if (!m->alarm.conn)
        status = open_alarm(m, &error);
    if (status == KN_OK)
        status = broker_amqp_probe(&m->alarm, CHANNEL, BROKER_PROBE_EXCHANGE,
                                   m->base.options.connect_timeout_us, &error);
    m->unprobed = status == KN_DENIED;
    if (status != KN_OK && status != KN_AGAIN)
        broker_amqp_close(&m->alarm, false);
    kn_buf_fini(&error);
}

enum kn_status broker_amqp_measure(struct broker_meter *meter, struct kn_arena *arena,
                                   struct broker_depths *depths)
{
    struct amqp_meter *m = (struct amqp_meter *)meter;
    enum kn_status status = KN_OK;
    enum kn_status discovered = KN_OK;
    char why[256] = "";
    if (!m->amqp.conn) {
        status = broker_amqp_open(&m->base.options, 0, -1, &m->base.error, &m->amqp);
        if (status == KN_OK)
            status = broker_amqp_channel(&m->amqp, CHANNEL, &m->base.error);
    }
    if (status == KN_OK && m->base.options.management_url) {
        discovered = discover(m, arena, depths);
        snprintf(why, sizeof(why), "%.*s", (int)m->base.error.len,
                 m->base.error.len ? m->base.error.data : "");
    }
    if (status == KN_OK)
        status = measure_all(m, depths);
    if (status == KN_OK && discovered != KN_OK)
        kn_buf_text(&m->base.error, why); /* known names are measured all the same */
    if (status != KN_OK)
        broker_amqp_close(&m->amqp, false);
    if (status == KN_OK)
        look_for_alarm(m);
    else
        broker_amqp_close(&m->alarm, false);
    memcpy(m->base.alarm, m->alarm.blocked, sizeof(m->base.alarm));
    return status;
}
