/* Internals of the codec: how a schema describes each field of a message. codec_schema.c generates
 * the schemas from messages.h; codec.c and codec_json.c use them. */
#ifndef KN_PROTO_CODEC_INTERNAL_H
#define KN_PROTO_CODEC_INTERNAL_H

#include "proto/codec.h"

enum field_type {
    TYPE_BOOL,
    TYPE_U64,
    TYPE_I64,
    TYPE_F64,
    TYPE_TIME,
    TYPE_OPT_I64,
    TYPE_OPT_F64,
    TYPE_STR,
    TYPE_JSON,
    TYPE_BIN,
    TYPE_ENUM,
    TYPE_STRS,
    TYPE_F64S,
    TYPE_MSG,
    TYPE_LIST
};

struct field {
    const char *name;
    const struct kn_schema *(*sub)(void); /* of MSG and LIST */
    const struct kn_enum *en;             /* of ENUM */
    uint16_t number;
    uint16_t offset;
    uint8_t type;
};

struct kn_schema {
    const char *name;
    const struct field *fields;
    size_t count;
    size_t size;
};

/* Layout of a list, a message and a list of strings in every struct. */
struct any_list {
    char *items;
    size_t count;
};

#endif
