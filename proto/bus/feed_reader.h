/* Reads storage's feed without holes: what pub/sub dropped, and what happened
 * while the reader was away, is asked for with feed_get. One thread. */
#ifndef KN_PROTO_BUS_FEED_READER_H
#define KN_PROTO_BUS_FEED_READER_H

#include "proto/bus/bus.h"

struct kn_feed_reader;

struct kn_feed_reader_options {
    const char *feed_url;          /* where storage publishes */
    struct kn_bus_client *storage; /* for feed_get; not owned */
    const char *feed;              /* the numbering that position belongs to; NULL: unknown */
    uint64_t position;             /* the last number that is done */
    bool from_now;                 /* ignore position: begin with what is new */
    const char *without;           /* field of a commit that is not needed, static; or NULL */
};

enum kn_feed_item {
    KN_FEED_NONE,    /* nothing new in time */
    KN_FEED_COMMIT,  /* the next commit: its number is one more than the last one's */
    KN_FEED_MARK,    /* a feed_mark: services and so on; may come at any time */
    KN_FEED_REBUILD, /* what follows the position is no longer kept, or the numbering is
                        another one: the reader must rebuild, then kn_feed_reader_reset */
};

struct kn_feed_event {
    enum kn_feed_item item;
    const struct kn_msg_feed *commit;    /* of COMMIT */
    const struct kn_msg_feed_mark *mark; /* of MARK */
    bool live;        /* COMMIT as it was published: with tasks, if they are read */
    const char *feed; /* of REBUILD: the numbering to follow now */
    uint64_t newest;  /* of REBUILD: the newest number of it */
};

/* Copies the strings of options. */
enum kn_status kn_feed_reader_new(struct kn_bus *bus, const struct kn_feed_reader_options *options,
                                  struct kn_feed_reader **ret, struct kn_buf *error) KN_MUST_CHECK;
void kn_feed_reader_free(struct kn_feed_reader *reader);

/* The next thing that happened, waiting up to timeout_us. What *ret points to
 * lives until the next call. CLOSED after kn_feed_reader_stop; other failures are
 * those of asking storage, and the next call tries again. */
enum kn_status kn_feed_reader_next(struct kn_feed_reader *reader, int64_t timeout_us,
                                   struct kn_feed_event *ret) KN_MUST_CHECK;
/* Goes on after position of this numbering; feed NULL or "": unknown. */
void kn_feed_reader_reset(struct kn_feed_reader *reader, const char *feed, uint64_t position);
/* From any thread: makes kn_feed_reader_next return CLOSED. */
void kn_feed_reader_stop(struct kn_feed_reader *reader);
/* How many commits had to be asked for because they were not received. */
uint64_t kn_feed_reader_caught_up(const struct kn_feed_reader *reader);

#endif
