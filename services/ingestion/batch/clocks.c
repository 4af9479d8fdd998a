#include "services/ingestion/batch/clocks.h"

#include "services/common/data/table.h"
#include "services/common/text/time.h"

#include <stdlib.h>

static const int64_t SLACK_US = KN_SECOND; /* clocks that differ by less are right */
static const int64_t SAME_US = KN_SECOND / 2;
static const int64_t CONFIRM_US = 3 * KN_SECOND / 2; /* heartbeats come every two seconds */
static const int64_t SURELY_US = 5 * KN_MINUTE;
static const int64_t NOTHING_PROVED = INT64_MIN / 4;

/* A delay is the time of arrival less the sender's timestamp: how far its clock is behind, plus
 * how long the event was on its way. */
struct sender {
    struct kn_table_entry entry; /* hostname */
    int64_t correction;          /* what is added to its timestamps */
    bool is_sure;                /* else one event that proves otherwise is enough */
    int64_t believed_at;
    int64_t smallest; /* delay since then */
    int64_t least;    /* since then: it is behind by so much or more */
    int64_t heard_at;
    int64_t doubted_at; /* arrival of the first event that contradicts it; 0: none */
    int64_t doubt;      /* and its delay */
};

struct ingest_clocks {
    struct kn_table tables[2]; /* the younger one, and the one that is forgotten next */
    unsigned young;
    int64_t live_at;
    struct sender *last; /* most events come in runs of one sender */
};

struct ingest_clocks *ingest_clocks_new(size_t senders_max)
{
    struct ingest_clocks *clocks = calloc(1, sizeof *clocks);
    if (!clocks)
        return NULL;
    for (size_t i = 0; i < 2; i++)
        kn_table_init(&clocks->tables[i], sizeof(struct sender), senders_max / 2 + 1);
    return clocks;
}

void ingest_clocks_free(struct ingest_clocks *clocks)
{
    if (!clocks)
        return;
    for (size_t i = 0; i < 2; i++)
        kn_table_fini(&clocks->tables[i]);
    free(clocks);
}

void ingest_clocks_live(struct ingest_clocks *clocks, int64_t live_at)
{
    clocks->live_at = live_at;
}

/* ---- senders ------------------------------------------------------------------------- */

static void forget_older_half(struct ingest_clocks *clocks)
{
    struct kn_table *old = &clocks->tables[!clocks->young];
    size_t max = old->max;
    kn_table_fini(old);
    kn_table_init(old, sizeof(struct sender), max);
    clocks->young = !clocks->young;
}

/* NULL when memory is out. */
static struct sender *sender_of(struct ingest_clocks *clocks, struct kn_str hostname)
{
    if (clocks->last && kn_str_eq(clocks->last->entry.name, hostname))
        return clocks->last;
    struct kn_table *young = &clocks->tables[clocks->young];
    struct kn_table_entry *found = kn_table_find(young, KN_STR(""), hostname);
    if (!found) {
        struct sender before = {0};
        found = kn_table_find(&clocks->tables[!clocks->young], KN_STR(""), hostname);
        if (found)
            before = *(struct sender *)found;
        if (kn_table_count(young) >= young->max)
            forget_older_half(clocks);
        found = kn_table_need(&clocks->tables[clocks->young], KN_STR(""), hostname);
        if (found) {
            before.entry = found[0];
            *(struct sender *)found = before;
        }
    }
    return clocks->last = (struct sender *)found;
}

/* ---- what delays prove --------------------------------------------------------------- */

/* The sender's clock is behind by so much or more. */
static int64_t least_behind(const struct ingest_clocks *clocks, const struct kn_msg_event *event,
                            int64_t delay)
{
    if (!clocks->live_at)
        return NOTHING_PROVED;
    int64_t on_its_way = event->received_at - clocks->live_at;
    return delay - (on_its_way > 0 ? on_its_way : 0);
}

/* Delays of a broker under load are alike too; those that come from a clock are the same. */
static bool is_same(int64_t a, int64_t b)
{
    int64_t size = a < 0 ? -a : a, apart = a < b ? b - a : a - b;
    return apart <= SAME_US && apart <= size / 8 + KN_SECOND / 20;
}

static void believe(struct sender *sender, int64_t delay, int64_t least, bool is_sure, int64_t now)
{
    sender->correction = delay > SLACK_US || delay < -SLACK_US ? delay : 0;
    sender->is_sure = is_sure;
    sender->believed_at = now;
    sender->smallest = delay;
    sender->least = least;
    sender->doubted_at = 0;
}

/* Two events, some time apart, must say the same. */
static void doubt(struct sender *sender, int64_t delay, int64_t least, int64_t now)
{
    if (!sender->doubted_at || !is_same(sender->doubt, delay)) {
        sender->doubted_at = now;
        sender->doubt = delay;
    } else if (now - sender->doubted_at >= CONFIRM_US) {
        believe(sender, sender->doubt < delay ? sender->doubt : delay, least, true, now);
    }
}

