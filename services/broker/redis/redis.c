#include "services/broker/redis/redis.h"

#include "services/broker/net/net.h"
#include "services/broker/net/tls.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ARGS_MAX 16
#define GREETING_MAX ((size_t)1 << 20) /* bytes of a reply, until the server is known to be one */
#define REPLY_MAX ((size_t)64 << 20)   /* then, besides the largest message */

static void say(struct kn_buf *error, const char *text)
{
    if (!error)
        return;
    kn_buf_clear(error);
    kn_buf_text(error, text);
}

void broker_redis_name_right(struct kn_buf *error, struct kn_str command, struct kn_str key)
{
    if (error->len >= 6 && memcmp(error->data, "NOPERM", 6) == 0)
        kn_buf_printf(error, " (%.*s%s%.*s)", KN_STR_ARG(command), key.len ? " " : "",
                      KN_STR_ARG(kn_utf8_head(key, 100)));
}

static bool starts(const redisReply *reply, const char *with)
{
    return strncmp(reply->str, with, strlen(with)) == 0;
}

redisReply *broker_redis_command(struct broker_redis *redis, struct kn_buf *error, size_t count,
                                 const struct kn_str *args)
{
    const char *argv[ARGS_MAX];
    size_t lens[ARGS_MAX];
    for (size_t i = 0; i < count && i < ARGS_MAX; i++) {
        argv[i] = args[i].ptr;
        lens[i] = args[i].len;
    }
    redisReply *reply = redisAppendCommandArgv(redis->ctx, (int)count, argv, lens) == REDIS_OK
                            ? broker_redis_reply(redis)
                            : NULL;
    if (!reply) {
        bool late = redis->ctx->err == REDIS_ERR_IO && errno == EAGAIN;
        say(error, late ? "timed out" : redis->ctx->errstr);
    } else if (reply->type == REDIS_REPLY_ERROR) {
        redis->stale = redis->stale || starts(reply, "READONLY") || starts(reply, "MASTERDOWN");
        say(error, reply->str);
        if (error)
            broker_redis_name_right(error, args[0], count > 1 ? args[1] : KN_STR_ABSENT);
    }
    return reply;
}

/* Runs a command whose answer is only good or bad. */
static enum kn_status run(struct broker_redis *redis, struct kn_buf *error, size_t count,
                          const struct kn_str *args)
{
    redisReply *reply = broker_redis_command(redis, error, count, args);
    if (!reply)
        return KN_IO;
    enum kn_status status = reply->type == REDIS_REPLY_ERROR ? KN_DENIED : KN_OK;
    freeReplyObject(reply);
    return status;
}

static enum kn_status wrap(const struct broker_options *options,
                           const struct broker_tls_options *tls, int fd, const char *host,
                           struct kn_buf *error, struct broker_redis *ret)
{
    if (tls->enabled) {
        enum kn_status status =
            broker_tls_open(fd, tls, host, options->connect_timeout_us, error, &fd, &ret->tls);
        if (status != KN_OK)
            return status;
    }
    broker_net_timeout(fd, options->connect_timeout_us);
    ret->ctx = redisConnectFd(fd);
    if (ret->ctx) {
        broker_redis_bound(ret->ctx);
        ret->reply_max = GREETING_MAX;
        return KN_OK;
    }
    close(fd);
    broker_tls_free(ret->tls);
    ret->tls = NULL;
    return KN_NOMEM;
}

static enum kn_status open_host(const struct broker_options *options,
                                const struct broker_tls_options *tls, const char *host,
                                uint16_t port, int wake_fd, struct kn_buf *error,
                                struct broker_redis *ret)
{
    int fd = -1;
    enum kn_status status =
        broker_net_tcp(host, port, options->connect_timeout_us, wake_fd, error, &fd);
    return status == KN_OK ? wrap(options, tls, fd, host, error, ret) : status;
}

static bool holds(const struct kn_buf *error, const char *text)
{
    return error->len && memmem(error->data, error->len, text, strlen(text));
}

/* A server without AUTH quotes its arguments. */
static void mask(struct kn_buf *error, const char *user, const char *password)
{
    if (password && *password && (!user || strcmp(user, password) != 0) && holds(error, password))
        say(error, "the server refused AUTH (its message contains the password)");
}

