#include "proto/codec_internal.h"
#include "services/common/count.h"

typedef const struct kn_schema *schema_fn(void);

#define M(number, lower, upper) static schema_fn schema_##lower;
KN_MSG_MAP(M)
#undef M

#define NOTHING(of) NULL
#define SUB_BOOL NOTHING
#define SUB_U64 NOTHING
#define SUB_I64 NOTHING
#define SUB_F64 NOTHING
#define SUB_TIME NOTHING
#define SUB_OPT_I64 NOTHING
#define SUB_OPT_F64 NOTHING
#define SUB_STR NOTHING
#define SUB_JSON NOTHING
#define SUB_BIN NOTHING
#define SUB_ENUM NOTHING
#define SUB_STRS NOTHING
#define SUB_F64S NOTHING
#define SUB_MSG(of) schema_##of
#define SUB_LIST(of) schema_##of
#define EN_BOOL NOTHING
#define EN_U64 NOTHING
#define EN_I64 NOTHING
#define EN_F64 NOTHING
#define EN_TIME NOTHING
#define EN_OPT_I64 NOTHING
#define EN_OPT_F64 NOTHING
#define EN_STR NOTHING
#define EN_JSON NOTHING
#define EN_BIN NOTHING
#define EN_ENUM(of) &kn_enum_##of
#define EN_STRS NOTHING
#define EN_F64S NOTHING
#define EN_MSG NOTHING
#define EN_LIST NOTHING

#define FIELD(nr, fname, ftype, of)                                                                \
    {.name = #fname,                                                                               \
     .sub = SUB_##ftype(of),                                                                       \
     .en = EN_##ftype(of),                                                                         \
     .number = (nr),                                                                               \
     .offset = offsetof(the_struct, fname),                                                        \
     .type = TYPE_##ftype},

/* A function each, because only a scope of its own lets the_struct mean another
 * struct in each table. */
#define M(nr, lower, upper)                                                                        \
    static const struct kn_schema *schema_##lower(void)                                            \
    {                                                                                              \
        typedef struct kn_msg_##lower the_struct;                                                  \
        static const struct field fields[] = {KN_MSG_##upper(FIELD)};                              \
        static const struct kn_schema schema = {#lower, fields, KN_COUNT_OF(fields),               \
                                                sizeof(the_struct)};                               \
        return &schema;                                                                            \
    }
KN_MSG_MAP(M)
#undef M

const struct kn_schema *kn_schema_of(enum kn_kind kind)
{
#define M(number, lower, upper) [number] = schema_##lower,
    static schema_fn *const schemas[] = {KN_MSG_MAP(M)};
#undef M
    if ((size_t)kind >= KN_COUNT_OF(schemas) || !schemas[kind])
        return NULL;
    return schemas[kind]();
}

const char *kn_kind_name(enum kn_kind kind)
{
    const struct kn_schema *schema = kn_schema_of(kind);
    return schema ? schema->name : "unknown";
}

size_t kn_msg_size(enum kn_kind kind)
{
    const struct kn_schema *schema = kn_schema_of(kind);
    return schema ? schema->size : 0;
}
