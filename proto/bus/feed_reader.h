/* Reads storage's feed without holes: commits that pub/sub dropped, or that were made while the
 * reader was disconnected, are fetched with feed_get. Single-threaded. */
#ifndef KN_PROTO_BUS_FEED_READER_H
#define KN_PROTO_BUS_FEED_READER_H

#include "proto/bus/bus.h"

struct kn_feed_reader;

struct kn_feed_reader_options {
    const char *feed_url;          /* where storage publishes */
    struct kn_bus_client *storage; /* for feed_get; not owned */
    const char *feed;              /* the numbering that position belongs to; NULL: unknown */
    uint64_t position;             /* the last number processed */
    bool from_now;                 /* ignore position: start with new commits */
    const char *without;           /* unneeded field of a commit, static; or NULL */
};

enum kn_feed_item {
    KN_FEED_NONE,    /* timed out */
    KN_FEED_COMMIT,  /* the next commit: its number is one more than the last one's */
    KN_FEED_MARK,    /* a feed_mark: services and so on; may come at any time */
    KN_FEED_REBUILD, /* the commits after the position are no longer kept, or the numbering has
                        changed: the reader must rebuild, then call kn_feed_reader_reset */
};

struct kn_feed_event {
    enum kn_feed_item item;
    const struct kn_msg_feed *commit;    /* of COMMIT */
    const struct kn_msg_feed_mark *mark; /* of MARK */
    bool live;                           /* COMMIT as published: with tasks, unless skipped */
    const char *feed;                    /* of REBUILD: the numbering to follow now */
    uint64_t newest;                     /* of REBUILD: its newest number */
};

/* Copies the strings of options. */
enum kn_status kn_feed_reader_new(struct kn_bus *bus, const struct kn_feed_reader_options *options,
                                  struct kn_feed_reader **ret, struct kn_buf *error) KN_MUST_CHECK;
void kn_feed_reader_free(struct kn_feed_reader *reader);

/* Waits up to timeout_us for the next item. *ret stays valid until the next call. CLOSED after
 * kn_feed_reader_stop. Other failures come from requests to storage; the next call tries again. */
enum kn_status kn_feed_reader_next(struct kn_feed_reader *reader, int64_t timeout_us,
                                   struct kn_feed_event *ret) KN_MUST_CHECK;
/* Continues after position of this numbering; feed NULL or "": unknown. */
void kn_feed_reader_reset(struct kn_feed_reader *reader, const char *feed, uint64_t position);
/* From any thread: makes kn_feed_reader_next return CLOSED. */
void kn_feed_reader_stop(struct kn_feed_reader *reader);
/* Number of missed commits fetched from storage. */
uint64_t kn_feed_reader_caught_up(const struct kn_feed_reader *reader);

#endif
