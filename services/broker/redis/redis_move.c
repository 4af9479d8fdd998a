/* Moving to another queue, and removing. */
#include "services/broker/redis/redis_waiting.h"

#include "services/broker/redis/reroute.h"
#include "services/common/text/time.h"

#include <openssl/evp.h>
#include <stdio.h>

/* from, to · a message as it was, the same for its new place, and so on, next first.
 * Moves what is still there; what a worker took is passed over. Pushes first: when
 * that is refused, nothing was taken. */
static const char move_script[] =
    "local moved, k, next = 0, 1, redis.call('LINDEX', KEYS[1], -1)\n"
    "while k < #ARGV and ARGV[k] ~= next do k = k + 2 end\n"
    "while k < #ARGV and ARGV[k] == next do\n"
    "  redis.call('LPUSH', KEYS[2], ARGV[k + 1])\n"
    "  redis.call('RPOP', KEYS[1])\n"
    "  moved, k, next = moved + 1, k + 2, redis.call('LINDEX', KEYS[1], -1)\n"
    "end\n"
    "return {moved}\n";

/* The same for one message, wherever it is in the list. */
static const char move_one_script[] =
    "redis.call('LLEN', KEYS[2])\n"
    "local moved = redis.call('LREM', KEYS[1], -1, ARGV[1])\n"
    "if moved == 1 then redis.call('LPUSH', KEYS[2], ARGV[2]) end\n"
    "return {moved}\n";

/* list · a message, which is taken out. */
static const char remove_script[] = "return {redis.call('LREM', KEYS[1], -1, ARGV[1])}\n";

/* move->to NULL: what is wanted is taken out. */
struct mover {
    struct redis_session *s;
    const struct broker_move *move;
    struct broker_moved *moved;
    void (*gone)(void *arg); /* or NULL */
    struct kn_arena arena;   /* of a piece */
    uint64_t left;           /* messages that may still be moved */
    int step;
};

static bool is_late(struct mover *m)
{
    m->moved->late = m->moved->late || kn_time_mono() >= m->move->deadline;
    return m->moved->late;
}

/* A message that is not kombu's envelope is moved unchanged. */
static struct kn_str for_new_place(struct mover *m, struct kn_str envelope)
{
    struct kn_buf text;
    kn_buf_init(&text, 0);
    enum kn_status status = broker_reroute(envelope, kn_str_from(m->move->to), &text);
    struct kn_str copy =
        status == KN_INVALID ? envelope : kn_arena_str(&m->arena, kn_buf_view(&text));
    kn_buf_fini(&text);
    return status == KN_OK || status == KN_INVALID ? copy : KN_STR_ABSENT;
}

static enum kn_status run_move(struct mover *m, struct redis_call *call, uint64_t *ret_moved)
{
    const redisReply *reply = NULL;
    enum kn_status status = redis_call_run(m->s, call, 1, &reply);
    if (status != KN_OK)
        return status;
    *ret_moved = redis_number_at(reply, 0);
    m->moved->moved += *ret_moved;
    m->left -= *ret_moved < m->left ? *ret_moved : m->left;
    return KN_OK;
}

static void begin_move(struct mover *m, struct redis_call *call, const char *script)
{
    *call = (struct redis_call){.script = script};
    redis_call_add(call, redis_list_of(m->s, &m->arena, m->move->from, m->step));
    if (m->move->to)
        redis_call_add(call, redis_list_of(m->s, &m->arena, m->move->to, m->step));
    call->keys = call->count;
}

static enum kn_status too_long(struct mover *m, const struct broker_waiting *message)
{
    kn_buf_clear(&m->s->base.error);
    kn_buf_printf(&m->s->base.error, "a message of %llu bytes is too large to be moved",
                  (unsigned long long)message->size);
    return KN_TOO_BIG;
}

/* The next page of the one list. */
static enum kn_status read_piece(struct mover *m, size_t limit, struct redis_place *place,
                                 struct broker_page *ret)
{
    const redisReply *reply = NULL;
    ret->items = kn_arena_array(&m->arena, REDIS_PIECE + 1, sizeof *ret->items);
    if (!ret->items)
        return KN_NOMEM;
    enum kn_status status =
        redis_look_at(m->s, redis_list_of(m->s, &m->arena, m->move->from, m->step), limit,
                      REDIS_PIECE_BYTES, place, &m->arena, &reply);
    return status == KN_OK ? redis_take_messages(reply, &m->arena, ret, REDIS_PIECE) : status;
}

