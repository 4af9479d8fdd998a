/* Shared by storage's tests: test databases, and generated events. */
#ifndef KN_STORAGE_RIG_TEST_H
#define KN_STORAGE_RIG_TEST_H

#include "services/storage/store.h"

#include "services/common/count.h"

struct rig {
    bool postgres;
    char folder[64]; /* of this test, removed at its end */
    char database[160];
    struct store *store;
    struct store_reader *reader;
    struct kn_arena arena; /* of queries; emptied by the test */
    uint64_t next_seq;
    int64_t keep_tasks_us; /* retention; 0: forever; applies from the next rig_reopen */
    int64_t keep_events_us;
};

/* Options of a store; tests add the database and other options. */
#define RIG_OPTIONS                                                                                \
    .feed_keep = 1000, .jobs_tasks_max = 100000, .jobs_rate = 20, .jobs_rate_max = 1000

/* A private PostgreSQL server for the whole program; false when its programs are not
 * installed. */
bool rig_start_postgres(void);
void rig_stop_postgres(void);

/* Runs an array of tests on SQLite, then, if *on_postgres is set, on PostgreSQL. Returns the number
 * of failed tests. */
#define RIG_RUN(tests, on_postgres) rig_run(tests, KN_COUNT_OF(tests), on_postgres)
struct CMUnitTest;
int rig_run(const struct CMUnitTest *tests, size_t count, bool *on_postgres);

/* A fresh database, opened. */
void rig_init(struct rig *rig, bool postgres);
void rig_fini(struct rig *rig);
void rig_open(struct rig *rig);
void rig_close(struct rig *rig);
/* Another database, without tables; PostgreSQL only. */
void rig_empty_database(struct rig *rig, char *ret, size_t size);
/* Ends all connections to the server. */
void rig_cut_connections(void);
/* Closes and reopens the store, like a restart. */
void rig_reopen(struct rig *rig);

/* Commits one batch, which must be accepted; *ret_feed may be NULL. */
struct kn_msg_ingest_ack rig_ingest(struct rig *rig, struct kn_msg_event *events, size_t count,
                                    const struct kn_msg_feed **ret_feed);

uint64_t rig_random(void);
unsigned rig_below(unsigned n);
void rig_seed(uint64_t seed);

/* A random life of a task, in order: sent, received, started, retried …; n at most
 * max. Texts are in the arena. */
size_t rig_task_life(struct kn_arena *arena, unsigned number, int64_t at, struct kn_msg_event *ret,
                     size_t max);

#endif
