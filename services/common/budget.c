#include "services/common/budget.h"

void kn_budget_init(struct kn_budget *budget, size_t max)
{
    budget->max = max;
    atomic_init(&budget->used, 0);
    atomic_init(&budget->refused, 0);
}

bool kn_budget_take(struct kn_budget *budget, size_t bytes)
{
    if (!budget)
        return true;
    size_t before = atomic_fetch_add(&budget->used, bytes);
    if (bytes <= KN_BUDGET_SMALL || (before <= budget->max && bytes <= budget->max - before))
        return true;
    atomic_fetch_sub(&budget->used, bytes);
    atomic_fetch_add(&budget->refused, 1);
    return false;
}

void kn_budget_give(struct kn_budget *budget, size_t bytes)
{
    if (budget)
        atomic_fetch_sub(&budget->used, bytes);
}
