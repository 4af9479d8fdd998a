/* Issues of the dashboard that somebody has dismissed: hidden from everybody while they are in the
 * state that they were in then. What an issue is, and its state, only the dashboard knows. */
#include "services/storage/write/write.h"

#include "services/common/text/time.h"

#define DISMISSALS_US (30 * KN_DAY)

static bool has_length(struct kn_str text)
{
    return text.len && text.len <= DISMISSED_TEXT_MAX;
}

static enum kn_status put(struct tx *tx, const struct kn_msg_dismiss *msg)
{
    struct db *db = tx->store->db;
    const struct db_value row[] = {tx_text(tx, msg->key), tx_text(tx, msg->state),
                                   db_i64(kn_time_now()), tx_text(tx, msg->action->actor)};
    const struct db_value most[] = {db_i64(STORE_DISMISSALS_MAX)};
    if (msg->undo)
        return db_run(db, SQL_DISMISSAL_DELETE, row, NULL, NULL);
    enum kn_status status = db_run(db, SQL_DISMISSAL_PUT, row, NULL, NULL);
    return status == KN_OK ? db_run(db, SQL_DISMISSALS_TRIM, most, NULL, NULL) : status;
}

/* Text of the arena. */
static enum kn_status request_of(struct tx *tx, const struct kn_msg_dismiss *msg,
                                 struct kn_str *ret)
{
    struct kn_buf out;
    kn_buf_init(&out, 4096);
    kn_buf_text(&out, "{\"dismissed\":true,\"state\":");
    kn_buf_json_str(&out, msg->state);
    kn_buf_char(&out, '}');
    enum kn_status status = kn_buf_status(&out);
    *ret = msg->undo ? KN_STR("{\"dismissed\":false}") : kn_arena_str(tx->arena, kn_buf_view(&out));
    kn_buf_fini(&out);
    return status == KN_OK && !ret->ptr ? KN_NOMEM : status;
}

enum kn_status tx_dismiss(struct tx *tx, struct store_change *change)
{
    const struct kn_msg_dismiss *msg = change->msg;
    struct kn_msg_audit_entry entry = {.verb = KN_VERB_DISMISS, .target = msg->key};
    bool go;
    if (!msg->action || !msg->action->id.len || !has_length(msg->key) ||
        (!msg->undo && !has_length(msg->state)))
        return tx_refuse(change, KN_INVALID,
                         "an action, a key and a state of 1 to 200 bytes are required");
    enum kn_status status = request_of(tx, msg, &entry.request);
    if (status == KN_OK)
        status = tx_action_begin(tx, change, msg->action, entry, &go);
    if (status != KN_OK || !go)
        return status;
    status = put(tx, msg);
    return status == KN_OK ? tx_action_end(tx, msg->action->id, KN_OUTCOME_DONE,
                                           msg->undo ? KN_STR("no longer dismissed")
                                                     : KN_STR("dismissed until its state changes"),
                                           KN_STR_ABSENT)
                           : status;
}

enum kn_status dismissals_expire(struct db *db)
{
    const struct db_value before[] = {db_i64(kn_time_now() - DISMISSALS_US)};
    return db_run(db, SQL_DISMISSALS_EXPIRE, before, NULL, NULL);
}
