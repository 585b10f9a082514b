/* alloc.h: memory for every part of bfopt, with checked sizes.
 *
 * All memory goes through these functions, so that running out of it is one message and one exit
 * status (1), and so that tests can make any single allocation fail: a build with assertions reads
 * BFOPT_FAIL_ALLOC=N (or N,forever) and fails the N-th call, whichever thread makes it.
 * Work that can be done without is given up instead (alloc_attempt).
 * Implemented in alloc.c.  Knows no other module.
 */
#ifndef BFOPT_RUNTIME_ALLOC_H
#define BFOPT_RUNTIME_ALLOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Once, at the start: memory that was freed is kept for the next array, instead of going back to
 * the kernel, which would have to clear it again.  Passes make and drop large arrays all the
 * time. */
void alloc_set_up(void);
/* Before work that will need about this many bytes: asks for them at once and in huge pages, which
 * saves most of the page faults.  Nothing happens if they are not to be had, or few. */
void alloc_expect(size_t bytes);

/* n * size bytes, uninitialised (xalloc) or zero (xcalloc); never NULL.  An overflowing product or
 * a failed allocation gives up the attempt it is made in, else ends the process. */
void *xalloc(size_t n, size_t size);
void *xcalloc(size_t n, size_t size);
/* As xalloc, but NULL if there is no such memory. */
void *xalloc_if(size_t n, size_t size);
/* As xcalloc, for arrays of which little is touched: pages come from the kernel as they are.  Freed
 * by xfree_sparse with the same n and size. */
void *xcalloc_sparse(size_t n, size_t size);
void xfree_sparse(void *p, size_t n, size_t size);
/* Resizes p to n * size bytes, as realloc. */
void *xrealloc(void *p, size_t n, size_t size);
void xfree(void *p);

/* Under AddressSanitizer small arrays move whenever they are asked to hold one more, not only when
 * they are full, so that it sees every pointer into one that is kept too long. */
#if defined(__SANITIZE_ADDRESS__)
#define ALLOC_MOVES 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ALLOC_MOVES 1
#endif
#endif
#ifndef ALLOC_MOVES
#define ALLOC_MOVES 0
#endif

/* Grows an array so that index `need - 1` is valid: p has *cap elements of `size` bytes; returns
 * the array, perhaps moved, and updates *cap (by doubling; 32-bit because indexes are). */
void *xgrow_more(void *p, uint32_t *cap, uint64_t need, size_t size);
static inline void *xgrow(void *p, uint32_t *cap, uint64_t need, size_t size) {
    return need <= *cap && !ALLOC_MOVES ? p : xgrow_more(p, cap, need, size);
}

/* Calls work(argument).  False: memory ran out inside, on this thread, and the work was left there
 * and then, by longjmp: what it had allocated is lost, and it may hold no lock and have nothing
 * half-changed that others read: what outlives it (the encoder's table) is changed when the memory
 * for it is there.  Attempts do not nest. */
bool alloc_attempt(void (*work)(void *), void *argument);
/* Is one under way on this thread? */
bool alloc_is_attempt(void);

/* What to do when memory runs out outside an attempt, before the process exits with status 1: the
 * runtime installs a function that flushes the program's output, so only the running thread may
 * allocate outside an attempt.  NULL: nothing. */
extern void (*alloc_on_failure)(void);

#endif
