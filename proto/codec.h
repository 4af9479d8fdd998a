/* Messages to msgpack and back, and to JSON. No I/O.
 *
 * A message is a msgpack map from field number to value; absent and zero fields are not written. A
 * reader skips unknown numbers, and rejects malformed, too deeply nested or wrongly typed values.
 *
 * On the bus a message travels in an envelope, a msgpack array:
 *   [version, kind, sender, number, message]
 *   version  of the envelope, KN_ENVELOPE_VERSION
 *   kind     enum kn_kind
 *   sender   text, ID of the sending process
 *   number   the sender's count of messages published under this kind's topic; in a request, the µs
 *            the sender waits for the answer; 0 in answers */
#ifndef KN_PROTO_CODEC_H
#define KN_PROTO_CODEC_H

#include "proto/messages.h"
#include "services/common/data/arena.h"
#include "services/common/text/buf.h"

enum { KN_ENVELOPE_VERSION = 1, KN_SENDER_MAX = 64, KN_DEPTH_MAX = 8 };

/* Description of a message, generated from its table. */
struct kn_schema;

/* NULL for an unknown kind. */
const struct kn_schema *kn_schema_of(enum kn_kind kind);
/* "ingest_batch"; "unknown" for an unknown kind. Static. */
const char *kn_kind_name(enum kn_kind kind);

/* Appends msg (a struct kn_msg_<kind>) as a bare msgpack map. Errors are kept in out. */
void kn_msg_encode(struct kn_buf *out, enum kn_kind kind, const void *msg);

/* Reads a bare message into msg (a struct kn_msg_<kind>), which is zeroed first. Strings point into
 * data, lists are in the arena: both must outlive msg. data must end where the message ends. */
enum kn_status kn_msg_decode(struct kn_str data, enum kn_kind kind, struct kn_arena *arena,
                             void *msg) KN_MUST_CHECK;

/* The same, but skips the field of this name (NULL: none), which stays absent: for callers that
 * don't need a message's largest field. */
enum kn_status kn_msg_decode_without(struct kn_str data, enum kn_kind kind, const char *without,
                                     struct kn_arena *arena, void *msg) KN_MUST_CHECK;

struct kn_envelope {
    enum kn_kind kind;
    struct kn_str sender;
    uint64_t number;
    struct kn_str body; /* a bare message */
};

/* Appends an envelope with its message. */
void kn_envelope_encode(struct kn_buf *out, struct kn_str sender, uint64_t number,
                        enum kn_kind kind, const void *msg);
/* The same with a message already written by kn_msg_encode. */
void kn_envelope_encode_body(struct kn_buf *out, struct kn_str sender, uint64_t number,
                             enum kn_kind kind, struct kn_str body);
/* Strings point into data. VERSION for another envelope version, UNSUPPORTED for an unknown
 * kind. */
enum kn_status kn_envelope_decode(struct kn_str data, struct kn_envelope *ret) KN_MUST_CHECK;

/* Appends msg as a JSON object with every field by name: absent ones as null, lists as arrays,
 * times as RFC 3339, enumerations by name. BIN fields are left out. */
void kn_msg_json(struct kn_buf *out, enum kn_kind kind, const void *msg);
/* The same without the braces, so that a caller can add members. Fields whose
 * names are in skip (ended by NULL; may be NULL) are left out. Returns whether
 * anything was written. */
bool kn_msg_json_members(struct kn_buf *out, enum kn_kind kind, const void *msg,
                         const char *const *skip);

/* A deep copy of msg (a struct kn_msg_<kind>) in the arena; NULL when the arena is full. */
void *kn_msg_copy(struct kn_arena *arena, enum kn_kind kind, const void *msg);
/* sizeof(struct kn_msg_<kind>); 0 for an unknown kind. */
size_t kn_msg_size(enum kn_kind kind);

#endif
