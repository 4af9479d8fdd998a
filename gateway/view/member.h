/* Members of JSON objects: ,"name":value. Each is appended after another member. */
#ifndef KN_GATEWAY_VIEW_MEMBER_H
#define KN_GATEWAY_VIEW_MEMBER_H

#include "proto/messages.h"
#include "services/common/text/buf.h"

/* Appends only the name. */
void member(struct kn_buf *out, const char *name);
void member_str(struct kn_buf *out, const char *name, struct kn_str value);
void member_i64(struct kn_buf *out, const char *name, int64_t value);
void member_f64(struct kn_buf *out, const char *name, double value);
void member_time(struct kn_buf *out, const char *name, int64_t us);
void member_bool(struct kn_buf *out, const char *name, bool value);
void member_opt_i64(struct kn_buf *out, const char *name, struct kn_opt_i64 value);
void member_opt_f64(struct kn_buf *out, const char *name, struct kn_opt_f64 value);
void member_strs(struct kn_buf *out, const char *name, const struct kn_strs *list);
/* JSON text unchanged; null if absent. */
void member_json(struct kn_buf *out, const char *name, struct kn_str json);

#endif
