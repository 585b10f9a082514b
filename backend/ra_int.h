/* ra_int.h: what the parts of the register allocator share; private to backend/ra_*.c.
 *
 * Positions: instruction i reads its early operands at 2i and writes its results (and still reads
 * its late operands) at 2i + 1.  Moves are inserted in the gap before an instruction, that is, at
 * even positions.  Intervals are lists of half-open ranges.
 *
 * An interval is split into children that each have one home: a register, or memory.  A value that
 * is ever in memory is stored once, right after its definition (SSA: it never changes), so going to
 * memory later costs no instruction and may happen at any position; only the way back, a reload,
 * does. */
#ifndef BFOPT_BACKEND_RA_INT_H
#define BFOPT_BACKEND_RA_INT_H

#include "backend/ra.h"

#define RA_NONE   UINT32_MAX
#define RA_MEMORY 0xff /* interval.reg: lives in its slot (or is written again when needed) */
#define RA_UNSET  0xfe

struct ra_range {
    uint32_t from, to; /* [from, to) */
    uint32_t next;     /* index, 0: none */
};

struct ra_use {
    uint32_t pos; /* 2 * position + 1 if it must be in a register there */
    uint32_t next;
};

/* Intervals 0 .. nvreg - 1 are the virtual registers; children of splits come behind. */
struct interval {
    uint32_t vreg;
    uint32_t start, end;
    uint32_t range, cur;   /* first range; the first one not yet behind the scan */
    uint32_t use, cur_use; /* first use; the first one not yet behind the scan */
    uint32_t child;        /* next part of the same virtual register, 0: none */
    uint32_t link;         /* list of inactive intervals of a register */
    uint8_t reg;           /* physical register, RA_MEMORY or RA_UNSET */
};

/* A stretch in which a physical register is needed by an instruction itself. */
struct ra_fixed {
    uint32_t from, to;
    uint32_t owner; /* virtual register that may be there, RA_NONE: nobody */
};

struct ra_fixed_list {
    struct ra_fixed *p;
    uint32_t n, cap, cur;
};

/* The parts of a split virtual register in order: intervals part_pool[first .. first + n). */
struct ra_parts {
    uint32_t first, n;
};

struct ra {
    const struct mach *m;
    const struct target *t;
    struct ra_options opt;
    struct ra_stats stats;

    struct minsn *insn; /* working copy: commuted operands */
    struct interval *iv;
    uint32_t niv, iv_cap;
    struct ra_range *range;
    uint32_t nrange, range_cap;
    struct ra_use *use;
    uint32_t nuse, use_cap;
    struct ra_fixed_list fixed[MACH_MAX_PHYS];

    uint32_t *hint;   /* per vreg: another vreg whose register would be welcome */
    int8_t *hint_reg; /* per vreg: a fixed register that would be welcome, or -1 */
    uint32_t *def;    /* per vreg: index of the defining instruction */
    uint32_t *slot;   /* per vreg: spill slot, RA_NONE: none */
    uint32_t *split;  /* vregs that have children */
    uint32_t nsplit, split_cap;
    struct ra_parts *parts; /* after the scan: the parts of each of them */
    uint32_t *part_pool;

    uint8_t usable[MACH_MAX_PHYS]; /* registers to give out, in order of preference */
    unsigned nusable;
    uint32_t nslots;
    uint64_t random; /* state of the generator when opt.seed is set */
};

static inline uint32_t ra_from(const struct ra *ra, uint32_t b) {
    return 2 * ra->m->block[b].first;
}
static inline uint32_t ra_to(const struct ra *ra, uint32_t b) {
    return 2 * ra->m->block[b].end;
}
/* The block a position lies in. */
uint32_t ra_block_at(const struct ra *ra, uint32_t pos);
/* Is position pos the first of a block? */
bool ra_at_block_start(const struct ra *ra, uint32_t pos);
/* Can v be written again instead of being reloaded? */
bool ra_remat(const struct ra *ra, uint32_t v);
/* The role of operand n, tied instructions keeping their other sources to the end. */
enum role ra_role(const struct mdesc *d, unsigned n);

void ra_build_intervals(struct ra *ra); /* ra_intervals.c */
void ra_scan(struct ra *ra);            /* ra_scan.c */
struct mach *ra_rewrite(struct ra *ra); /* ra_rewrite.c */

#endif
