#include "proto/enums.h"

#include "services/common/count.h"

#include <string.h>
#include <strings.h>

#define X(number, name, text) [number] = text,
#define E(lower, upper)                                                                            \
    static const char *const lower##_texts[] = {KN_##upper##_MAP(X)};                              \
    const struct kn_enum kn_enum_##lower = {#lower, lower##_texts, KN_COUNT_OF(lower##_texts)};
KN_ENUM_MAP(E)
#undef E
#undef X

const char *kn_enum_text(const struct kn_enum *e, unsigned number)
{
    return number < e->count ? e->texts[number] : "unknown";
}

bool kn_enum_parse(const struct kn_enum *e, struct kn_str text, unsigned *ret)
{
    for (unsigned i = 0; i < e->count; i++) {
        if (kn_str_eq(text, kn_str_from(e->texts[i]))) {
            *ret = i;
            return true;
        }
    }
    return false;
}

#define X(name, label) [KN_TASK_##name] = (label),
static const char *const status_labels[KN_TASK_STATUS_COUNT] = {KN_TASK_STATUS_LABEL_MAP(X)};
#undef X

const char *kn_task_status_label(struct kn_str text)
{
    unsigned status;
    return kn_enum_parse(&kn_enum_task_status, text, &status) ? status_labels[status] : NULL;
}

const char *kn_task_status_of_label(struct kn_str label)
{
    for (unsigned i = 0; i < KN_TASK_STATUS_COUNT; i++)
        if (strlen(status_labels[i]) == label.len &&
            strncasecmp(status_labels[i], label.ptr, label.len) == 0)
            return kn_enum_text(&kn_enum_task_status, i);
    return NULL;
}

bool kn_task_has_ended(enum kn_task_status status)
{
    return status == KN_TASK_SUCCESS || status == KN_TASK_FAILURE || status == KN_TASK_REVOKED ||
           status == KN_TASK_REJECTED;
}

bool kn_task_is_over(enum kn_task_status status)
{
    return kn_task_has_ended(status) || status == KN_TASK_ORPHANED;
}
