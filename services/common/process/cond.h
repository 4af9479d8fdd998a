/* Condition variables that use the monotonic clock. */
#ifndef KN_COMMON_PROCESS_COND_H
#define KN_COMMON_PROCESS_COND_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* Destroy it with pthread_cond_destroy. */
void kn_cond_init(pthread_cond_t *cond);

/* Waits, with lock held, for a signal or until kn_time_mono() is mono_us; may also wake up
 * spuriously. False if the time is over. */
bool kn_cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t mono_us);

/* Takes lock, which guards *flag, and waits until *flag is set (with a signal) or kn_time_mono() is
 * mono_us. Returns *flag. */
bool kn_cond_sleep_until(pthread_cond_t *cond, pthread_mutex_t *lock, const bool *flag,
                         int64_t mono_us);

#endif
