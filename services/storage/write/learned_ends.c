#include "services/storage/write/learned_ends.h"

#include "services/common/text/time.h"
#include "services/storage/write/ingest.h"

enum { A_PAGE = 200 };

struct page {
    struct store *store;
    struct kn_arena texts; /* of one task */
    int64_t after;
    size_t seen, count;
    struct {
        int64_t no, source;
        bool is_learned;
        struct task_end end;
    } ends[A_PAGE];
};

static enum kn_status see_task(void *arg, const struct db_value *columns)
{
    struct page *page = arg;
    struct task_row row;
    kn_arena_reset(&page->texts);
    enum kn_status status =
        task_row_read(columns, page->store->dict, page->store->db, &page->texts, &row);
    if (status != KN_OK)
        return status;
    page->after = row.no;
    page->seen++;
    if (row.end.at) {
        page->ends[page->count].no = row.no;
        page->ends[page->count].source = row.source;
        page->ends[page->count].is_learned = row.origin != KN_ORIGIN_EVENTS;
        page->ends[page->count++].end = row.end;
    }
    return KN_OK;
}

/* Also of tasks whose other data may be learned. */
static enum kn_status write_sorts(struct db *db, int64_t no, const struct task_end *end)
{
    struct db_value values[TASK_END_COLUMNS];
    task_end_values(no, end, values);
    enum kn_status status = db_each(db, SQL_TASK_END_DROP, values, 1, NULL, NULL, NULL);
    return status == KN_OK ? db_each(db, SQL_TASK_END_PUT, values, 1, NULL, NULL, NULL) : status;
}

static enum kn_status write_end(struct db *db, int64_t no, int64_t source, int64_t ended_at)
{
    static const int64_t units[] = {KN_SECOND, KN_MINUTE};
    const struct db_value end[] = {db_i64(no), db_i64(ended_at)};
    enum kn_status status = db_run(db, SQL_TASK_LEARNED_END, end, NULL, NULL);
    for (size_t u = 0; status == KN_OK && u < sizeof units / sizeof *units; u++) {
        const struct db_value span[] = {db_i64(units[u] / KN_SECOND), db_i64(ended_at / units[u]),
                                        db_i64(source), end[0], end[0]};
        status = db_each(db, SQL_END_SPAN_PUT, span, 1, NULL, NULL, NULL);
    }
    return status;
}

static enum kn_status fill(struct page *page)
{
    struct db *db = page->store->db;
    enum kn_status status;
    do {
        const struct db_value values[] = {db_i64(page->after), db_i64(A_PAGE)};
        page->seen = page->count = 0;
        status = db_run(db, SQL_TASKS_LEARNED, values, see_task, page);
        for (size_t i = 0; status == KN_OK && i < page->count; i++)
            status = write_sorts(db, page->ends[i].no, &page->ends[i].end);
        for (size_t i = 0; status == KN_OK && i < page->count; i++)
            if (page->ends[i].is_learned)
                status =
                    write_end(db, page->ends[i].no, page->ends[i].source, page->ends[i].end.at);
    } while (status == KN_OK && page->seen == A_PAGE);
    return status;
}

static enum kn_status take_done(void *arg, const struct db_value *columns)
{
    (void)columns;
    *(bool *)arg = true;
    return KN_OK;
}

enum kn_status learned_ends_fill(struct store *store)
{
    const struct db_value done[] = {db_text(KN_STR("learned_ends")), db_text(KN_STR("1"))};
    struct page page = {.store = store};
    bool is_done = false;
    enum kn_status status = db_run(store->db, SQL_META_GET, done, take_done, &is_done);
    if (status != KN_OK || is_done)
        return status;
    kn_arena_init(&page.texts, 0);
    status = db_begin(store->db);
    if (status == KN_OK)
        status = fill(&page);
    if (status == KN_OK)
        status = db_run(store->db, SQL_META_PUT, done, NULL, NULL);
    if (status == KN_OK)
        status = db_commit(store->db);
    kn_arena_fini(&page.texts);
    return status;
}
