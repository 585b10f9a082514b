/* criterion.h: the few words of Criterion that test_tiers.c uses, for ThreadSanitizer, under which
 * Criterion itself does not start: it maps memory where the sanitizer keeps its own.
 *
 * Each test runs in a process of its own, one after the other (plain.c).
 */
#ifndef BFOPT_TESTS_THREADS_CRITERION_H
#define BFOPT_TESTS_THREADS_CRITERION_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct plain_test {
    const char *name;
    void (*run)(void);
    struct plain_test *next;
};
void plain_add(struct plain_test *t);
/* The test has failed: ends its process. */
_Noreturn void plain_failed(const char *file, int line, const char *what);

/* Settings of a test (its time limit) and messages are left out. */
#define Test(suite, test, ...)                                                                     \
    static void suite##_##test(void);                                                              \
    __attribute__((constructor)) static void suite##_##test##_add(void) {                          \
        static struct plain_test t = {.name = #test, .run = suite##_##test};                       \
        plain_add(&t);                                                                             \
    }                                                                                              \
    static void suite##_##test(void)

#define cr_assert(what, ...)        ((what) ? (void)0 : plain_failed(__FILE__, __LINE__, #what))
#define cr_assert_eq(a, b, ...)     cr_assert((a) == (b))
#define cr_assert_gt(a, b, ...)     cr_assert((a) > (b))
#define cr_assert_str_eq(a, b, ...) cr_assert(strcmp((a), (b)) == 0)

#endif
