/* Keeps addresses bound or dialled. Before nng 1.6 (https://github.com/nanomsg/nng/issues/1518) a
 * peer that disconnects during the handshake ends a dialer or a listener forever: EPIPE becomes
 * NNG_ECLOSED, which nng takes for its own close. So a dialer without a connection for a while is
 * replaced. Such a listener still accepts connections and completes handshakes, but never passes
 * them to its socket: clients believe they are connected. So we dial our own bound addresses, and
 * replace a listener whose socket does not see these connections. */
#include "proto/bus/internal.h"
#include "services/common/count.h"
#include "services/common/text/time.h"

#include <nng/protocol/pair0/pair.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* how long a dialer may take; longer after each that was replaced: it may be just slow */
#define PATIENCE_MIN (2 * KN_SECOND)
#define PATIENCE_MAX (16 * KN_SECOND)
/* Rounds, not time: of a process that was stopped meanwhile, no time is over. */
enum { PROBE_EVERY = 5, PROBE_LIMIT = 5 };

struct bus_endpoint {
    struct bus_endpoint *next;
    nng_socket socket;
    enum bus_role role;
    char *url;
    uint32_t id;     /* of nng's dialer or listener; 0: there is none */
    int64_t well_at; /* monotonic: when it was last started, or seen to be connected */
    int64_t patience;
    atomic_uint pipe; /* of the last connection */
    atomic_uint_fast64_t connects, greeted;
    nng_socket probe; /* id 0: none; dials what is bound */
    unsigned rounds;  /* since there is a probe, or none */
    uint64_t greeted_before;
};

static void on_pipe(nng_pipe pipe, nng_pipe_ev event, void *arg)
{
    struct bus_endpoint *e = arg;
    if (event == NNG_PIPE_EV_ADD_PRE) {
        atomic_fetch_add(&e->greeted, 1);
    } else {
        atomic_fetch_add(&e->connects, 1);
        atomic_store(&e->pipe, pipe.id);
    }
}

static void endpoint_free(void *arg)
{
    struct bus_endpoint *e = arg;
    if (e)
        free(e->url);
    free(e);
}

int bus_endpoint_add(struct kn_bus *bus, nng_socket socket, enum bus_role role, const char *url)
{
    struct bus_endpoint *e = calloc(1, sizeof *e);
    if (!e || !(e->url = strdup(url))) {
        endpoint_free(e);
        return NNG_ENOMEM;
    }
    e->socket = socket;
    e->role = role;
    e->well_at = kn_time_mono();
    e->patience = PATIENCE_MIN;
    pthread_mutex_lock(&bus->lock);
    /* before all that may fail: bus_close frees it */
    e->next = bus->endpoints;
    bus->endpoints = e;
    int rv = nng_pipe_notify(socket, NNG_PIPE_EV_ADD_PRE, on_pipe, e);
    if (rv == 0)
        rv = nng_pipe_notify(socket, NNG_PIPE_EV_ADD_POST, on_pipe, e);
    if (rv == 0)
        rv = bus_start(bus, socket, role, url, &e->id);
    pthread_mutex_unlock(&bus->lock);
    return rv;
}

static struct bus_endpoint **find(struct kn_bus *bus, nng_socket socket)
{
    struct bus_endpoint **at = &bus->endpoints;
    while (*at && nng_socket_id((*at)->socket) != nng_socket_id(socket))
        at = &(*at)->next;
    return at;
}

uint64_t bus_connects(struct kn_bus *bus, nng_socket socket)
{
    pthread_mutex_lock(&bus->lock);
    struct bus_endpoint *e = *find(bus, socket);
    uint64_t connects = e ? atomic_load(&e->connects) : 0;
    pthread_mutex_unlock(&bus->lock);
    return connects;
}

void bus_close(struct kn_bus *bus, nng_socket socket)
{
    pthread_mutex_lock(&bus->lock);
    struct bus_endpoint **at = find(bus, socket), *e = *at;
    if (e)
        *at = e->next;
    pthread_mutex_unlock(&bus->lock);
    if (e && e->probe.id)
        (void)bus_close_within(e->probe, bus_close_limit(), NULL, NULL);
    (void)bus_close_within(socket, bus_close_limit(), endpoint_free, e);
}

