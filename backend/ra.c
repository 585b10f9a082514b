/* ra.c: register allocation, from virtual to physical registers, in three steps:
 *   ra_intervals.c  live intervals      ra_scan.c  the linear scan      ra_rewrite.c  the new code
 */
#include "backend/ra.h"

#include "backend/ra_int.h"
#include "runtime/alloc.h"

static void choose_registers(struct ra *ra) {
    const struct target *t = ra->t;
    unsigned want = ra->opt.max_regs ? ra->opt.max_regs : MACH_MAX_PHYS;
    for (unsigned n = 0; n < t->nregs && ra->nusable < want; n++) {
        unsigned r = t->order[n];
        if (t->allocatable >> r & 1)
            ra->usable[ra->nusable++] = (uint8_t)r;
        if (ra->nusable == (unsigned)__builtin_popcount(t->allocatable))
            break;
    }
}

static void ra_free(struct ra *ra) {
    if (!ra->opt.consume)
        xfree(ra->insn);
    xfree(ra->iv);
    xfree(ra->range);
    xfree(ra->use);
    for (unsigned r = 0; r < MACH_MAX_PHYS; r++)
        xfree(ra->fixed[r].p);
    xfree(ra->hint);
    xfree(ra->hint_reg);
    xfree(ra->def);
    xfree(ra->slot);
    xfree(ra->split);
    xfree(ra->parts);
    xfree(ra->part_pool);
}

struct mach *ra_allocate(const struct mach *m, const struct ra_options *opt,
                         struct ra_stats *stats) {
    struct ra ra = {.m = m, .t = m->target};
    if (opt)
        ra.opt = *opt;
    ra.random = ra.opt.seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    choose_registers(&ra);
    ra_build_intervals(&ra);
    ra.stats.intervals = ra.niv;
    ra_scan(&ra);
    struct mach *out = ra_rewrite(&ra);
    ra.stats.slots = out->nslots;
    if (stats)
        *stats = ra.stats;
    ra_free(&ra);
    return out;
}
