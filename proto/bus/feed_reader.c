#include "proto/bus/feed_reader.h"

#include "services/common/text/time.h"

#include <stdatomic.h>
#include <stdlib.h>

/* how many commits one feed_get asks for, and how long it may take */
enum { CATCH_UP_MAX = 200 };
#define CATCH_UP_TIMEOUT (10 * KN_SECOND)

struct kn_feed_reader {
    struct kn_bus_subscriber *subscriber;
    struct kn_bus_client *storage;
    char *feed;        /* NULL: unknown yet */
    uint64_t position; /* the last number that was given out */
    uint64_t seen;     /* the newest number that is known to exist */
    uint64_t connects; /* of the subscriber, when storage was last asked */
    uint64_t caught_up;
    bool from_now;
    bool ask;                    /* storage must be asked before anything else */
    struct kn_bus_message *live; /* what came by pub/sub; held for one call, or until caught up */
    bool live_given;
    bool live_asked;                /* storage was asked because of it */
    struct kn_bus_message *backlog; /* a feed_list that is being given out */
    size_t backlog_at;
    uint64_t backlog_from; /* the position before it */
    atomic_bool stopped;
};

enum kn_status kn_feed_reader_new(struct kn_bus *bus, const struct kn_feed_reader_options *options,
                                  struct kn_feed_reader **ret, struct kn_buf *error)
{
    struct kn_feed_reader *reader = calloc(1, sizeof *reader);
    if (!reader)
        return KN_NOMEM;
    reader->storage = options->storage;
    reader->position = options->position;
    reader->from_now = options->from_now;
    reader->ask = true;
    if (options->feed && !(reader->feed = strdup(options->feed))) {
        free(reader);
        return KN_NOMEM;
    }
    enum kn_status status =
        kn_bus_subscriber_new(bus, options->feed_url, &reader->subscriber, error);
    if (status != KN_OK) {
        kn_feed_reader_free(reader);
        return status;
    }
    kn_bus_subscriber_without(reader->subscriber, options->without);
    *ret = reader;
    return KN_OK;
}

void kn_feed_reader_free(struct kn_feed_reader *reader)
{
    if (!reader)
        return;
    kn_bus_message_free(reader->live);
    kn_bus_message_free(reader->backlog);
    kn_bus_subscriber_free(reader->subscriber);
    free(reader->feed);
    free(reader);
}

void kn_feed_reader_stop(struct kn_feed_reader *reader)
{
    atomic_store(&reader->stopped, true);
    kn_bus_subscriber_stop(reader->subscriber);
}

uint64_t kn_feed_reader_caught_up(const struct kn_feed_reader *reader)
{
    return reader->caught_up;
}

static void set_feed(struct kn_feed_reader *reader, struct kn_str feed)
{
    char *copy = strndup(feed.ptr ? feed.ptr : "", feed.len);
    free(reader->feed);
    reader->feed = copy;
}

void kn_feed_reader_reset(struct kn_feed_reader *reader, const char *feed, uint64_t position)
{
    set_feed(reader, kn_str_from(feed));
    if (reader->feed && reader->feed[0] == '\0') {
        free(reader->feed);
        reader->feed = NULL;
    }
    reader->position = position;
    reader->seen = position;
    reader->from_now = false;
    reader->ask = true;
    kn_bus_message_free(reader->backlog);
    reader->backlog = NULL;
}

static bool same_feed(const struct kn_feed_reader *reader, struct kn_str feed)
{
    return reader->feed && kn_str_eq(kn_str_from(reader->feed), feed);
}

static void drop_live(struct kn_feed_reader *reader)
{
    kn_bus_message_free(reader->live);
    reader->live = NULL;
    reader->live_given = false;
    reader->live_asked = false;
}

/* Asks storage for what follows the position. On OK there is a backlog (maybe
 * empty), or *ret says REBUILD. */
