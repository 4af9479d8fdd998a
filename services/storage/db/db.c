#include "services/storage/db/db.h"

#include "services/common/text/time.h"

#include <stdlib.h>

enum kn_status db_open(const struct db_options *options, struct db **ret, struct kn_buf *error)
{
    return options->postgres_url ? db_postgres_open(options, ret, error)
                                 : db_sqlite_open(options, ret, error);
}

void db_close(struct db *db)
{
    if (db)
        db->backend->close(db);
}

const struct db_traits *db_traits(const struct db *db)
{
    return &db->backend->traits;
}

bool db_is_pooled(const struct db *db)
{
    return db->pooled;
}

const char *db_version(const struct db *db)
{
    return db->backend->version(db);
}

const char *db_error(const struct db *db)
{
    return db->backend->error(db);
}

bool db_is_lost(const struct db *db)
{
    return db->backend->is_lost(db);
}

void db_limit(struct db *db, int64_t deadline, const atomic_bool *cancelled)
{
    db->deadline = deadline;
    db->cancelled = cancelled;
}

bool db_is_over(const struct db *db)
{
    return (db->cancelled && atomic_load(db->cancelled)) ||
           (db->deadline && kn_time_mono() >= db->deadline);
}

enum kn_status db_begin(struct db *db)
{
    return db->backend->script(db, db->backend->traits.begin);
}

enum kn_status db_commit(struct db *db)
{
    return db->backend->script(db, "COMMIT");
}

void db_rollback(struct db *db)
{
    enum kn_status ignored = db->backend->script(db, "ROLLBACK");
    (void)ignored;
}

enum kn_status db_script(struct db *db, const char *sql)
{
    return db->backend->script(db, sql);
}

enum kn_status db_run(struct db *db, enum sql_id id, const struct db_value *values, db_row_fn *row,
                      void *arg)
{
    return db->backend->run(db, id, values, row, arg);
}

enum kn_status db_each(struct db *db, enum sql_id id, const struct db_value *values, size_t count,
                       db_row_fn *row, void *arg, bool *ret_changed)
{
    return count ? db->backend->each(db, id, values, count, row, arg, ret_changed) : KN_OK;
}

enum kn_status db_size(struct db *db, uint64_t *ret_bytes)
{
    return db->backend->size(db, ret_bytes);
}

void db_give_back(struct db *db, unsigned pages)
{
    if (db->backend->give_back)
        db->backend->give_back(db, pages);
}

struct kn_str db_clean_text(struct kn_arena *arena, struct kn_str text)
{
    if (!text.len || (!memchr(text.ptr, 0, text.len) && kn_utf8_valid(text)))
        return text;
    char *out = kn_arena_alloc(arena, text.len * 3);
    size_t n = 0;
    if (!out)
        return KN_STR_ABSENT;
    for (size_t i = 0; i < text.len;) {
        size_t len = 1;
        while (len < 4 && i + len <= text.len && !kn_utf8_valid((struct kn_str){text.ptr + i, len}))
            len++;
        bool good = len < 5 && i + len <= text.len && text.ptr[i] &&
                    kn_utf8_valid((struct kn_str){text.ptr + i, len});
        memcpy(out + n, good ? text.ptr + i : "\xef\xbf\xbd", good ? len : 3);
        n += good ? len : 3;
        i += good ? len : 1;
    }
    return (struct kn_str){out, n};
}
