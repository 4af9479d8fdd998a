/* The one thread that writes. Requests wait in a queue; what waits together is
 * committed together. A request is answered after its commit, never before. */
#ifndef KN_STORAGE_WRITER_H
#define KN_STORAGE_WRITER_H

#include "services/storage/store.h"

struct writer;

/* Called on the writer's thread with each commit, before its requests return. */
typedef void writer_publish(void *arg, const struct kn_msg_feed *feed);

/* store: used by the writer's thread alone from then on, not owned. */
enum kn_status writer_new(struct store *store, writer_publish *publish, void *arg,
                          struct writer **ret) KN_MUST_CHECK;
/* Finishes what waits, and ends the thread. NULL is allowed. */
void writer_free(struct writer *writer);

/* From any thread: waits until the change is committed or refused; its status says
 * which. CLOSED when the writer ends; AGAIN when the database was away for so long
 * that whoever asked has given up, or when 16 requests wait already (so that those
 * that only read find a thread free). error: room for one sentence. */
enum kn_status writer_commit(struct writer *writer, struct store_change *change, char *error,
                             size_t error_size) KN_MUST_CHECK;

/* Where the feed stands; id is copied. */
void writer_feed_position(struct writer *writer, char *ret_id, size_t size, uint64_t *ret_number);
/* Why the last commit failed, "" when it did not. */
enum kn_status writer_trouble(struct writer *writer, char *ret, size_t size);

#endif