static enum kn_status ask_storage(struct kn_feed_reader *reader, struct kn_feed_event *ret)
{
    uint64_t connects = kn_bus_subscriber_connects(reader->subscriber);
    struct kn_msg_feed_get get = {.from = reader->from_now ? UINT64_MAX : reader->position + 1,
                                  .max = CATCH_UP_MAX};
    struct kn_bus_message *answer;
    enum kn_status status = kn_bus_ask(reader->storage, KN_KIND_FEED_GET, &get, CATCH_UP_TIMEOUT,
                                       KN_KIND_FEED_LIST, &answer, NULL);
    if (status != KN_OK)
        return status;
    const struct kn_msg_feed_list *list = answer->msg;
    reader->connects = connects;
    if (reader->from_now) {
        set_feed(reader, list->feed);
        reader->position = list->newest;
        reader->from_now = false;
    }
    bool other = reader->feed && !same_feed(reader, list->feed);
    bool lost = list->newest > reader->position && list->oldest > reader->position + 1;
    bool ahead = list->newest < reader->position;
    if (other || lost || ahead || (!reader->feed && reader->position > 0)) {
        set_feed(reader, list->feed);
        *ret = (struct kn_feed_event){
            .item = KN_FEED_REBUILD, .feed = reader->feed, .newest = list->newest};
        kn_bus_message_free(answer);
        return KN_OK;
    }
    if (!reader->feed)
        set_feed(reader, list->feed);
    if (list->newest > reader->seen)
        reader->seen = list->newest;
    kn_bus_message_free(reader->backlog);
    reader->backlog = answer;
    reader->backlog_at = 0;
    reader->backlog_from = reader->position;
    reader->ask = false;
    return KN_OK;
}

/* The next commit of the backlog, if there is one. */
static bool next_of_backlog(struct kn_feed_reader *reader, struct kn_feed_event *ret)
{
    if (!reader->backlog)
        return false;
    const struct kn_msg_feed_list *list = reader->backlog->msg;
    while (reader->backlog_at < list->items.count) {
        const struct kn_msg_feed *commit = &list->items.items[reader->backlog_at++];
        if (commit->number != reader->position + 1)
            continue;
        reader->position = commit->number;
        reader->caught_up++;
        *ret = (struct kn_feed_event){.item = KN_FEED_COMMIT, .commit = commit};
        return true;
    }
    /* an answer that brought something, but not all: there is more */
    reader->ask = reader->position > reader->backlog_from && reader->position < reader->seen;
    kn_bus_message_free(reader->backlog);
    reader->backlog = NULL;
    return false;
}

/* Gives out what came by pub/sub, when it is its turn. */
static bool give_live(struct kn_feed_reader *reader, struct kn_feed_event *ret)
{
    if (reader->live->kind == KN_KIND_FEED_MARK) {
        const struct kn_msg_feed_mark *mark = reader->live->msg;
        if (!same_feed(reader, mark->feed) || mark->number != reader->position)
            reader->ask = true;
        reader->live_given = true;
        *ret = (struct kn_feed_event){.item = KN_FEED_MARK, .mark = mark};
        return true;
    }
    if (reader->live->kind != KN_KIND_FEED) {
        drop_live(reader);
        return false;
    }
    const struct kn_msg_feed *commit = reader->live->msg;
    bool same = same_feed(reader, commit->feed);
    if (same && commit->number <= reader->position) {
        drop_live(reader); /* known already */
        return false;
    }
    if (!same || commit->number != reader->position + 1) {
        /* keep it once: it may follow what storage answers */
        if (reader->live_asked)
            drop_live(reader);
        else
            reader->live_asked = reader->ask = true;
        return false;
    }
    reader->position = commit->number;
    if (commit->number > reader->seen)
        reader->seen = commit->number;
    reader->live_given = true;
    *ret = (struct kn_feed_event){.item = KN_FEED_COMMIT, .commit = commit, .live = true};
    return true;
}

enum kn_status kn_feed_reader_next(struct kn_feed_reader *reader, int64_t timeout_us,
                                   struct kn_feed_event *ret)
{
    int64_t deadline = kn_time_mono() + timeout_us;
    *ret = (struct kn_feed_event){.item = KN_FEED_NONE};
    if (reader->live_given)
        drop_live(reader);
    for (;;) {
        if (atomic_load(&reader->stopped))
            return KN_CLOSED;
        if (next_of_backlog(reader, ret))
            return KN_OK;
        if (reader->connects != kn_bus_subscriber_connects(reader->subscriber))
            reader->ask = true;
        if (reader->ask) {
            enum kn_status status = ask_storage(reader, ret);
            if (status != KN_OK || ret->item == KN_FEED_REBUILD)
                return status;
            continue;
        }
        if (reader->live && give_live(reader, ret))
            return KN_OK;
        if (reader->ask)
            continue;
        int64_t left = deadline - kn_time_mono();
        if (left <= 0)
            return KN_OK;
        enum kn_status status = kn_bus_receive(reader->subscriber, left, &reader->live);
        if (status == KN_TIMEOUT)
            return KN_OK;
        if (status != KN_OK)
            return status;
    }
}