static enum kn_status move_piece(struct mover *m, bool *ret_empty)
{
    struct broker_page page = {0};
    struct redis_place end = {0};
    struct redis_call call;
    uint64_t moved;
    enum kn_status status =
        read_piece(m, m->left < REDIS_PIECE ? (size_t)m->left : REDIS_PIECE, &end, &page);
    if (status != KN_OK)
        return status;
    *ret_empty = page.count == 0;
    begin_move(m, &call, move_script);
    for (size_t i = 0; i < page.count && !page.items[i].cut; i++) {
        redis_call_add(&call, page.items[i].envelope);
        redis_call_add(&call, for_new_place(m, page.items[i].envelope));
    }
    if (page.count && page.items[0].cut)
        return too_long(m, &page.items[0]);
    return page.count ? run_move(m, &call, &moved) : KN_OK;
}

static enum kn_status move_all(struct mover *m)
{
    enum kn_status status = KN_OK;
    bool empty = false;
    while (status == KN_OK && !empty && m->left && !is_late(m)) {
        kn_arena_reset(&m->arena);
        status = move_piece(m, &empty);
    }
    return status;
}

/* As look_script has it. */
static void write_mark(struct kn_str message, char ret[REDIS_MARK_LEN + 1])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    size_t tail = message.len < 256 ? message.len : 256;
    struct kn_buf text;
    kn_buf_init(&text, 0);
    kn_buf_printf(&text, "%zu:", message.len);
    kn_buf_append(&text, message.ptr + message.len - tail, tail);
    if (kn_buf_status(&text) == KN_OK &&
        EVP_Digest(text.data, text.len, digest, NULL, EVP_sha1(), NULL) == 1) {
        for (size_t i = 0; i < REDIS_MARK_LEN / 2; i++)
            snprintf(ret + 2 * i, 3, "%02x", digest[i]);
    }
    kn_buf_fini(&text);
}

/* Where a list is read on. */
struct walk {
    uint64_t at;
    char mark[REDIS_MARK_LEN + 1];
    bool ended;
};

/* The place becomes that of the last message that stays. behind: of the last before one that
 * went; or NULL. */
static enum kn_status move_wanted(struct mover *m, const struct broker_page *page,
                                  struct walk *walk, struct walk *behind)
{
    enum kn_status status = KN_OK;
    for (size_t i = 0; status == KN_OK && i < page->count && m->left && !is_late(m); i++) {
        struct kn_str envelope = page->items[i].envelope;
        struct redis_call call;
        uint64_t moved = 0;
        if (!page->items[i].cut && m->move->wanted(m->move->arg, envelope)) {
            begin_move(m, &call, m->move->to ? move_one_script : remove_script);
            redis_call_add(&call, envelope);
            if (m->move->to)
                redis_call_add(&call, for_new_place(m, envelope));
            status = run_move(m, &call, &moved);
            if (moved && m->gone)
                m->gone(m->move->arg);
            if (moved && behind)
                *behind = *walk;
        } else if (!page->items[i].cut) {
            write_mark(envelope, walk->mark);
        }
        walk->at += moved ? 0 : 1;
    }
    return status;
}

/* The next page. *ret_looked: its messages. */
static enum kn_status walk_on(struct mover *m, struct walk *walk, struct walk *behind,
                              size_t *ret_looked)
{
    struct broker_page page = {0};
    struct redis_place place = {walk->at, kn_str_from(walk->mark)};
    kn_arena_reset(&m->arena);
    enum kn_status status = read_piece(m, REDIS_PIECE, &place, &page);
    if (status != KN_OK)
        return status;
    walk->ended = page.count == 0;
    walk->at = place.at - page.count;
    if (place.at == page.count)
        walk->mark[0] = '\0'; /* the message of the mark has gone */
    *ret_looked = page.count;
    return move_wanted(m, &page, walk, behind);
}

