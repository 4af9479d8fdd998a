/* Internal to merge: order keys, and the types of events that have a field. */
#ifndef KN_STORAGE_TASK_MERGE_KEY_H
#define KN_STORAGE_TASK_MERGE_KEY_H

#include "services/storage/task/merge.h"

/* The types of events that have each text. */
static const uint8_t merge_text_types[MERGE_TEXT_COUNT] = {
#define F(name, field, of) [MERGE_##name] = of,
    MERGE_TEXT_MAP(F)
#undef F
};

static inline int key_cmp(struct merge_key a, struct merge_key b)
{
    if (a.at != b.at)
        return a.at < b.at ? -1 : 1;
    return (a.clock > b.clock) - (a.clock < b.clock);
}

/* The sign of a difference; 0 if it is within unsure. */
static inline int sign_beyond(int64_t difference, int64_t unsure)
{
    return (difference > unsure) - (difference < -unsure);
}

/* Whether an event of the type was seen. */
static inline bool has(const struct merge_task *task, unsigned type)
{
    return task->types & 1u << type;
}

/* The latest key of the types seen. False if none was. */
static inline bool latest_key(const struct merge_task *task, unsigned types, struct merge_key *ret)
{
    int latest = -1;
    for (int t = 0; t < MERGE_TYPE_COUNT; t++) {
        if (!(task->types & types & 1u << t))
            continue;
        if (latest < 0 || key_cmp(task->type_key[t], task->type_key[latest]) > 0)
            latest = t;
    }
    if (latest < 0)
        return false;
    *ret = task->type_key[latest];
    return true;
}

#endif
