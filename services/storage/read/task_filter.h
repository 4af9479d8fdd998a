/* The filter of the task list, as numbers, and the tasks that a period can hold. */
#ifndef KN_STORAGE_READ_TASK_FILTER_H
#define KN_STORAGE_READ_TASK_FILTER_H

#include "services/storage/read/read.h"

enum { TASK_VALUES_MAX = 100 /* of one filter */ };

/* Columns of the SCAN statements. */
enum { S_NO, S_SOURCE, S_STATUS, S_NAME, S_QUEUE, S_WORKER, S_FIRST_AT, S_ENDED_AT, S_TEXTS };
enum { S_TEXT_COUNT = 5 }; /* id, args, kwargs, result, error */

/* Alternatives of one filter, as numbers. */
struct task_choice {
    int64_t values[TASK_VALUES_MAX];
    size_t count;
    bool set;
};

/* Arrival, newest or oldest first; the others are the order of a value, then of the number. */
enum task_sort {
    SORT_NEWEST,
    SORT_OLDEST,
    SORT_ENDED,
    SORT_ENDED_OLDEST,
    SORT_RUNTIME,
    SORT_WAIT,
    SORT_RETRIES,
    SORT_COUNT
};

struct task_filter {
    struct task_choice source, status, name, queue, worker;
    struct kn_str q;
    int64_t from, to; /* 0: no bound */
    bool by_end;      /* they bound the end */
    struct kn_opt_i64 resolved;
    enum task_sort sort;
    bool oldest_first;   /* of the order of arrival */
    bool status_is_rare; /* few tasks have one of the statuses; set by the list */
    bool status_has_all; /* tasks of each of them are in the table by status; likewise */
    size_t limit;
};

enum kn_status store_read_filter(struct store_reader *reader, const struct kn_msg_tasks_get *get,
                                 struct kn_arena *arena, struct task_filter *ret,
                                 const char **ret_why) KN_MUST_CHECK;
/* True if no value of one of the filters is known. */
bool store_filter_is_empty(const struct task_filter *filter);

static inline bool is_chosen(const struct task_choice *choice, struct db_value value)
{
    for (size_t i = 0; i < choice->count; i++)
        if (choice->values[i] == db_as_i64(value))
            return true;
    return !choice->set;
}

/* Whether a row matches, except its texts and its mark as resolved. */
bool store_filter_takes(const struct task_filter *filter, const struct db_value *columns);

/* Whether a name or one of the texts, which begin at columns[texts], has filter->q. */
enum kn_status store_filter_has_q(struct store_reader *reader, const struct task_filter *filter,
                                  const struct db_value *columns, size_t texts,
                                  bool *ret) KN_MUST_CHECK;

/* A page of tasks in the order of a value. */
enum kn_status store_read_sorted(struct store_reader *reader, const struct task_filter *filter,
                                 struct kn_str cursor, struct kn_arena *arena,
                                 struct kn_msg_task_list *ret, const char **ret_why) KN_MUST_CHECK;

/* Task numbers; none if first > last. */
struct task_span {
    int64_t first, last;
};

/* The numbers of tasks that began in a period, or ended, lie within it. 0: no bound. */
enum kn_status store_span_of(struct store_reader *reader, int64_t from, int64_t to, bool by_end,
                             struct task_span *ret) KN_MUST_CHECK;

#endif
