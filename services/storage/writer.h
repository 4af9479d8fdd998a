/* The only thread that writes. Requests wait in a queue; all waiting requests are committed
 * together. A request is answered after its commit, never before. */
#ifndef KN_STORAGE_WRITER_H
#define KN_STORAGE_WRITER_H

#include "services/storage/store.h"

struct writer;

/* Called on the writer's thread with each commit, before its requests return. */
typedef void writer_publish(void *arg, const struct kn_msg_feed *feed);

/* store: from then on used only by the writer's thread, not owned. */
enum kn_status writer_new(struct store *store, writer_publish *publish, void *arg,
                          struct writer **ret) KN_MUST_CHECK;
/* Finishes waiting requests, and stops the thread. NULL is allowed. */
void writer_free(struct writer *writer);

/* Any thread: waits until the change is committed or refused, as its status says. CLOSED when the
 * writer stops; AGAIN when the database was unavailable for so long that the caller has given up,
 * or when 16 requests are already waiting (so that threads stay free for reading). error: room for
 * one sentence. */
enum kn_status writer_commit(struct writer *writer, struct store_change *change, char *error,
                             size_t error_size) KN_MUST_CHECK;

/* Which sources Kanchi hears now; copied. From then on, online workers of others are unknown. Any
 * thread. */
void writer_heard(struct writer *writer, const struct kn_strs *heard);

/* The feed's position; id is copied. */
void writer_feed_position(struct writer *writer, char *ret_id, size_t size, uint64_t *ret_number);
/* Why the last commit failed, "" if it did not. */
enum kn_status writer_trouble(struct writer *writer, char *ret, size_t size);

#endif
