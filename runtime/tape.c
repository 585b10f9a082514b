/* tape.c: maps the tape.
 *
 *   reserved                base                     base + bytes
 *   | guard: no access      | cells: zero, on demand | guard: no access |
 *
 * A guard of 2 GiB catches every [base + disp32] around an access inside the tape, so generated
 * code needs no bounds checks.  Address space that is short (ulimit -v) costs the guards, never the
 * run.  Depends on libc only.
 */
#include "runtime/rt.h"

#include <sys/mman.h>
#include <unistd.h>

#define TAPE_GUARD       (UINT64_C(2) << 30)
#define TAPE_SMALL_GUARD (UINT64_C(32) << 20)
/* User space ends at 2^47; sizes beyond this cannot be mapped, and sums of them cannot overflow. */
#define TAPE_MAX_BYTES (UINT64_C(1) << 46)

/* n rounded up to whole pages; n is at most TAPE_MAX_BYTES * 2. */
static uint64_t tape_pages(uint64_t n) {
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    return (n + page - 1) / page * page;
}

uint64_t tape_round(uint64_t cells, unsigned cell_bytes) {
    if (cells > TAPE_MAX_BYTES / cell_bytes)
        return cells;
    return tape_pages((cells == 0 ? 1 : cells) * cell_bytes) / cell_bytes;
}

/* Reserves guard | bytes | guard and opens the middle. */
static bool tape_try(struct tape *t, uint64_t guard) {
    uint64_t all = guard + t->bytes + guard;
    int protection = guard == 0 ? PROT_READ | PROT_WRITE : PROT_NONE;
    void *p = mmap(NULL, all, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED)
        return false;
    t->reserved = p;
    t->reserved_bytes = all;
    t->guard = guard;
    t->base = t->reserved + guard;
    if (guard == 0 || mprotect(t->base, t->bytes, PROT_READ | PROT_WRITE) == 0)
        return true;
    munmap(p, all);
    return false;
}

bool tape_map(struct tape *t, uint64_t cells, unsigned cell_bytes, uint64_t drift,
              bool want_guards) {
    if (cells > TAPE_MAX_BYTES / cell_bytes)
        return false;
    t->cell_bytes = cell_bytes;
    t->bytes = tape_round(cells, cell_bytes) * cell_bytes;
    if (want_guards && drift <= TAPE_MAX_BYTES) {
        drift = tape_pages(drift);
        if (tape_try(t, TAPE_GUARD + drift) || tape_try(t, TAPE_SMALL_GUARD + drift))
            return true;
    }
    return tape_try(t, 0);
}

void tape_unmap(struct tape *t) {
    if (t->reserved != NULL)
        munmap(t->reserved, t->reserved_bytes);
    *t = (struct tape){0};
}
