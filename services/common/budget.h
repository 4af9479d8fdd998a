/* Memory that several users share: each takes what it needs and gives it back. Safe for several
 * threads. A NULL budget grants everything. */
#ifndef KN_COMMON_BUDGET_H
#define KN_COMMON_BUDGET_H

#include "services/common/status.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

enum { KN_BUDGET_SMALL = 64 << 10 }; /* bytes; what is no larger is always granted, and counted */

struct kn_budget {
    size_t max; /* bytes */
    atomic_size_t used;
    atomic_ullong refused; /* how often there was too little */
};

void kn_budget_init(struct kn_budget *budget, size_t max);
bool kn_budget_take(struct kn_budget *budget, size_t bytes) KN_MUST_CHECK;
/* What was taken before. */
void kn_budget_give(struct kn_budget *budget, size_t bytes);

#endif
