/* Conditions that are waited for by the monotonic clock, which nobody sets. */
#ifndef KN_COMMON_PROCESS_COND_H
#define KN_COMMON_PROCESS_COND_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* To be destroyed with pthread_cond_destroy. */
void kn_cond_init(pthread_cond_t *cond);

/* Waits, with lock held, for a signal or until kn_time_mono() is mono_us; it may also end without
 * either. False when the time is over. */
bool kn_cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t mono_us);

/* Takes lock, which guards *flag, and waits until that is set (with a signal) or kn_time_mono() is
 * mono_us. Whether it is set. */
bool kn_cond_sleep_until(pthread_cond_t *cond, pthread_mutex_t *lock, const bool *flag,
                         int64_t mono_us);

#endif
