/* Answers requests: routes, storage, the dashboard's files. */
#ifndef KN_GATEWAY_API_APP_H
#define KN_GATEWAY_API_APP_H

#include "gateway/api/controls.h"
#include "gateway/http/exchange.h"
#include "gateway/http/host.h"
#include "gateway/http/static.h"
#include "gateway/live/live.h"
#include "proto/bus/bus.h"

#include <stdatomic.h>

struct gw_counters {
    atomic_ullong requests[6]; /* by status / 100 */
    atomic_ullong refused;     /* connections and requests over the limit */
    atomic_ullong storage_failures;
};

struct gw_app {
    struct kn_bus_client *storage;
    struct gw_controls *controls;
    struct gw_live *live;
    struct gw_hub *hub;
    const struct gw_static *files; /* NULL: none */
    struct gw_host_rules hosts;
    const char *url_prefix;   /* as written by kn_url_prefix_read */
    const char *user_header;  /* "": none */
    bool may_act;             /* whether requests may change anything */
    int64_t query_timeout;    /* µs */
    struct kn_budget *memory; /* for making answers */
    struct gw_counters counters;
};

/* Finds the prefix of the browser's paths, and removes it from x->path if the proxy did not. */
void gw_app_find_prefix(const struct gw_app *app, struct gw_exchange *x);

/* The thread that makes an answer. */
enum gw_lane {
    GW_LANE_PROBE, /* separate threads, so that nothing else keeps supervisors waiting */
    GW_LANE_WORK,  /* may have to wait for other services */
    GW_LANE_NOW,   /* the loop's own thread: never waits */
};
enum gw_lane gw_app_lane(struct kn_str path); /* after gw_app_find_prefix */

/* Fills the answer. x has method, path, query and headers. */
void gw_app_answer(struct gw_app *app, struct gw_exchange *x);

#endif