static enum kn_status move_some(struct mover *m)
{
    struct walk walk = {0};
    enum kn_status status = KN_OK;
    size_t ignored;
    while (status == KN_OK && !walk.ended && m->left && !is_late(m))
        status = walk_on(m, &walk, NULL, &ignored);
    return status;
}

enum kn_status broker_redis_move(struct broker_session *session, const struct broker_move *move,
                                 struct broker_moved *ret)
{
    struct redis_session *s = redis_session_of(session);
    struct mover m = {.s = s, .move = move, .moved = ret};
    m.left = move->max < ret->found ? move->max : ret->found;
    kn_arena_init(&m.arena, 0);
    enum kn_status status = KN_OK;
    for (size_t i = 0; status == KN_OK && i < s->base.options.priority_count && m.left; i++) {
        m.step = s->base.options.priority_steps[i];
        status = move->wanted ? move_some(&m) : move_all(&m);
    }
    kn_arena_fini(&m.arena);
    return status;
}

/* ---- removing ------------------------------------------------------------------------- */

static enum kn_status begin_walks(struct kn_str cursor, size_t steps, struct walk *ret)
{
    struct redis_place places[BROKER_STEPS_MAX] = {0};
    enum kn_status status = redis_cursor_read(cursor, steps, places);
    for (size_t i = 0; status == KN_OK && i < steps; i++) {
        ret[i].at = places[i].at;
        snprintf(ret[i].mark, sizeof ret[i].mark, "%.*s", KN_STR_ARG(places[i].mark));
    }
    return status;
}

static void end_walks(const struct walk *walks, const struct walk *behind, size_t steps,
                      struct kn_arena *arena, struct broker_removed *ret)
{
    struct redis_place places[BROKER_STEPS_MAX];
    ret->complete = true;
    for (size_t i = 0; i < steps; i++) {
        places[i] = (struct redis_place){behind[i].at, kn_str_from(behind[i].mark)};
        ret->complete = ret->complete && walks[i].ended;
    }
    kn_arena_reset(arena);
    snprintf(ret->cursor, sizeof ret->cursor, "%.*s",
             KN_STR_ARG(redis_cursor_write(places, steps, arena)));
}

/* A page of each list in turn: a caller who goes on from the cursor wants what was sent
 * after what it wanted before, whatever its priority. */
static enum kn_status remove_some(struct mover *m, struct walk *walks, struct walk *behind,
                                  uint64_t look_max)
{
    enum kn_status status = KN_OK;
    for (bool more = true; more;) {
        more = false;
        for (size_t i = 0; i < m->s->base.options.priority_count; i++) {
            size_t looked = 0;
            if (walks[i].ended)
                continue;
            if (status != KN_OK || !m->left || !look_max || is_late(m))
                return status;
            m->step = m->s->base.options.priority_steps[i];
            status = walk_on(m, &walks[i], &behind[i], &looked);
            look_max -= looked < look_max ? looked : look_max;
            more = true;
        }
    }
    return status;
}

enum kn_status broker_redis_remove(struct broker_session *session,
                                   const struct broker_removal *removal, struct broker_removed *ret)
{
    struct redis_session *s = redis_session_of(session);
    struct walk walks[BROKER_STEPS_MAX] = {0}, behind[BROKER_STEPS_MAX];
    struct broker_moved moved = {0};
    const struct broker_move move = {.from = removal->queue,
                                     .deadline = removal->deadline,
                                     .wanted = removal->wanted,
                                     .arg = removal->arg};
    struct mover m = {
        .s = s, .move = &move, .moved = &moved, .gone = removal->gone, .left = removal->max};
    kn_arena_init(&m.arena, 0);
    enum kn_status status = begin_walks(removal->cursor, s->base.options.priority_count, walks);
    memcpy(behind, walks, sizeof behind);
    if (status == KN_OK)
        status = remove_some(&m, walks, behind, removal->look_max);
    end_walks(walks, behind, s->base.options.priority_count, &m.arena, ret);
    ret->removed = moved.moved;
    ret->complete = ret->complete || m.left == 0;
    kn_arena_fini(&m.arena);
    return status;
}
