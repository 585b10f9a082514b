/* modular.h: arithmetic modulo powers of two. */
#ifndef BFOPT_PASSES_MODULAR_H
#define BFOPT_PASSES_MODULAR_H

#include <stdint.h>

/* a^-1 modulo 2^64 for odd a: each Newton step doubles the number of right bits, from 3. */
static inline uint64_t odd_inverse(uint64_t a) {
    uint64_t x = a;
    for (int i = 0; i < 5; i++)
        x *= 2 - a * x;
    return x;
}

#endif
