/* What is kept of people's actions: the audit. */
#include "services/storage/write/write.h"

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

static enum kn_status find_action(struct tx *tx, struct kn_str id, struct found *found)
{
    const struct db_value values[] = {db_text(id)};
    return db_run(tx->store->db, SQL_AUDIT_FIND, values, take_found, found);
}

enum kn_status tx_audit_begin(struct tx *tx, struct store_change *change)
{
    const struct kn_msg_audit_begin *msg = change->msg;
    const struct kn_msg_audit_entry *entry = msg->entry;
    if (!entry || !entry->id.len || !msg->attempt.len || !entry->begun_at)
        return tx_refuse(change, KN_INVALID, "an action requires an id, an attempt and a time");
    struct kn_str id = db_clean_text(tx->arena, entry->id);
    struct found found = {.attempt = msg->attempt};
    enum kn_status status = find_action(tx, id, &found);
    if (status != KN_OK || found.same)
        return status; /* the request came twice */
    if (found.no)
        return tx_refuse(change, KN_CONFLICT, "this action was already started");
    const struct db_value values[] = {
        db_text(id),
        db_text(msg->attempt),
        db_i64(entry->verb),
        tx_text(tx, entry->method),
        tx_text(tx, entry->source),
        tx_text(tx, entry->target),
        tx_text(tx, entry->actor),
        tx_text(tx, entry->remote),
        tx_text(tx, entry->agent),
        tx_text(tx, entry->request),
        db_i64(entry->begun_at),
    };
    return db_run(tx->store->db, SQL_AUDIT_BEGIN, values, NULL, NULL);
}

static bool is_link(const struct kn_msg_task_link *link)
{
    return link->source.len && link->task_id.len && link->new_id.len && link->at;
}

enum kn_status tx_task_link(struct tx *tx, struct store_change *change)
{
    return is_link(change->msg)
               ? tx_link(tx, change->msg)
               : tx_refuse(change, KN_INVALID, "a link requires a source, two ids and a time");
}

static enum kn_status link_at_end(struct tx *tx, struct store_change *change,
                                  const struct kn_msg_task_link *link)
{
    static const struct kn_msg_done linked = {.linked = true};
    change->answer = &linked;
    return tx_link(tx, link);
}

enum kn_status tx_audit_end(struct tx *tx, struct store_change *change)
{
    const struct kn_msg_audit_end *msg = change->msg;
    const struct kn_msg_audit_entry *entry = msg->entry;
    if (!entry || !entry->id.len || !entry->ended_at)
        return tx_refuse(change, KN_INVALID, "an end requires an id and a time");
    struct found found = {.attempt = KN_STR_ABSENT};
    enum kn_status status = find_action(tx, db_clean_text(tx->arena, entry->id), &found);
    if (status == KN_OK && !found.no)
        return tx_refuse(change, KN_NOT_FOUND, "this action was never started");
    const struct db_value values[] = {db_i64(found.no), db_i64(entry->ended_at),
                                      db_i64(entry->outcome), tx_text(tx, entry->text),
                                      tx_text(tx, entry->result)};
    if (status == KN_OK && !found.ended) /* the first end stays */
        status = db_run(tx->store->db, SQL_AUDIT_END, values, NULL, NULL);
    return status == KN_OK && msg->link && is_link(msg->link) ? link_at_end(tx, change, msg->link)
                                                              : status;
}

/* ---- actions of storage itself ------------------------------------------------------- */

enum kn_status tx_action_begin(struct tx *tx, struct store_change *change,
                               const struct kn_msg_action *action, struct kn_msg_audit_entry entry,
                               bool *ret_go)
{
    entry.id = action->id;
    entry.actor = action->actor;
    entry.remote = action->remote;
    entry.agent = action->agent;
    entry.begun_at = action->at ? action->at : kn_time_now();
    const struct kn_msg_audit_begin begin = {.entry = &entry, .attempt = action->id};
    struct store_change audit = {.msg = &begin};
    enum kn_status status = tx_audit_begin(tx, &audit);
    change->status = audit.status;
    change->why = audit.why;
    *ret_go = status == KN_OK && audit.status == KN_OK;
    return status;
}

enum kn_status tx_action_end(struct tx *tx, struct kn_str id, enum kn_outcome outcome,
                             struct kn_str text, struct kn_str result)
{
    struct kn_msg_audit_entry entry = {.id = id,
                                       .ended_at = kn_time_now(),
                                       .outcome = (uint8_t)outcome,
                                       .text = text,
                                       .result = result};
    const struct kn_msg_audit_end end = {.entry = &entry};
    struct store_change audit = {.msg = &end};
    return tx_audit_end(tx, &audit);
}
