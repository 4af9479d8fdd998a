#include "gateway/http/cursor.h"
#include "gateway/live/frame.h"
#include "gateway/view/filter.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The first byte chooses: a query string, a cursor, or a frame of a WebSocket client. */

static const struct gw_param_spec specs[] = {
    GW_FILTER_PARAMS,
    GW_PARAM_NUMBER("limit", 1, 500, 50),
    GW_PARAM_DURATION("step"),
    {0},
};

static void query_string(struct kn_str text, struct kn_arena *arena)
{
    struct gw_params params;
    struct kn_msg_tasks_get get = {0};
    gw_params_init(&params, text, specs, arena);
    gw_filter_read(&params, &get);
    gw_params_u64(&params, "limit");
    gw_params_duration(&params, "step");
    gw_params_fingerprint(&params, KN_STR("/"));
    if (gw_params_finish(&params) != (params.problem.status == 0))
        abort();
    if (get.statuses.count > GW_REPEAT_MAX || get.q.len > GW_PARAM_MAX)
        abort();
}

/* What can be read is written back as a cursor of the same position. */
static void cursor(struct kn_str text, struct kn_arena *arena)
{
    struct kn_str position, again;
    struct kn_buf out;
    if (gw_cursor_read(text, 0, arena, &position) != KN_OK)
        return;
    kn_buf_init(&out, 0);
    gw_cursor_write(&out, 0, position);
    if (gw_cursor_read(kn_buf_view(&out), 0, arena, &again) != KN_OK || !kn_str_eq(position, again))
        abort();
    kn_buf_fini(&out);
}

static void frame(struct kn_str text, struct kn_arena *arena)
{
    struct gw_command command;
    struct gw_problem problem = {0};
    static const struct kn_msg_task task = {.id = {"a", 1}};
    if (gw_frame_parse(text, arena, &command, &problem) != KN_OK) {
        if (!problem.status)
            abort();
        return;
    }
    struct gw_filter filter = gw_filter_of(&command.filter);
    gw_filter_matches(&filter, &task, KN_TASK_PENDING);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kn_arena arena;
    if (size == 0)
        return 0;
    kn_arena_init(&arena, 1 << 20);
    struct kn_str text = {(const char *)data + 1, size - 1};
    if (data[0] == 'q')
        query_string(text, &arena);
    else if (data[0] == 'c')
        cursor(text, &arena);
    else
        frame(text, &arena);
    kn_arena_fini(&arena);
    return 0;
}
