#include "gateway/live/sources.h"

bool gw_sources_have(const struct gw_sources *sources, struct kn_str name)
{
    for (size_t i = 0; i < sources->count; i++)
        if (kn_str_eq(kn_str_from(sources->names[i]), name))
            return true;
    return false;
}

static void add(struct gw_sources *sources, struct kn_str name)
{
    if (!name.len || name.len > KN_SOURCE_MAX || sources->count == GW_SOURCES_MAX ||
        gw_sources_have(sources, name))
        return;
    char *to = sources->names[sources->count++];
    memcpy(to, name.ptr, name.len);
    to[name.len] = '\0';
}

void gw_sources_of(const struct kn_msg_system *system, struct gw_sources *ret)
{
    ret->count = 0;
    for (size_t i = 0; i < system->ingestion.count; i++)
        add(ret, system->ingestion.items[i].source);
    for (size_t i = 0; i < system->services.count; i++)
        add(ret, system->services.items[i].source);
}
