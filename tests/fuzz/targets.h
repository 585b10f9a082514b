/* targets.h: functions that take any bytes and abort if bfopt does something wrong with them.
 *
 * A coverage-guided fuzzer calls them (libfuzzer.c), and a replay of the stored inputs and random
 * changes of them (replay.c, a suite of ./dev test).  targets.c. */
#ifndef BFOPT_TESTS_FUZZ_TARGETS_H
#define BFOPT_TESTS_FUZZ_TARGETS_H

#include <stddef.h>
#include <stdint.h>

struct fuzz_target {
    const char *name, *what;
    void (*run)(const uint8_t *bytes, size_t n);
};
extern const struct fuzz_target target_table[];
extern const unsigned target_count;

void target_options(const uint8_t *bytes, size_t n); /* target_options.c */

#endif
