/* Which batches were applied: for each source and epoch all up to a number, and those that came
 * ahead of a hole. */
#include "services/storage/write/write.h"

#include "services/common/text/time.h"

enum { AHEAD_MAX = 1024 };

struct mark {
    uint64_t done; /* all up to here */
    uint64_t ahead[AHEAD_MAX];
    size_t n_ahead;
};

static enum kn_status read_mark(void *arg, const struct db_value *columns)
{
    struct mark *mark = arg;
    struct kn_str ahead = db_as_str(columns[1]);
    mark->done = (uint64_t)db_as_i64(columns[0]);
    mark->n_ahead = ahead.len / sizeof *mark->ahead;
    if (mark->n_ahead > AHEAD_MAX)
        return KN_INVALID;
    if (mark->n_ahead)
        memcpy(mark->ahead, ahead.ptr, mark->n_ahead * sizeof *mark->ahead);
    return KN_OK;
}

static bool take_out(struct mark *mark, uint64_t seq)
{
    for (size_t i = 0; i < mark->n_ahead; i++) {
        if (mark->ahead[i] == seq) {
            mark->ahead[i] = mark->ahead[--mark->n_ahead];
            return true;
        }
    }
    return false;
}

static bool is_marked(const struct mark *mark, uint64_t seq)
{
    for (size_t i = 0; i < mark->n_ahead; i++) {
        if (mark->ahead[i] == seq)
            return true;
    }
    return seq <= mark->done;
}

static void fill_up(struct mark *mark)
{
    while (take_out(mark, mark->done + 1))
        mark->done++;
}

/* The hole before the first that waits: its batches will not come. */
static void give_up_hole(struct mark *mark)
{
    uint64_t lowest = UINT64_MAX;
    for (size_t i = 0; i < mark->n_ahead; i++)
        lowest = mark->ahead[i] < lowest ? mark->ahead[i] : lowest;
    mark->done = lowest - 1;
    fill_up(mark);
}

/* When too many wait behind a gap, the gap is given up, but not while it is being filled. */
static void set_mark(struct mark *mark, uint64_t seq)
{
    if (seq == mark->done + 1) {
        mark->done = seq;
    } else {
        if (mark->n_ahead == AHEAD_MAX)
            give_up_hole(mark);
        if (seq > mark->done)
            mark->ahead[mark->n_ahead++] = seq;
    }
    fill_up(mark);
}

enum kn_status tx_mark(struct tx *tx, int64_t source, uint64_t epoch, uint64_t seq, bool *ret_again,
                       bool *ret_whole)
{
    struct mark mark = {0};
    const struct db_value key[] = {db_i64(source), db_i64((int64_t)epoch)};
    enum kn_status status = db_run(tx->store->db, SQL_MARK_GET, key, read_mark, &mark);
    if (status != KN_OK)
        return status;
    *ret_again = is_marked(&mark, seq);
    if (*ret_again)
        return KN_OK;
    set_mark(&mark, seq);
    *ret_whole = mark.n_ahead == 0;
    struct kn_str ahead = {(const char *)mark.ahead, mark.n_ahead * sizeof *mark.ahead};
    const struct db_value values[] = {key[0], key[1], db_i64((int64_t)mark.done), db_blob(ahead),
                                      db_i64(kn_time_now())};
    return db_run(tx->store->db, SQL_MARK_PUT, values, NULL, NULL);
}