static enum kn_status authenticate(struct broker_redis *redis, const char *user,
                                   const char *password, struct kn_buf *error)
{
    struct kn_str args[3] = {KN_STR("AUTH")};
    size_t count = 1;
    if (!user && !password)
        return KN_OK;
    if (user)
        args[count++] = kn_str_from(user);
    args[count++] = kn_str_from(password ? password : "");
    enum kn_status status = run(redis, error, count, args);
    /* Redis before 6 has no users: redis-py then says the password alone, too */
    if (status == KN_DENIED && user && password && holds(error, "wrong number of arguments")) {
        args[1] = kn_str_from(password);
        status = run(redis, error, 2, args);
    }
    if (status == KN_DENIED)
        mask(error, user, password);
    return status;
}

/* Makes a connection ours: who we are, which database. */
static enum kn_status greet(struct broker_redis *redis, struct kn_buf *error)
{
    const struct broker_host *host = redis->host;
    char db[16];
    snprintf(db, sizeof(db), "%d", host->db);
    const struct kn_str name[] = {KN_STR("CLIENT"), KN_STR("SETNAME"), KN_STR("kanchi")};
    const struct kn_str select[] = {KN_STR("SELECT"), kn_str_from(db)};
    const struct kn_str ping[] = {KN_STR("PING")};
    enum kn_status status = authenticate(redis, host->user, host->password, error);
    if (status == KN_OK && host->db > 0)
        status = run(redis, error, 2, select);
    if (status == KN_OK && host->db == 0)
        status = run(redis, error, 1, ping); /* says NOAUTH, LOADING and the like */
    if (status == KN_OK && run(redis, NULL, 3, name) == KN_IO)
        status = KN_IO; /* an old or restricted server may refuse the name */
    return status;
}

/* A node of a cluster accepts subscriptions and refuses the rest, so it is refused at once. A
 * server that does not report its mode is accepted. */
static enum kn_status check_cluster(struct broker_redis *redis, struct kn_buf *error)
{
    const struct kn_str info[] = {KN_STR("INFO"), KN_STR("cluster")};
    redisReply *reply = broker_redis_command(redis, NULL, 2, info);
    bool cluster =
        reply && (reply->type == REDIS_REPLY_STRING) && strstr(reply->str, "cluster_enabled:1");
    enum kn_status status = !reply ? KN_IO : cluster ? KN_UNSUPPORTED : KN_OK;
    if (cluster)
        say(error, "this is a node of a Redis cluster, on which Celery does not run");
    freeReplyObject(reply);
    return status;
}

/* Don't stay with a replica if the list has other hosts. */
static enum kn_status check_role(struct broker_redis *redis, struct kn_buf *error)
{
    const struct kn_str role[] = {KN_STR("ROLE")};
    redisReply *reply = broker_redis_command(redis, NULL, 1, role);
    bool replica = reply && reply->type == REDIS_REPLY_ARRAY && reply->elements > 0 &&
                   reply->element[0]->type == REDIS_REPLY_STRING &&
                   strcmp(reply->element[0]->str, "slave") == 0;
    enum kn_status status = !reply ? KN_IO : replica ? KN_DENIED : KN_OK;
    if (replica) {
        kn_buf_clear(error);
        kn_buf_printf(error, "READONLY %s port %u is a replica", redis->host->host,
                      redis->host->port);
    }
    freeReplyObject(reply);
    return status;
}

/* Reads [host, port] of a sentinel's answer. */
static enum kn_status read_master(const redisReply *reply, char host[256], uint16_t *ret_port)
{
    uint64_t port = 0;
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2)
        return KN_NOT_FOUND;
    const redisReply *name = reply->element[0];
    const redisReply *number = reply->element[1];
    if (name->type != REDIS_REPLY_STRING || number->type != REDIS_REPLY_STRING ||
        name->len >= 256 || !kn_str_to_u64((struct kn_str){number->str, number->len}, &port) ||
        port > 65535)
        return KN_INVALID;
    memcpy(host, name->str, name->len);
    host[name->len] = '\0';
    *ret_port = (uint16_t)port;
    return KN_OK;
}

static enum kn_status ask_sentinel(const struct broker_options *options, struct broker_redis *asked,
                                   const char *master, struct kn_buf *error, char host[256],
                                   uint16_t *ret_port)
{
    const struct broker_url *url = options->url;
    const struct kn_str ask[] = {KN_STR("SENTINEL"), KN_STR("get-master-addr-by-name"),
                                 kn_str_from(master)};
    const char *password =
        options->sentinel_password ? options->sentinel_password : url->sentinel_password;
    enum kn_status status = authenticate(asked, url->sentinel_user, password, error);
    if (status != KN_OK)
        return status;
    redisReply *reply = broker_redis_command(asked, error, 3, ask);
    if (!reply)
        return KN_IO;
    if (reply->type == REDIS_REPLY_ERROR) {
        status = KN_DENIED;
    } else {
        status = read_master(reply, host, ret_port);
        if (status != KN_OK)
            say(error, "the sentinel does not know the master's name");
    }
    freeReplyObject(reply);
    return status;
}

