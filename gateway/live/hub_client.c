#include "gateway/live/hub_internal.h"

#include "services/common/process/cond.h"
#include "services/common/text/time.h"

#include <stdlib.h>

static const char resync_slow[] =
    "{\"type\":\"resync\",\"reason\":\"slow_client\","
    "\"topics\":[\"tasks\",\"workers\",\"queues\",\"metrics\",\"system\",\"jobs\"]}";

static bool append(struct gw_client *client, const char *text, size_t len)
{
    struct gw_frame *frame = malloc(sizeof *frame + len);
    if (!frame)
        return false;
    frame->next = NULL;
    frame->len = len;
    memcpy(frame->text, text, len);
    if (!client->first && client->notify)
        client->notify(client->notify_arg);
    if (client->last)
        client->last->next = frame;
    else
        client->first = frame;
    client->last = frame;
    client->bytes += len;
    pthread_cond_signal(&client->wake);
    return true;
}

bool client_push(struct gw_client *client, struct kn_str text)
{
    bool pushed = false;
    pthread_mutex_lock(&client->lock);
    if (!client->closed && client->bytes + text.len <= client->bytes_max) {
        if (client->missed)
            client->missed = !append(client, resync_slow, sizeof resync_slow - 1);
        pushed = append(client, text.ptr, text.len);
    }
    if (!pushed && !client->closed) {
        client->missed = true;
        client->dropped++;
    }
    pthread_mutex_unlock(&client->lock);
    return pushed;
}

struct gw_frame *gw_client_next(struct gw_client *client, int64_t timeout_us)
{
    int64_t until = kn_time_mono() + timeout_us;
    pthread_mutex_lock(&client->lock);
    while (timeout_us > 0 && !client->closed && !client->first &&
           kn_cond_wait_until(&client->wake, &client->lock, until))
        continue;
    struct gw_frame *frame = client->closed ? NULL : client->first;
    if (frame) {
        client->first = frame->next;
        if (!client->first)
            client->last = NULL;
        client->bytes -= frame->len;
    }
    pthread_mutex_unlock(&client->lock);
    return frame;
}

void gw_client_notify(struct gw_client *client, void (*fn)(void *arg), void *arg)
{
    pthread_mutex_lock(&client->lock);
    client->notify = fn;
    client->notify_arg = arg;
    pthread_mutex_unlock(&client->lock);
}

void gw_client_close(struct gw_client *client)
{
    pthread_mutex_lock(&client->lock);
    client->closed = true;
    pthread_cond_broadcast(&client->wake);
    pthread_mutex_unlock(&client->lock);
}

bool gw_client_closed(struct gw_client *client)
{
    pthread_mutex_lock(&client->lock);
    bool closed = client->closed;
    pthread_mutex_unlock(&client->lock);
    return closed;
}
