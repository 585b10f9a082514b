/* alloc.c: memory with checked sizes, and one way of running out of it: out of the attempt that is
 * under way on the thread, or of the process.
 *
 * Relies on nothing but libc.  The failure hook is read from the environment in builds with
 * assertions only, so that a release build has no hidden switch.
 */
#include "runtime/alloc.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void (*alloc_on_failure)(void);

/* Where the thread goes on when memory runs out; NULL: nowhere. */
static _Thread_local jmp_buf *alloc_way_out;

bool alloc_attempt(void (*work)(void *), void *argument) {
    jmp_buf way_out;
    assert(alloc_way_out == NULL);
    if (setjmp(way_out) != 0) {
        alloc_way_out = NULL;
        return false;
    }
    alloc_way_out = &way_out;
    work(argument);
    alloc_way_out = NULL;
    return true;
}

bool alloc_is_attempt(void) {
    return alloc_way_out != NULL;
}

static _Noreturn void fatal_no_memory(void) {
    static const char message[] = "bfopt: error: out of memory\n";
    if (alloc_way_out != NULL)
        longjmp(*alloc_way_out, 1);
    if (alloc_on_failure != NULL) {
        void (*hook)(void) = alloc_on_failure;
        alloc_on_failure = NULL; /* A hook that runs out of memory itself must not come back. */
        hook();
    }
    /* Nothing can be done about a failure to report a failure. */
    ssize_t ignored = write(STDERR_FILENO, message, sizeof message - 1);
    (void)ignored;
    _exit(1);
}

#ifndef NDEBUG
/* BFOPT_FAIL_ALLOC=N or N,forever; read at the first call, which is made while there is only one
 * thread. */
static struct {
    bool known, forever;
    uint64_t at;
} alloc_failing;

static void alloc_read_failing(void) {
    const char *s = getenv("BFOPT_FAIL_ALLOC");
    alloc_failing.known = true;
    if (s == NULL)
        return;
    char *end;
    alloc_failing.at = strtoull(s, &end, 10);
    alloc_failing.forever = strcmp(end, ",forever") == 0;
}

/* Does this call fail?  Threads only have to count together; nothing else is ordered by it. */
static bool alloc_must_fail(void) {
    static _Atomic uint64_t calls;
    if (!alloc_failing.known)
        alloc_read_failing();
    if (alloc_failing.at == 0)
        return false;
    uint64_t n = atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed) + 1;
    return n == alloc_failing.at || (alloc_failing.forever && n > alloc_failing.at);
}
#else
static bool alloc_must_fail(void) {
    return false;
}
#endif

/* n * size, at least 1 so that no allocator may answer NULL for an empty array. */
static size_t alloc_size(size_t n, size_t size) {
    size_t bytes;
    if (__builtin_mul_overflow(n, size, &bytes) || bytes > PTRDIFF_MAX)
        fatal_no_memory();
    return bytes == 0 ? 1 : bytes;
}

/* Arrays of programs of many megabytes are filled from end to end: huge pages save most of their
 * page faults.  Only the aligned middle is advised, which no other block shares. */
#define ALLOC_HUGE (size_t)(2 << 20)
static void *alloc_advise(void *p, size_t bytes) {
    if (bytes >= 2 * ALLOC_HUGE) {
        uintptr_t from = ((uintptr_t)p + ALLOC_HUGE - 1) & ~(uintptr_t)(ALLOC_HUGE - 1);
        uintptr_t to = ((uintptr_t)p + bytes) & ~(uintptr_t)(ALLOC_HUGE - 1);
        madvise((void *)from, to - from, MADV_HUGEPAGE);
    }
    return p;
}

void alloc_set_up(void) {
    mallopt(M_MMAP_THRESHOLD, 1 << 30);
    mallopt(M_TRIM_THRESHOLD, INT_MAX);
    mallopt(M_TOP_PAD, 16 << 20);
}

void alloc_expect(size_t bytes) {
    if (bytes < 8 * ALLOC_HUGE)
        return;
    /* The end of the heap grows by the block and keeps that when the block is freed again. */
    void *p = malloc(bytes);
    if (p != NULL)
        alloc_advise(p, bytes);
    free(p);
}

void *xalloc_if(size_t n, size_t size) {
    size_t bytes;
    if (__builtin_mul_overflow(n, size, &bytes) || bytes > PTRDIFF_MAX || alloc_must_fail())
        return NULL;
    void *p = malloc(bytes == 0 ? 1 : bytes);
    return p == NULL ? NULL : alloc_advise(p, bytes);
}

void *xalloc(size_t n, size_t size) {
    size_t bytes = alloc_size(n, size);
    void *p = alloc_must_fail() ? NULL : malloc(bytes);
    if (p == NULL)
        fatal_no_memory();
    return alloc_advise(p, bytes);
}

void *xcalloc(size_t n, size_t size) {
    size_t bytes = alloc_size(n, size);
    void *p = alloc_must_fail() ? NULL : calloc(1, bytes);
    if (p == NULL)
        fatal_no_memory();
    return alloc_advise(p, bytes);
}

void *xcalloc_sparse(size_t n, size_t size) {
    size_t bytes = alloc_size(n, size);
    void *p = alloc_must_fail() ? MAP_FAILED
                                : mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED)
        fatal_no_memory();
    return p;
}

void xfree_sparse(void *p, size_t n, size_t size) {
    munmap(p, alloc_size(n, size));
}

void *xrealloc(void *p, size_t n, size_t size) {
    size_t bytes = alloc_size(n, size);
    void *q = alloc_must_fail() ? NULL : realloc(p, bytes);
    if (q == NULL)
        fatal_no_memory();
    return alloc_advise(q, bytes);
}

void xfree(void *p) {
    free(p);
}

/* The array, elsewhere. */
static void *alloc_moved(void *p, uint32_t cap, size_t size) {
    if (!ALLOC_MOVES || cap == 0 || cap * size > 1 << 14)
        return p;
    void *q = xalloc(cap, size);
    memcpy(q, p, cap * size);
    xfree(p);
    return q;
}

void *xgrow_more(void *p, uint32_t *cap, uint64_t need, size_t size) {
    if (need <= *cap)
        return alloc_moved(p, *cap, size);
    if (need > UINT32_MAX)
        fatal_no_memory();
    uint64_t grown = *cap < 16 ? 16 : (uint64_t)*cap * 2;
    if (grown < need)
        grown = need;
    if (grown > UINT32_MAX)
        grown = UINT32_MAX;
    p = xrealloc(p, (size_t)grown, size);
    *cap = (uint32_t)grown;
    return p;
}
