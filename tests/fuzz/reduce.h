/* reduce.h: makes a failing program small.  reduce.c. */
#ifndef BFOPT_TESTS_FUZZ_REDUCE_H
#define BFOPT_TESTS_FUZZ_REDUCE_H

#include <stdbool.h>
#include <stddef.h>

struct text;

/* Does this program (with balanced brackets) still show the fault? */
typedef bool reduce_test(const char *program, size_t len, void *arg);

/* Shortens `program` for as long as the test holds; brackets stay balanced.  Delta debugging over
 * commands, then over whole loops and single bracket pairs, until nothing more can go. */
void reduce_program(struct text *program, reduce_test *test, void *arg);

#endif
