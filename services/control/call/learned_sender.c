#include "services/control/call/learned_sender.h"

#include "proto/codec.h"
#include "services/common/process/log.h"
#include "services/common/process/service.h"
#include "services/common/text/time.h"

#include <pthread.h>
#include <stdlib.h>

enum { BATCH_EVENTS = 500 };

struct control_learned_sender {
    const char *source;
    struct kn_bus_client *storage;
    int64_t request_timeout_us;
    pthread_mutex_t lock; /* all below */
    uint64_t epoch, seq;
    struct kn_buf unsent; /* the batch that storage has not answered yet */
};

struct control_learned_sender *control_learned_sender_new(const char *source,
                                                          struct kn_bus_client *storage,
                                                          int64_t request_timeout_us)
{
    struct control_learned_sender *learned = calloc(1, sizeof *learned);
    if (!learned)
        return NULL;
    learned->source = source;
    learned->storage = storage;
    learned->request_timeout_us = request_timeout_us;
    learned->epoch = kn_new_epoch();
    kn_buf_init(&learned->unsent, 0);
    pthread_mutex_init(&learned->lock, NULL);
    return learned;
}

void control_learned_sender_free(struct control_learned_sender *learned)
{
    if (!learned)
        return;
    kn_buf_fini(&learned->unsent);
    pthread_mutex_destroy(&learned->lock);
    free(learned);
}

static enum kn_status send_unsent(struct control_learned_sender *learned)
{
    struct kn_bus_call *call;
    struct kn_bus_message *answer;
    if (learned->unsent.len == 0)
        return KN_OK;
    enum kn_status status = kn_bus_call_start_encoded(learned->storage, KN_KIND_INGEST_BATCH,
                                                      kn_buf_view(&learned->unsent),
                                                      learned->request_timeout_us, &call);
    if (status == KN_OK)
        status = kn_bus_call_finish(call, &answer, NULL);
    if (status == KN_OK)
        kn_bus_message_free(answer);
    if (status == KN_INVALID || status == KN_TOO_BIG) { /* it will never be taken */
        KN_ERROR("learned.refused", KN_F_TEXT("source", learned->source),
                 KN_F_TEXT("reason", kn_status_text(status)));
        status = KN_OK;
    }
    if (status == KN_OK)
        kn_buf_clear(&learned->unsent);
    return status;
}

static enum kn_status tell(struct control_learned_sender *learned, bool sparing,
                           const struct kn_msg_event *events, size_t count)
{
    struct kn_msg_ingest_batch batch = {.source = kn_str_from(learned->source),
                                        .epoch = learned->epoch,
                                        .seq = learned->seq + 1,
                                        .sparing = sparing};
    batch.events.items = (struct kn_msg_event *)events;
    batch.events.count = count;
    kn_msg_encode(&learned->unsent, KN_KIND_INGEST_BATCH, &batch);
    enum kn_status status = kn_buf_status(&learned->unsent);
    if (status != KN_OK) {
        kn_buf_clear(&learned->unsent);
        return status;
    }
    learned->seq++;
    return send_unsent(learned);
}

static enum kn_status tell_in_batches(struct control_learned_sender *learned, bool sparing,
                                      const struct kn_msg_event *events, size_t count)
{
    pthread_mutex_lock(&learned->lock);
    enum kn_status status = send_unsent(learned);
    for (size_t i = 0; i < count && status == KN_OK; i += BATCH_EVENTS)
        status =
            tell(learned, sparing, events + i, count - i < BATCH_EVENTS ? count - i : BATCH_EVENTS);
    pthread_mutex_unlock(&learned->lock);
    return status;
}

enum kn_status control_learned_sender_tell(struct control_learned_sender *learned,
                                           const struct kn_msg_event *events, size_t count)
{
    return tell_in_batches(learned, false, events, count);
}

enum kn_status control_learned_sender_tell_all(struct control_learned_sender *learned,
                                               const struct kn_msg_event *events, size_t count)
{
    return tell_in_batches(learned, true, events, count);
}