static void agree(struct sender *sender, int64_t delay, int64_t least, int64_t now)
{
    bool is_proof = least != NOTHING_PROVED;
    if (delay < sender->smallest)
        sender->smallest = delay;
    if (least > sender->least)
        sender->least = least;
    if (sender->correction - sender->smallest > SAME_US && sender->correction)
        sender->correction = sender->smallest;
    bool is_early = sender->doubt < sender->correction;
    if (!is_same(sender->doubt, delay) && (is_early ? is_proof : delay < sender->doubt))
        sender->doubted_at = 0;
    if (is_proof && is_same(sender->correction, delay) && now - sender->believed_at >= CONFIRM_US)
        sender->is_sure = true;
}

/* Too early for what we believe. What an event was on its way is in its delay, too: one that was
 * faster is not too early before it is below what was proved. */
static bool is_too_early(const struct sender *sender, int64_t delay)
{
    int64_t bound = sender->correction;
    if (sender->correction && sender->least < bound)
        bound = sender->least;
    return delay < bound - SLACK_US;
}

static void learn(struct sender *sender, int64_t delay, int64_t least, int64_t now)
{
    if (!sender->heard_at) {
        believe(sender, delay > 0 ? 0 : delay, least, delay < 0, now);
        sender->smallest = delay;
    }
    sender->heard_at = now;
    if (!sender->is_sure && delay >= -SLACK_US && is_too_early(sender, delay))
        believe(sender, 0, NOTHING_PROVED, false, now);
    bool behind = delay > sender->correction + SLACK_US && least > sender->correction;
    if (behind && least > SURELY_US && sender->smallest >= delay - SLACK_US)
        believe(sender, delay, least, false, now);
    else if (behind || is_too_early(sender, delay))
        doubt(sender, delay, least, now);
    else
        agree(sender, delay, least, now);
}

void ingest_clocks_set(struct ingest_clocks *clocks, int64_t by)
{
    clocks->live_at = 0;
    for (size_t i = 0; i < 2; i++) {
        struct kn_table_entry *e = kn_table_first(&clocks->tables[i]);
        for (; e; e = kn_table_next(e)) {
            struct sender *sender = (struct sender *)e;
            believe(sender, sender->correction + by, NOTHING_PROVED, sender->is_sure,
                    sender->believed_at);
        }
    }
}

/* ---- events -------------------------------------------------------------------------- */

static void set_time(struct kn_msg_event *event, int64_t stamp, int64_t at)
{
    event->timestamp = at;
    event->skew = stamp - at;
}

void ingest_clocks_event(struct ingest_clocks *clocks, struct kn_msg_event *event)
{
    int64_t stamp = event->timestamp + event->skew; /* the decoder corrects what is far off */
    int64_t delay = event->received_at - stamp, correction = 0;
    bool is_named = event->hostname.len && event->hostname.len <= INGEST_HOSTNAME_MAX;
    struct sender *sender = is_named ? sender_of(clocks, event->hostname) : NULL;
    if (sender) {
        learn(sender, delay, least_behind(clocks, event, delay), event->received_at);
        correction = sender->correction;
    }
    if (correction && delay - correction >= -SLACK_US)
        set_time(event, stamp, stamp + correction);
    else if (delay < -SLACK_US)
        set_time(event, stamp, event->received_at);
    /* else it is as the decoder left it */
}

/* ---- reading ------------------------------------------------------------------------- */

static void add_wrong(struct ingest_wrong_clocks *wrong, const struct sender *sender)
{
    struct kn_str name = sender->entry.name;
    if (wrong->total++ >= INGEST_WRONG_MAX)
        return;
    memcpy(wrong->items[wrong->count].hostname, name.ptr, name.len);
    wrong->items[wrong->count].hostname[name.len] = '\0';
    wrong->items[wrong->count++].skew = -sender->correction;
}

void ingest_clocks_wrong(const struct ingest_clocks *clocks, int64_t since,
                         struct ingest_wrong_clocks *ret)
{
    const struct kn_table *young = &clocks->tables[clocks->young];
    ret->count = ret->total = 0;
    for (size_t i = 0; i < 2; i++) {
        const struct kn_table *table = i == 0 ? young : &clocks->tables[!clocks->young];
        for (const struct kn_table_entry *e = kn_table_first(table); e; e = kn_table_next(e)) {
            const struct sender *sender = (const struct sender *)e;
            bool counted = i == 1 && kn_table_find(young, e->source, e->name);
            if (sender->correction && sender->heard_at >= since && !counted)
                add_wrong(ret, sender);
        }
    }
}
