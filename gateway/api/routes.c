#include "gateway/api/routes.h"

#include "gateway/http/params.h"
#include "gateway/view/filter.h"

#define NO_BODY NULL
#define SEND_OPTIONS                                                                               \
    "source args kwargs queue priority countdown eta expires time_limit soft_time_limit"

#define NO_PARAMS                                                                                  \
    {                                                                                              \
        0                                                                                          \
    }
#define TEXT GW_PARAM_TEXT
#define TEXTS GW_PARAM_TEXTS
#define NAMES GW_PARAM_NAMES
#define FLAG GW_PARAM_FLAG
#define CHOICE GW_PARAM_CHOICE
#define TIME GW_PARAM_TIME
#define DURATION GW_PARAM_DURATION
#define NUMBER GW_PARAM_NUMBER

#define TASK_SORT                                                                                  \
    CHOICE("sort", "-received_at", "received_at", "-ended_at", "ended_at", "-runtime",             \
           "-queue_wait", "-retries")
#define LIMIT NUMBER("limit", 1, 500, 50)
#define CURSOR TEXT("cursor")
#define DRY_RUN FLAG("dry_run")
#define SOURCE TEXT("source")
#define SOURCES TEXTS("source")
#define PERIOD TIME("from"), TIME("to")
#define ROLLUP_FILTERS TEXTS("name"), TEXTS("queue"), TEXTS("worker"), SOURCES

#define R(method_, pattern_, handler_, body_, answer_, ...)                                        \
    {.pattern = (pattern_),                                                                        \
     .method = GW_##method_,                                                                       \
     .handler = (handler_),                                                                        \
     .body = body_,                                                                                \
     .answer = (answer_),                                                                          \
     .params = (const struct gw_param_spec[]){__VA_ARGS__, {0}}},

const struct gw_route gw_routes[] = {GW_ROUTES(R){0}};
