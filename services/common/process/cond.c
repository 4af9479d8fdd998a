#include "services/common/process/cond.h"

#include "services/common/text/time.h"

#include <time.h>

void kn_cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

bool kn_cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t mono_us)
{
    if (kn_time_mono() >= mono_us)
        return false;
    struct timespec until = {.tv_sec = mono_us / KN_SECOND, .tv_nsec = mono_us % KN_SECOND * 1000};
    pthread_cond_timedwait(cond, lock, &until);
    return kn_time_mono() < mono_us;
}

bool kn_cond_sleep_until(pthread_cond_t *cond, pthread_mutex_t *lock, const bool *flag,
                         int64_t mono_us)
{
    pthread_mutex_lock(lock);
    while (!*flag && kn_cond_wait_until(cond, lock, mono_us))
        continue;
    bool set = *flag;
    pthread_mutex_unlock(lock);
    return set;
}
