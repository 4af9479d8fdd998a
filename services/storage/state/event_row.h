/* A row of the table events: fields without a column are stored as msgpack. */
#ifndef KN_STORAGE_STATE_EVENT_ROW_H
#define KN_STORAGE_STATE_EVENT_ROW_H

#include "proto/messages.h"
#include "services/common/text/buf.h"
#include "services/storage/db/dict.h"

/* Appends the fields that are not columns. of_task: the task's ID is a column, too. */
void event_row_body(struct kn_buf *out, const struct kn_msg_event *event, bool of_task);
/* An event from its row: ident, at, clock, type, host, body. */
enum kn_status event_from_row(const struct db_value *columns, struct dict *dict, struct db *db,
                              struct kn_arena *arena, struct kn_msg_event *ret) KN_MUST_CHECK;

#endif
