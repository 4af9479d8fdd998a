/* Numbers that look random and are the same for the same seed. */
#ifndef KN_BENCH_DICE_H
#define KN_BENCH_DICE_H

#include <stdint.h>

/* The state of SplitMix64 (Steele, Lea, Flood 2014). */
struct dice {
    uint64_t state;
};

static inline uint64_t dice_mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static inline uint64_t dice_next(struct dice *dice)
{
    return dice_mix(dice->state += UINT64_C(0x9e3779b97f4a7c15));
}

/* Dice of their own for the thing with this number. */
static inline struct dice dice_for(uint64_t seed, uint64_t number)
{
    return (struct dice){dice_mix(seed + UINT64_C(0x632be59bd9b4e019) * (number + 1))};
}

/* 0 to below - 1. */
static inline uint32_t dice_below(struct dice *dice, uint32_t below)
{
    return (uint32_t)((dice_next(dice) >> 32) * below >> 32);
}

static inline uint32_t dice_between(struct dice *dice, uint32_t least, uint32_t most)
{
    return least + dice_below(dice, most - least + 1);
}

/* 0 to below 1. */
static inline double dice_share(struct dice *dice)
{
    return (double)(dice_next(dice) >> 11) * 0x1p-53;
}

#endif