/* ---- mending ------------------------------------------------------------------------------ */

static void redial(struct kn_bus *bus, struct bus_endpoint *e, int64_t now)
{
    nng_pipe pipe = {.id = atomic_load(&e->pipe)};
    /* check the connection: its removal may be reported before its arrival */
    if (pipe.id && nng_pipe_socket(pipe).id == e->socket.id) {
        e->patience = PATIENCE_MIN;
        e->well_at = now;
        return;
    }
    if (now - e->well_at < e->patience)
        return;
    if (e->id)
        nng_dialer_close((nng_dialer){.id = e->id});
    if (bus_start(bus, e->socket, BUS_DIAL, e->url, &e->id) != 0)
        e->id = 0; /* tried again later */
    e->well_at = now;
    e->patience = e->patience * 2 > PATIENCE_MAX ? PATIENCE_MAX : e->patience * 2;
}

/* url as this machine reaches it: one that is bound to all its addresses, by loopback. */
static void reach(const char *url, char *ret, size_t size)
{
    static const char *const any[][2] = {
        {"0.0.0.0:", "127.0.0.1:"}, {"*:", "127.0.0.1:"}, {":", "127.0.0.1:"}, {"[::]:", "[::1]:"}};
    const char *host = strstr(url, "://") + 3;
    for (size_t i = 0; i < KN_COUNT_OF(any); i++) {
        size_t len = strlen(any[i][0]);
        if (strncmp(host, any[i][0], len) == 0) {
            snprintf(ret, size, "%.*s%s%s", (int)(host - url), url, any[i][1], host + len);
            return;
        }
    }
    snprintf(ret, size, "%s", url);
}

/* Its protocol is not that of the socket, which sees it, and sends it away. */
static void probe(struct kn_bus *bus, struct bus_endpoint *e)
{
    char url[512];
    uint32_t id;
    if (nng_pair0_open(&e->probe) != 0) {
        e->probe.id = 0;
        return;
    }
    reach(e->url, url, sizeof url);
    e->greeted_before = atomic_load(&e->greeted);
    if (bus_start(bus, e->probe, BUS_PROBE, url, &id) != 0)
        e->greeted_before--; /* that says nothing */
}

/* Whether it goes on; else it is closed. *ret: a socket to be closed, if there is one. */
static void see_to_bound(struct kn_bus *bus, struct bus_endpoint *e, int64_t now, nng_socket *ret)
{
    e->rounds++;
    if (e->id == 0) {
        if (bus_start(bus, e->socket, BUS_BIND, e->url, &e->id) != 0)
            e->id = 0;
    } else if (e->probe.id == 0) {
        if (e->rounds < PROBE_EVERY)
            return;
        probe(bus, e);
        e->rounds = 0;
    } else {
        bool answered = atomic_load(&e->greeted) != e->greeted_before;
        if (!answered && e->rounds < PROBE_LIMIT)
            return;
        if (!answered) {
            nng_listener_close((nng_listener){.id = e->id});
            e->id = 0;
            e->well_at = now;
        }
        *ret = e->probe;
        e->probe.id = 0;
        e->rounds = 0;
    }
}

bool bus_endpoints_mend(struct kn_bus *bus, int64_t limit_us)
{
    bool well = true;
    int64_t now = kn_time_mono();
    nng_socket done[8];
    size_t count = 0;
    pthread_mutex_lock(&bus->lock);
    for (struct bus_endpoint *e = bus->endpoints; e && count < KN_COUNT_OF(done); e = e->next) {
        done[count].id = 0;
        if (e->role == BUS_DIAL)
            redial(bus, e, now);
        else
            see_to_bound(bus, e, now, &done[count]);
        if (done[count].id)
            count++;
        well = well && (e->id || now - e->well_at < limit_us);
    }
    pthread_mutex_unlock(&bus->lock);
    while (count > 0)
        (void)bus_close_within(done[--count], bus_close_limit(), NULL, NULL);
    return well;
}