static enum kn_status find_master(const struct broker_options *options, int wake_fd,
                                  struct kn_buf *error, char host[256], uint16_t *ret_port)
{
    const struct broker_url *url = options->url;
    const char *master = options->master_name ? options->master_name : url->master_name;
    struct broker_tls_options tls = url->hosts[0].tls;
    enum kn_status status = KN_CONFIG;
    if (options->sentinel_tls != BROKER_SENTINEL_AS_REDIS)
        tls.enabled = options->sentinel_tls == BROKER_SENTINEL_TLS;
    if (!master) {
        say(error, "a sentinel URL requires the master's name (?master_name=…)");
        return status;
    }
    for (size_t i = 0; i < url->host_count && status != KN_OK && status != KN_CLOSED; i++) {
        struct broker_redis asked = {0};
        status = open_host(options, &tls, url->hosts[i].host, url->hosts[i].port, wake_fd, error,
                           &asked);
        if (status == KN_OK)
            status = ask_sentinel(options, &asked, master, error, host, ret_port);
        broker_redis_close(&asked);
    }
    return status;
}

/* If all hosts of the list fail, the last error counts. */
static enum kn_status open_one(const struct broker_options *options, const struct broker_host *at,
                               int wake_fd, struct kn_buf *error, struct broker_redis *ret)
{
    const struct broker_url *url = options->url;
    enum kn_status status;
    char host[256];
    uint16_t port = 0;
    int fd = -1;
    ret->host = at;
    if (url->socket_path) {
        status = broker_net_unix(url->socket_path, error, &fd);
        return status == KN_OK ? wrap(options, &at->tls, fd, "", error, ret) : status;
    }
    if (!url->sentinel)
        return open_host(options, &at->tls, at->host, at->port, wake_fd, error, ret);
    status = find_master(options, wake_fd, error, host, &port);
    return status == KN_OK ? open_host(options, &at->tls, host, port, wake_fd, error, ret) : status;
}

/* The next host is also tried when this one refuses us: each URL has its own user and database. */
enum kn_status broker_redis_open(const struct broker_options *options, int wake_fd,
                                 struct kn_buf *error, struct broker_redis *ret)
{
    const struct broker_url *url = options->url;
    size_t count = url->sentinel ? 1 : url->host_count; /* sentinels are asked in find_master */
    enum kn_status status = KN_CONFIG;
    for (size_t i = 0; i < count && status != KN_OK && status != KN_CLOSED; i++) {
        struct broker_redis redis = {0};
        status = open_one(options, &url->hosts[i], wake_fd, error, &redis);
        if (status == KN_OK)
            status = greet(&redis, error);
        if (status == KN_OK)
            status = check_cluster(&redis, error);
        if (status == KN_OK && count > 1)
            status = check_role(&redis, error);
        redis.reply_max = REPLY_MAX + options->message_max;
        if (status == KN_OK)
            *ret = redis;
        else
            broker_redis_close(&redis);
    }
    return status;
}

void broker_redis_close(struct broker_redis *redis)
{
    if (redis->ctx)
        redisFree(redis->ctx);
    broker_tls_free(redis->tls);
    *redis = (struct broker_redis){0};
}

void broker_redis_key(const struct broker_options *options, struct kn_buf *buf, struct kn_str name)
{
    kn_buf_clear(buf);
    kn_buf_text(buf, options->key_prefix);
    kn_buf_str(buf, name);
}

void broker_redis_channel(const struct broker_options *options, int db, const char *fanout_prefix,
                          struct kn_buf *buf, struct kn_str exchange)
{
    kn_buf_clear(buf);
    kn_buf_text(buf, options->key_prefix);
    const char *place = strstr(fanout_prefix, "{db}");
    if (place) {
        kn_buf_append(buf, fanout_prefix, (size_t)(place - fanout_prefix));
        kn_buf_printf(buf, "%d", db);
        kn_buf_text(buf, place + 4);
    } else {
        kn_buf_text(buf, fanout_prefix);
    }
    kn_buf_str(buf, exchange);
}
