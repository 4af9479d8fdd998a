#include "services/broker/amqp/amqp_session.h"

enum { VALUES_MAX = 1000, DEPTH_MAX = 16 };

struct maker {
    struct kn_arena *arena;
    size_t left, depth;
};

static enum kn_status make_table(struct maker *m, const struct broker_header *headers, size_t count,
                                 amqp_table_t *ret);

static enum kn_status make_value(struct maker *m, const struct broker_header *header,
                                 amqp_field_value_t *ret)
{
    switch (header->type) {
    case BROKER_HEADER_I64:
        ret->kind = AMQP_FIELD_KIND_I64;
        ret->value.i64 = header->i64;
        return KN_OK;
    case BROKER_HEADER_F64:
        ret->kind = AMQP_FIELD_KIND_F64;
        ret->value.f64 = header->f64;
        return KN_OK;
    case BROKER_HEADER_NULL:
        ret->kind = AMQP_FIELD_KIND_VOID;
        return KN_OK;
    case BROKER_HEADER_BOOL:
        ret->kind = AMQP_FIELD_KIND_BOOLEAN;
        ret->value.boolean = header->i64 != 0;
        return KN_OK;
    case BROKER_HEADER_TABLE:
        ret->kind = AMQP_FIELD_KIND_TABLE;
        return make_table(m, header->items, header->item_count, &ret->value.table);
    case BROKER_HEADER_LIST:
        break;
    default:
        ret->kind = AMQP_FIELD_KIND_UTF8;
        ret->value.bytes = broker_amqp_bytes(header->str);
        return KN_OK;
    }
    amqp_array_t *array = &ret->value.array;
    enum kn_status status =
        header->item_count > m->left || m->depth == DEPTH_MAX ? KN_TOO_BIG : KN_OK;
    ret->kind = AMQP_FIELD_KIND_ARRAY;
    array->entries = kn_arena_array(m->arena, header->item_count + 1, sizeof *array->entries);
    if (status != KN_OK || !array->entries)
        return status != KN_OK ? status : KN_NOMEM;
    m->left -= header->item_count;
    m->depth++;
    for (size_t i = 0; i < header->item_count && status == KN_OK; i++)
        status = make_value(m, &header->items[i], &array->entries[array->num_entries++]);
    m->depth--;
    return status;
}

static enum kn_status make_table(struct maker *m, const struct broker_header *headers, size_t count,
                                 amqp_table_t *ret)
{
    if (count > m->left || m->depth == DEPTH_MAX)
        return KN_TOO_BIG;
    amqp_table_t table = {.entries = kn_arena_array(m->arena, count + 1, sizeof *table.entries)};
    enum kn_status status = table.entries ? KN_OK : KN_NOMEM;
    m->left -= count;
    m->depth++;
    for (size_t i = 0; i < count && status == KN_OK; i++) {
        amqp_table_entry_t *entry = &table.entries[table.num_entries++];
        entry->key = amqp_cstring_bytes(headers[i].name);
        status =
            entry->key.len > UINT8_MAX ? KN_TOO_BIG : make_value(m, &headers[i], &entry->value);
    }
    m->depth--;
    *ret = table;
    return status;
}

enum kn_status broker_amqp_table(const struct broker_header *headers, size_t count,
                                 struct kn_arena *arena, amqp_table_t *ret)
{
    struct maker m = {.arena = arena, .left = VALUES_MAX};
    return make_table(&m, headers, count, ret);
}
