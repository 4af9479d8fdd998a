#include "services/common/status.h"

#include "services/common/count.h"

#include <stddef.h>

#define X(name, text) [KN_##name] = #name,
static const char *const names[] = {KN_STATUS_MAP(X)};
#undef X
#define X(name, text) [KN_##name] = text,
static const char *const texts[] = {KN_STATUS_MAP(X)};
#undef X

const char *kn_status_name(enum kn_status status)
{
    return (size_t)status < KN_COUNT_OF(names) ? names[status] : "?";
}

const char *kn_status_text(enum kn_status status)
{
    return (size_t)status < KN_COUNT_OF(texts) ? texts[status] : "unknown status";
}
