/* generate.h: random Brainfuck programs for the differential tests.  generate.c. */
#ifndef BFOPT_TESTS_FUZZ_GENERATE_H
#define BFOPT_TESTS_FUZZ_GENERATE_H

#include <stddef.h>
#include <stdint.h>

struct text;

/* A small, fast, repeatable generator (splitmix64). */
struct rng {
    uint64_t state;
};
uint64_t rng_next(struct rng *r);
/* A number below n (n > 0). */
uint32_t rng_below(struct rng *r, uint32_t n);

/* Appends a program with balanced brackets: a mix of the idioms optimizers know (clears, counting
 * loops, scans, conditionals, nests, input and output) with odd steps, strides and offsets, and of
 * plain noise.  About `size` pieces. */
void generate_program(struct text *out, struct rng *r, unsigned size);
/* Up to n bytes of input, zeros and 255 among them; returns how many. */
size_t generate_input(uint8_t *out, size_t n, struct rng *r);

#endif
