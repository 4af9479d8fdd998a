/* Scripts over the lists of queues, and places in them: what looking, purging, moving and removing
 * have in common.
 *
 * A client pushes at the left, a worker takes at the right, so a
 * place is counted from the right end (1 is next): it only gets less while workers
 * take, and does not change while clients send. A cursor is, for each priority, the
 * place of the last message that was seen and a mark of its content; whoever has
 * it looks for the mark from that place on to the right. When it is gone it was
 * delivered, and so was all before it. */
#ifndef BROKER_REDIS_REDIS_WAITING_H
#define BROKER_REDIS_REDIS_WAITING_H

#include "services/broker/redis/redis_session.h"

enum {
    REDIS_MARK_LEN = 16,
    REDIS_PIECE = 100,           /* messages that a script handles */
    REDIS_PIECE_BYTES = 4 << 20, /* and their bytes, but for the last one */
    REDIS_ARGS_MAX = 8 + 2 * BROKER_LOOK_MAX
};

struct redis_call {
    const char *script;
    struct kn_str args[REDIS_ARGS_MAX]; /* keys first */
    size_t keys, count;
};

void redis_call_add(struct redis_call *call, struct kn_str text);
/* A number, written into the arena. */
void redis_call_number(struct redis_call *call, struct kn_arena *arena, uint64_t number);
/* An answer that is a list of at least so many elements; it lives until the next one. */
enum kn_status redis_call_run(struct redis_session *s, const struct redis_call *call, size_t least,
                              const redisReply **ret) KN_MUST_CHECK;
/* An element of an answer; 0 when it is no number. */
uint64_t redis_number_at(const redisReply *reply, size_t i);
/* The key of a list, in the arena. */
struct kn_str redis_list_of(struct redis_session *s, struct kn_arena *arena, const char *queue,
                            int step);

struct redis_place {
    uint64_t at;
    struct kn_str mark; /* empty: at the right end */
};

/* "<place>.<mark>,<place>.<mark>": one for each priority. */
enum kn_status redis_cursor_read(struct kn_str cursor, size_t steps,
                                 struct redis_place *ret) KN_MUST_CHECK;
struct kn_str redis_cursor_write(const struct redis_place *places, size_t steps,
                                 struct kn_arena *arena);
/* One list, from a place on, which is moved behind what was read. */
enum kn_status redis_look_at(struct redis_session *s, struct kn_str key, size_t limit, size_t bytes,
                             struct redis_place *place, struct kn_arena *arena,
                             const redisReply **ret) KN_MUST_CHECK;
/* Copies the messages that an answer has from its fifth element on: beginning and size of each. */
enum kn_status redis_take_messages(const redisReply *reply, struct kn_arena *arena,
                                   struct broker_page *page, size_t max) KN_MUST_CHECK;

#endif
