/* What workers answer to stats, active_queues, registered and conf
 * (celery/worker/control.py, worker/worker.py WorkController.stats,
 * concurrency/base.py BasePool._get_info). */
#include "services/celery/remote/remote.h"

#include "services/common/text/json.h"

#include <jansson.h>

static json_t *load(struct kn_str value)
{
    return kn_json_load(value, JSON_ALLOW_NUL);
}

static struct kn_str text_of(const json_t *value)
{
    if (!json_is_string(value))
        return KN_STR_ABSENT;
    return (struct kn_str){json_string_value(value), json_string_length(value)};
}

static void take_i64(const json_t *value, struct kn_opt_i64 *ret)
{
    if (json_is_integer(value))
        *ret = KN_SOME_I64(json_integer_value(value));
}

static void take_f64(const json_t *value, struct kn_opt_f64 *ret)
{
    if (json_is_number(value))
        *ret = KN_SOME_F64(json_number_value(value));
}

/* "celery.concurrency.prefork:TaskPool" is prefork, …thread:TaskPool is --pool threads; a
 * third-party pool keeps its full name. */
static struct kn_str pool_name(struct kn_str implementation)
{
    struct kn_str prefix = KN_STR("celery.concurrency.");
    if (!kn_str_starts(implementation, prefix))
        return implementation;
    struct kn_str name = {implementation.ptr + prefix.len, implementation.len - prefix.len};
    const char *colon = memchr(name.ptr, ':', name.len);
    if (colon)
        name.len = (size_t)(colon - name.ptr);
    return kn_str_eq(name, KN_STR("thread")) ? KN_STR("threads") : name;
}

/* Workers of 4.4.7 and 5.2.7 do not name their pool, but each kind counts other things
 * (_get_info in celery/concurrency/). gevent counts nothing. */
static struct kn_str guess_pool(const json_t *stats, const json_t *pool)
{
    const json_t *processes = json_object_get(pool, "processes");
    if (json_object_get(pool, "threads"))
        return KN_STR("threads");
    if (json_object_get(pool, "running-threads"))
        return KN_STR("eventlet");
    if (!json_is_array(processes))
        return KN_STR_ABSENT;
    bool own = json_array_size(processes) == 1 &&
               json_equal(json_array_get(processes, 0), json_object_get(stats, "pid"));
    return own ? KN_STR("solo") : KN_STR("prefork");
}

static void take_rusage(const json_t *rusage, struct kn_msg_worker_inspect *inspect)
{
    struct kn_opt_f64 user = {0}, system = {0}, maxrss = {0};
    take_f64(json_object_get(rusage, "utime"), &user);
    take_f64(json_object_get(rusage, "stime"), &system);
    take_f64(json_object_get(rusage, "maxrss"), &maxrss);
    if (user.set && system.set)
        inspect->cpu_seconds = KN_SOME_F64(user.value + system.value);
    if (maxrss.set) /* KiB, getrusage(2) on Linux */
        inspect->memory_mb = KN_SOME_F64(maxrss.value / 1024);
}

enum kn_status celery_inspect_stats(struct kn_str value, struct kn_arena *arena,
                                    struct kn_msg_worker_inspect *inspect)
{
    json_t *stats = load(value);
    const json_t *pid = json_object_get(stats, "pid");
    if (!json_is_object(stats) || !pid) {
        json_decref(stats);
        return KN_INVALID;
    }
    const json_t *pool = json_object_get(stats, "pool");
    struct kn_str implementation = text_of(json_object_get(pool, "implementation"));
    struct kn_str name = implementation.ptr ? pool_name(implementation) : guess_pool(stats, pool);
    if (name.ptr)
        inspect->pool = kn_arena_str(arena, name);
    take_i64(json_object_get(pool, "max-concurrency"), &inspect->concurrency);
    size_t processes = json_array_size(json_object_get(pool, "processes"));
    if (processes) /* max-concurrency is as at the start, also after pool_grow and pool_shrink */
        inspect->concurrency = KN_SOME_I64((int64_t)processes);
    take_i64(json_object_get(stats, "prefetch_count"), &inspect->prefetch);
    take_f64(json_object_get(stats, "uptime"), &inspect->uptime);
    take_rusage(json_object_get(stats, "rusage"), inspect);
    if (json_is_integer(pid) && json_integer_value(pid) > 0)
        inspect->pid = (uint64_t)json_integer_value(pid);
    inspect->stats = kn_arena_str(arena, value);
    json_decref(stats);
    return arena->overflow ? KN_NOMEM : KN_OK;
}

