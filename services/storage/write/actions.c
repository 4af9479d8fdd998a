/* What is kept of people's actions: the audit. */
#include "services/storage/store_internal.h"

#include "services/common/count.h"
#include "services/common/text/time.h"

struct found {
    int64_t no; /* 0: there is none */
    bool same;  /* of this attempt */
    bool ended;
    struct kn_str attempt;
};

static enum kn_status take_found(void *arg, const struct db_value *columns)
{
    struct found *found = arg;
    found->no = db_as_i64(columns[0]);
    found->same = kn_str_eq(db_as_str(columns[1]), found->attempt);
    found->ended = columns[2].kind != DB_NULL;
    return KN_OK;
}

static enum kn_status find(struct tx *tx, struct kn_str id, struct found *found)
{
    const struct db_value values[] = {db_text(id)};
    return db_run(tx->store->db, SQL_AUDIT_FIND, values, take_found, found);
}

static struct db_value clean(struct tx *tx, struct kn_str text)
{
    return db_text(text.ptr ? db_clean_text(tx->arena, text) : text);
}

static enum kn_status refuse(struct store_change *change, enum kn_status status, const char *why)
{
    change->status = status;
    change->why = why;
    return KN_OK;
}

static enum kn_status begin(struct tx *tx, struct store_change *change)
{
    const struct kn_msg_audit_begin *msg = change->msg;
    const struct kn_msg_audit_entry *entry = msg->entry;
    if (!entry || !entry->id.len || !msg->attempt.len || !entry->begun_at)
        return refuse(change, KN_INVALID, "an action needs an id, an attempt and a time");
    struct kn_str id = db_clean_text(tx->arena, entry->id);
    struct found found = {.attempt = msg->attempt};
    enum kn_status status = find(tx, id, &found);
    if (status != KN_OK || found.same)
        return status; /* the request came twice */
    if (found.no)
        return refuse(change, KN_CONFLICT, "this action was begun before");
    const struct db_value values[] = {
        db_text(id),
        db_text(msg->attempt),
        db_i64(entry->verb),
        clean(tx, entry->method),
        clean(tx, entry->source),
        clean(tx, entry->target),
        clean(tx, entry->actor),
        clean(tx, entry->remote),
        clean(tx, entry->agent),
        clean(tx, entry->request),
        db_i64(entry->begun_at),
    };
    return db_run(tx->store->db, SQL_AUDIT_BEGIN, values, NULL, NULL);
}

static enum kn_status end(struct tx *tx, struct store_change *change)
{
    const struct kn_msg_audit_entry *entry = ((const struct kn_msg_audit_end *)change->msg)->entry;
    if (!entry || !entry->id.len || !entry->ended_at)
        return refuse(change, KN_INVALID, "an end needs an id and a time");
    struct found found = {.attempt = KN_STR_ABSENT};
    enum kn_status status = find(tx, db_clean_text(tx->arena, entry->id), &found);
    if (status != KN_OK || found.ended)
        return status; /* the first end stays */
    if (!found.no)
        return refuse(change, KN_NOT_FOUND, "this action was never begun");
    const struct db_value values[] = {db_i64(found.no), db_i64(entry->ended_at),
                                      db_i64(entry->outcome), clean(tx, entry->text),
                                      clean(tx, entry->result)};
    return db_run(tx->store->db, SQL_AUDIT_END, values, NULL, NULL);
}

static enum kn_status link_tasks(struct tx *tx, struct store_change *change)
{
    const struct kn_msg_task_link *link = change->msg;
    if (!link->source.len || !link->task_id.len || !link->new_id.len || !link->at)
        return refuse(change, KN_INVALID, "a link needs a source, two ids and a time");
    const struct db_value values[] = {clean(tx, link->source), clean(tx, link->task_id),
                                      clean(tx, link->new_id), db_i64(link->at)};
    return db_run(tx->store->db, SQL_LINK_PUT, values, NULL, NULL);
}

static const struct {
    enum kn_kind kind;
    enum kn_status (*apply)(struct tx *tx, struct store_change *change);
} changes[] = {
    {KN_KIND_AUDIT_BEGIN, begin},       {KN_KIND_AUDIT_END, end},
    {KN_KIND_PAUSE, tx_pause},          {KN_KIND_JOB_CREATE, tx_job_create},
    {KN_KIND_JOB_TAKE, tx_job_take},    {KN_KIND_JOB_CANCEL, tx_job_cancel},
    {KN_KIND_RESOLVE, tx_task_resolve}, {KN_KIND_TASK_LINK, link_tasks},
};

bool is_action_change(enum kn_kind kind)
{
    for (size_t i = 0; i < KN_COUNT_OF(changes); i++)
        if (changes[i].kind == kind)
            return true;
    return false;
}

enum kn_status tx_action(struct tx *tx, struct store_change *change)
{
    for (size_t i = 0; i < KN_COUNT_OF(changes); i++)
        if (changes[i].kind == change->kind)
            return changes[i].apply(tx, change);
    change->status = KN_UNSUPPORTED;
    return KN_OK;
}
