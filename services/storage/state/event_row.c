#include "services/storage/state/event_row.h"

#include "proto/codec.h"

void event_row_body(struct kn_buf *out, const struct kn_msg_event *event, bool of_task)
{
    struct kn_msg_event rest = *event;
    rest.type = 0;
    rest.timestamp = 0; /* the sender's own is with skew */
    rest.clock = 0;
    rest.hostname = KN_STR_ABSENT;
    if (of_task)
        rest.uuid = KN_STR_ABSENT;
    if (event->type != KN_EVENT_CUSTOM)
        rest.type_name = KN_STR_ABSENT;
    kn_msg_encode(out, KN_KIND_EVENT, &rest);
}

enum kn_status event_from_row(const struct db_value *columns, struct dict *dict, struct db *db,
                              struct kn_arena *arena, struct kn_msg_event *ret)
{
    struct kn_str body = kn_arena_str(arena, db_as_str(columns[5]));
    if (!body.ptr)
        return KN_NOMEM;
    enum kn_status status = kn_msg_decode(body, KN_KIND_EVENT, arena, ret);
    if (status != KN_OK)
        return status;
    ret->timestamp = db_as_i64(columns[1]);
    ret->clock = (uint64_t)db_as_i64(columns[2]);
    ret->type = (uint8_t)db_as_i64(columns[3]);
    if (ret->type != KN_EVENT_CUSTOM)
        ret->type_name = kn_str_from(kn_enum_text(&kn_enum_event_type, ret->type));
    return dict_text(dict, db, db_as_i64(columns[4]), arena, &ret->hostname);
}
