#include "services/storage/store_internal.h"

enum kn_status store_retain(struct store *store, bool *ret_more)
{
    (void)store;
    *ret_more = false;
    return KN_OK;
}