/* The texts that name() finds in the elements of list. */
static enum kn_status take_names(const json_t *list, struct kn_arena *arena,
                                 struct kn_str (*name)(const json_t *), struct kn_strs *ret)
{
    size_t count = json_array_size(list), used = 0;
    struct kn_str *items = kn_arena_array(arena, count + 1, sizeof *items);
    if (!items)
        return KN_NOMEM;
    for (size_t i = 0; i < count; i++) {
        struct kn_str text = name(json_array_get(list, i));
        if (!text.ptr)
            continue;
        items[used] = kn_arena_str(arena, text);
        if (!items[used++].ptr)
            return KN_NOMEM;
    }
    *ret = (struct kn_strs){items, used};
    return KN_OK;
}

static struct kn_str queue_name(const json_t *queue)
{
    return text_of(json_object_get(queue, "name"));
}

enum kn_status celery_inspect_active_queues(struct kn_str value, struct kn_arena *arena,
                                            struct kn_msg_worker_inspect *inspect)
{
    json_t *queues = load(value);
    enum kn_status status = KN_INVALID;
    struct kn_str text = KN_STR_ABSENT;
    if (json_is_array(queues)) {
        text = kn_arena_str(arena, value);
        status = text.ptr ? take_names(queues, arena, queue_name, &inspect->queues) : KN_NOMEM;
    }
    if (status == KN_OK) {
        inspect->has_queues = true;
        inspect->active_queues = text;
    }
    json_decref(queues);
    return status;
}

/* "name [rate_limit=10/m]": what stands in brackets belongs to the task, not to
 * its name (_extract_info in celery/worker/control.py). */
static struct kn_str task_name(const json_t *task)
{
    struct kn_str text = text_of(task);
    if (text.len == 0 || text.ptr[text.len - 1] != ']')
        return text;
    for (size_t i = text.len - 1; i > 0; i--) {
        if (text.ptr[i] == '[' && text.ptr[i - 1] == ' ')
            return (struct kn_str){text.ptr, i - 1};
    }
    return text;
}

enum kn_status celery_inspect_registered(struct kn_str value, struct kn_arena *arena,
                                         struct kn_msg_worker_inspect *inspect)
{
    json_t *tasks = load(value);
    enum kn_status status = json_is_array(tasks)
                                ? take_names(tasks, arena, task_name, &inspect->registered)
                                : KN_INVALID;
    if (status == KN_OK)
        inspect->has_registered = true;
    json_decref(tasks);
    return status;
}

enum kn_status celery_inspect_conf(struct kn_str value, struct kn_arena *arena,
                                   struct kn_msg_worker_inspect *inspect)
{
    json_t *conf = load(value);
    enum kn_status status = KN_INVALID;
    if (json_is_object(conf) && !(json_object_size(conf) == 1 && json_object_get(conf, "error"))) {
        struct kn_str text = kn_arena_str(arena, value);
        status = text.ptr ? KN_OK : KN_NOMEM;
        if (status == KN_OK)
            inspect->conf = text;
        if (json_is_true(json_object_get(conf, "worker_send_task_events")))
            inspect->events_enabled = KN_SOME_I64(1);
    }
    json_decref(conf);
    return status;
}
