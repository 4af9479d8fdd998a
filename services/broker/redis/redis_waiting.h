/* Scripts on the lists of queues, and positions in them: shared by looking, purging, moving and
 * removing.
 *
 * Clients push on the left and workers pop on the right, so positions are counted from the right
 * end (1 is next). A message's position only decreases while workers pop, and does not change while
 * clients push. A cursor has, for each priority, the position of the last message seen and a mark
 * of its content. To continue, the mark is searched from that position to the right. If it is
 * missing, the message was delivered, and so were all before it. */
#ifndef BROKER_REDIS_REDIS_WAITING_H
#define BROKER_REDIS_REDIS_WAITING_H

#include "services/broker/redis/redis_session.h"

enum {
    REDIS_MARK_LEN = 16,
    REDIS_PIECE = 100,           /* messages per script call */
    REDIS_PIECE_BYTES = 4 << 20, /* and their bytes, except the last message */
    REDIS_ARGS_MAX = 8 + 2 * BROKER_LOOK_MAX
};

struct redis_call {
    const char *script;
    struct kn_str args[REDIS_ARGS_MAX]; /* keys first */
    size_t keys, count;
};

void redis_call_add(struct redis_call *call, struct kn_str text);
/* Adds a number, written into the arena. */
void redis_call_number(struct redis_call *call, struct kn_arena *arena, uint64_t number);
/* Runs the call. The answer must be a list with at least this many elements; it stays valid until
 * the next call. */
enum kn_status redis_call_run(struct redis_session *s, const struct redis_call *call, size_t least,
                              const redisReply **ret) KN_MUST_CHECK;
/* An element of an answer; 0 if it is not a number. */
uint64_t redis_number_at(const redisReply *reply, size_t i);
/* The key of a list, in the arena. */
struct kn_str redis_list_of(struct redis_session *s, struct kn_arena *arena, const char *queue,
                            int step);

struct redis_place {
    uint64_t at;
    struct kn_str mark; /* empty: at the right end */
};

/* "<place>.<mark>,<place>.<mark>": one per priority. */
enum kn_status redis_cursor_read(struct kn_str cursor, size_t steps,
                                 struct redis_place *ret) KN_MUST_CHECK;
struct kn_str redis_cursor_write(const struct redis_place *places, size_t steps,
                                 struct kn_arena *arena);
/* Reads a list from a position on, and moves the position behind the messages read. */
enum kn_status redis_look_at(struct redis_session *s, struct kn_str key, size_t limit, size_t bytes,
                             struct redis_place *place, struct kn_arena *arena,
                             const redisReply **ret) KN_MUST_CHECK;
/* Copies the messages of an answer, which begin at its fifth element: beginning and size of
 * each. */
enum kn_status redis_take_messages(const redisReply *reply, struct kn_arena *arena,
                                   struct broker_page *page, size_t max) KN_MUST_CHECK;

#endif
