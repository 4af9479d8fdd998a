#include "services/broker/port/driver.h"

enum kn_status broker_session_look(struct broker_session *session, const struct broker_look *what,
                                   struct kn_arena *arena, struct broker_page *ret)
{
    struct broker_page page = {.consumers = -1};
    bool before = broker_session_connected(session);
    enum kn_status status = broker_session_driver(session)->look(session, what, arena, &page);
    if (broker_session_again(session, before, status))
        status = broker_session_driver(session)->look(session, what, arena, &page);
    if (status == KN_OK)
        *ret = page;
    return broker_session_result(session, status);
}

enum kn_status broker_session_unacked(struct broker_session *session,
                                      const struct broker_unacked *what)
{
    if (!broker_session_driver(session)->unacked)
        return broker_session_result(session, KN_UNSUPPORTED);
    bool before = broker_session_connected(session);
    enum kn_status status = broker_session_driver(session)->unacked(session, what);
    if (broker_session_again(session, before, status))
        status = broker_session_driver(session)->unacked(session, what);
    return broker_session_result(session, status);
}

enum kn_status broker_session_find(struct broker_session *session, struct kn_str queue,
                                   bool unacked, size_t max,
                                   bool (*is)(void *arg, struct kn_str value), void *arg,
                                   struct broker_found *ret)
{
    if (!broker_session_driver(session)->find)
        return KN_UNSUPPORTED;
    bool before = broker_session_connected(session);
    enum kn_status status =
        broker_session_driver(session)->find(session, queue, unacked, max, is, arg, ret);
    if (status != KN_NOT_FOUND && broker_session_again(session, before, status))
        status = broker_session_driver(session)->find(session, queue, unacked, max, is, arg, ret);
    return broker_session_result(session, status);
}

enum kn_status broker_session_take_out(struct broker_session *session,
                                       const struct broker_found *found, int64_t *ret_removed)
{
    return broker_session_driver(session)->take_out
               ? broker_session_driver(session)->take_out(session, found, ret_removed)
               : KN_UNSUPPORTED;
}

enum kn_status broker_session_bindings(struct broker_session *session, struct kn_str exchange,
                                       struct kn_arena *arena, struct kn_str **ret,
                                       size_t *ret_count)
{
    if (!broker_session_driver(session)->bindings)
        return KN_UNSUPPORTED;
    bool before = broker_session_connected(session);
    enum kn_status status =
        broker_session_driver(session)->bindings(session, exchange, arena, ret, ret_count);
    if (broker_session_again(session, before, status))
        status = broker_session_driver(session)->bindings(session, exchange, arena, ret, ret_count);
    return broker_session_result(session, status);
}

/* What changes something is begun once only: a connection that was cut while it was
 * idle is noticed by counting first. */
static enum kn_status count(struct broker_session *s, const char *queue, uint64_t *ret)
{
    struct broker_page page = {0};
    struct kn_arena arena;
    kn_arena_init(&arena, 64 << 10);
    enum kn_status status =
        broker_session_look(s, &(struct broker_look){.queue = queue}, &arena, &page);
    if (status == KN_OK)
        *ret = page.total;
    kn_arena_fini(&arena);
    return status;
}

enum kn_status broker_session_no_stream(struct broker_session *session, const char *queue)
{
    uint64_t found;
    enum kn_status status = count(session, queue, &found);
    if (status == KN_OK && broker_session_driver(session)->no_stream)
        status = broker_session_driver(session)->no_stream(session, queue);
    return broker_session_result(session, status);
}

enum kn_status broker_session_purge(struct broker_session *session,
                                    const struct broker_purge *purge, uint64_t *ret_count)
{
    enum kn_status status = count(session, purge->queue, ret_count);
    if (status != KN_OK)
        return status;
    status = broker_session_driver(session)->purge(session, purge, ret_count);
    return broker_session_result(session, status);
}

enum kn_status broker_session_purged(struct broker_session *session, const char *keep, size_t limit,
                                     struct kn_arena *arena, struct broker_page *ret)
{
    struct broker_page page = {.consumers = -1};
    enum kn_status status = KN_OK;
    if (broker_session_driver(session)->purged)
        status = broker_session_driver(session)->purged(session, keep, limit, arena, &page);
    if (status == KN_OK)
        *ret = page;
    return broker_session_result(session, status);
}

enum kn_status broker_session_kept(struct broker_session *session, const char *kept,
                                   struct kn_arena *arena, struct broker_page *ret)
{
    *ret = (struct broker_page){0};
    enum kn_status status = KN_OK;
    if (broker_session_driver(session)->kept)
        status = broker_session_driver(session)->kept(session, kept, arena, ret);
    return broker_session_result(session, status);
}

enum kn_status broker_session_purged_end(struct broker_session *session, const char *kept,
                                         struct kn_str member)
{
    enum kn_status status = KN_OK;
    if (broker_session_driver(session)->purged_end)
        status = broker_session_driver(session)->purged_end(session, kept, member);
    return broker_session_result(session, status);
}

enum kn_status broker_session_move(struct broker_session *session, const struct broker_move *move,
                                   struct broker_moved *ret)
{
    *ret = (struct broker_moved){0};
    enum kn_status status = count(session, move->from, &ret->found);
    if (status != KN_OK)
        return status;
    status = broker_session_driver(session)->move(session, move, ret);
    return broker_session_result(session, status);
}

enum kn_status broker_session_remove(struct broker_session *session,
                                     const struct broker_removal *removal,
                                     struct broker_removed *ret)
{
    uint64_t ignored;
    *ret = (struct broker_removed){0};
    enum kn_status status = count(session, removal->queue, &ignored);
    if (status != KN_OK)
        return status;
    status = broker_session_driver(session)->remove(session, removal, ret);
    return broker_session_result(session, status);
}
