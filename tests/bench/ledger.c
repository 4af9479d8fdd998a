#include "tests/bench/ledger.h"

#include <stdlib.h>

enum { ROOM = 8192 }; /* messages that may wait */

struct waiting {
    uint32_t count;
    uint32_t bytes;
    struct load_entry entries[LOAD_BATCH_MAX];
};

/* What became of a task's events: a bit for each slot. */
struct fate {
    uint8_t accepted, unsure;
};

struct ledger {
    const struct load_options *options;
    struct ledger_totals totals;
    struct waiting *waiting; /* a ring */
    size_t first, end;
    bool each_task;
    struct fate *fates; /* by the number of the task */
    size_t fates_room;
};

enum kn_status ledger_new(const struct load_options *options, bool each_task, struct ledger **ret)
{
    struct ledger *ledger = calloc(1, sizeof *ledger);
    if (!ledger)
        return KN_NOMEM;
    ledger->options = options;
    ledger->each_task = each_task;
    ledger->totals.subscribers = UINT64_MAX;
    ledger->waiting = calloc(ROOM, sizeof *ledger->waiting);
    if (!ledger->waiting) {
        ledger_free(ledger);
        return KN_NOMEM;
    }
    *ret = ledger;
    return KN_OK;
}

void ledger_free(struct ledger *ledger)
{
    if (!ledger)
        return;
    free(ledger->waiting);
    free(ledger->fates);
    free(ledger);
}

size_t ledger_waiting(const struct ledger *ledger)
{
    return ledger->end - ledger->first;
}

const struct ledger_totals *ledger_totals(const struct ledger *ledger)
{
    return &ledger->totals;
}

static enum kn_status make_room(struct ledger *ledger, uint64_t task)
{
    size_t room = ledger->fates_room ? ledger->fates_room : 1 << 16;
    while (room <= task)
        room *= 2;
    if (room == ledger->fates_room)
        return KN_OK;
    struct fate *fates = realloc(ledger->fates, room * sizeof *fates);
    if (!fates)
        return KN_NOMEM;
    memset(fates + ledger->fates_room, 0, (room - ledger->fates_room) * sizeof *fates);
    ledger->fates = fates;
    ledger->fates_room = room;
    return KN_OK;
}

enum kn_status ledger_sent(struct ledger *ledger, const struct load_message *message)
{
    if (ledger_waiting(ledger) == ROOM)
        return KN_FULL;
    struct waiting *one = &ledger->waiting[ledger->end % ROOM];
    one->count = (uint32_t)message->count;
    one->bytes = (uint32_t)message->body.len;
    for (size_t i = 0; i < message->count; i++) {
        one->entries[i] = message->entries[i];
        if (ledger->each_task && message->entries[i].slot != LOAD_SLOT_NONE &&
            make_room(ledger, message->entries[i].task) != KN_OK)
            return KN_NOMEM;
    }
    ledger->end++;
    return KN_OK;
}

static void settle(struct ledger *ledger, const struct load_entry *entry, bool accepted)
{
    (accepted ? ledger->totals.by_type : ledger->totals.unsure_by_type)[entry->type]++;
    if (!ledger->each_task || entry->slot == LOAD_SLOT_NONE)
        return;
    struct fate *fate = &ledger->fates[entry->task];
    uint8_t bit = (uint8_t)(1u << entry->slot);
    if (accepted)
        fate->accepted |= bit;
    else
        fate->unsure |= bit;
}

void ledger_accepted(struct ledger *ledger, size_t messages, uint64_t subscribers)
{
    struct ledger_totals *totals = &ledger->totals;
    for (; messages && ledger->first != ledger->end; messages--) {
        const struct waiting *one = &ledger->waiting[ledger->first++ % ROOM];
        for (size_t i = 0; i < one->count; i++)
            settle(ledger, &one->entries[i], true);
        totals->messages++;
        totals->events += one->count;
        totals->bytes += one->bytes;
    }
    if (subscribers < totals->subscribers)
        totals->subscribers = subscribers;
}

void ledger_lost(struct ledger *ledger)
{
    while (ledger->first != ledger->end) {
        const struct waiting *one = &ledger->waiting[ledger->first++ % ROOM];
        for (size_t i = 0; i < one->count; i++)
            settle(ledger, &one->entries[i], false);
        ledger->totals.unsure_messages++;
        ledger->totals.unsure_events += one->count;
    }
}

/* --- what a monitor should have --- */

/* Kanchi's statuses that come from events. */
enum status { PENDING, RECEIVED, STARTED, SUCCESS, FAILURE, RETRY, REVOKED, REJECTED, STATUSES };

static enum status end_of(const struct ledger *ledger, uint64_t task)
{
    switch (load_event_end(ledger->options, task)) {
    case LOAD_FAILED:
        return FAILURE;
    case LOAD_REVOKED:
        return REVOKED;
    case LOAD_REJECTED:
        return REJECTED;
    default:
        return SUCCESS;
    }
}

static enum status status_of(const struct ledger *ledger, uint64_t task)
{
    static const enum status by_slot[] = {
        [LOAD_SLOT_SENT] = PENDING,          [LOAD_SLOT_RECEIVED] = RECEIVED,
        [LOAD_SLOT_STARTED] = STARTED,       [LOAD_SLOT_RETRIED] = RETRY,
        [LOAD_SLOT_SENT_AGAIN] = PENDING,    [LOAD_SLOT_RECEIVED_AGAIN] = RECEIVED,
        [LOAD_SLOT_STARTED_AGAIN] = STARTED,
    };
    int slot = LOAD_SLOT_END;
    while (slot > 0 && !(ledger->fates[task].accepted & 1u << slot))
        slot--;
    return slot == LOAD_SLOT_END ? end_of(ledger, task) : by_slot[slot];
}

static void write_types(struct kn_buf *out, const uint64_t *counts)
{
    const char *comma = "";
    for (int type = 0; type < LOAD_TYPE_COUNT; type++) {
        kn_buf_printf(out, "%s\"%s\": %llu", comma, load_type_name((enum load_type)type),
                      (unsigned long long)counts[type]);
        comma = ", ";
    }
}

void ledger_expect(const struct ledger *ledger, struct kn_buf *out)
{
    static const char *const names[] = {"pending", "received", "started", "success",
                                        "failure", "retry",    "revoked", "rejected"};
    uint64_t counts[STATUSES] = {0}, unsure = 0;
    for (uint64_t task = 0; task < ledger->fates_room; task++) {
        if (ledger->fates[task].unsure)
            unsure++;
        else if (ledger->fates[task].accepted)
            counts[status_of(ledger, task)]++;
    }
    kn_buf_text(out, "{\"events\": {");
    write_types(out, ledger->totals.by_type);
    kn_buf_text(out, "}, \"unsure\": {");
    write_types(out, ledger->totals.unsure_by_type);
    kn_buf_text(out, "}, \"tasks\": {");
    for (int i = 0; i < STATUSES; i++)
        kn_buf_printf(out, "%s\"%s\": %llu", i ? ", " : "", names[i],
                      (unsigned long long)counts[i]);
    kn_buf_printf(out, "}, \"tasks_unsure\": %llu}\n", (unsigned long long)unsure);
}
