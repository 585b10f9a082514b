/* anticipated.c: which accesses are certain to come.
 *
 *   b2: %3 = load %1              at b2: %1 + 0 .. 2, as both ways come to %1 + 2
 *       br %3, b3, b4
 *   b3: store %1 + 2, %3          at b3: %1 + 2
 *       out %3
 *   b4: %4 = phi b2 %1            at b4: %4 + 1 .. 2; on the edge from b2 that is %1 + 1 .. 2
 *       %5 = load %4 + 1
 *       %6 = load %4 + 2
 *
 * A backward analysis: what is certain at the end of a block is what is so at the start of all its
 * successors (anticipated expressions: Knoop, Ruething & Steffen, "Lazy code motion", PLDI 1992).
 * The tape being contiguous, two accesses say that all between them is on it: a set of accesses is
 * an interval of offsets from a root pointer (cells.h), and sets meet in what intervals share. If
 * that is nothing, lo > hi still says that something up to lo and something from hi on comes, which
 * makes an interval again once one more access is seen.  For each block the two roots accessed next
 * are kept.  Input, output and calls end what is known.  So does a way back to the head of a loop,
 * which may be taken for ever: nothing counts but what comes on the way, or, in the second of two
 * sweeps, at once behind it.  Loops that only compute and access the tape until a counter is 0 are
 * no such: what comes behind them comes.  A `trap` leaves the tape whatever the question.
 *
 * Relies on: nothing.  Tests: tests/ir/promote. */
#include "passes/anticipated.h"

#include "runtime/alloc.h"

#define REACH_ROOTS        2
#define ANTICIPATED_SWEEPS 2
#define COUNTED_BLOCKS     16 /* of a loop that is looked at */

/* For each root, the one accessed next first: an offset up to lo comes, and one from hi on.
 * Root 0: none. */
struct reach {
    uint32_t root[REACH_ROOTS];
    int32_t lo[REACH_ROOTS], hi[REACH_ROOTS];
    bool all; /* the run leaves the tape */
};

static const struct reach NO_REACH;

/* Makes these offsets entry 0, for a root that has none; the last root is forgotten. */
static void reach_push(struct reach *r, uint32_t root, int64_t lo, int64_t hi) {
    lo = lo < INT32_MIN ? INT32_MIN : lo;
    hi = hi > INT32_MAX ? INT32_MAX : hi;
    if (lo > INT32_MAX || hi < INT32_MIN)
        return;
    for (unsigned n = REACH_ROOTS - 1; n > 0; n--) {
        r->root[n] = r->root[n - 1];
        r->lo[n] = r->lo[n - 1];
        r->hi[n] = r->hi[n - 1];
    }
    r->root[0] = root;
    r->lo[0] = (int32_t)lo;
    r->hi[0] = (int32_t)hi;
}

static unsigned reach_find(const struct reach *r, uint32_t root) {
    unsigned n = 0;
    while (n < REACH_ROOTS && r->root[n] != root)
        n++;
    return n;
}

static void reach_drop(struct reach *r, unsigned n) {
    for (; n + 1 < REACH_ROOTS; n++) {
        r->root[n] = r->root[n + 1];
        r->lo[n] = r->lo[n + 1];
        r->hi[n] = r->hi[n + 1];
    }
    r->root[n] = 0;
}

/* A cell is accessed before all that is in the set. */
static void reach_access(struct reach *r, struct cell a) {
    if (a.off < INT32_MIN || a.off > INT32_MAX)
        return;
    int64_t lo = a.off, hi = a.off;
    unsigned n = reach_find(r, a.root.i);
    if (n < REACH_ROOTS) {
        lo = r->lo[n] < lo ? r->lo[n] : lo;
        hi = r->hi[n] > hi ? r->hi[n] : hi;
        reach_drop(r, n);
    }
    reach_push(r, a.root.i, lo, hi);
}

static struct reach reach_meet(const struct reach *a, const struct reach *b) {
    struct reach both = {.all = a->all && b->all};
    if (a->all)
        return *b;
    if (b->all)
        return *a;
    for (unsigned n = REACH_ROOTS; n-- > 0;) {
        unsigned m = a->root[n] ? reach_find(b, a->root[n]) : REACH_ROOTS;
        if (m < REACH_ROOTS)
            reach_push(&both, a->root[n], a->lo[n] > b->lo[m] ? a->lo[n] : b->lo[m],
                       a->hi[n] < b->hi[m] ? a->hi[n] : b->hi[m]);
    }
    return both;
}

/* What the start of `to` means on the edge from its predecessor slot: phis are their operands. */
static struct reach reach_on_edge(struct func *f, struct cells *cells, const struct reach *at,
                                  block to, unsigned slot) {
    struct reach r = {.all = at->all};
    for (unsigned n = REACH_ROOTS; n-- > 0;) {
        value root = {at->root[n]};
        if (root.i == 0)
            continue;
        struct cell a = {root, 0};
        if (ir_is(f, root, OP_PHI) && same_block(ir_home(f, root), to))
            a = cells_address(cells, *ir_phi_operand(f, root, slot), 0);
        if (a.off >= INT32_MIN && a.off <= INT32_MAX && reach_find(&r, a.root.i) == REACH_ROOTS)
            reach_push(&r, a.root.i, at->lo[n] + a.off, at->hi[n] + a.off);
    }
    return r;
}

/* ---- loops that end ---- */

/* Does the latch go back until a counter, which changes by an odd number, is 0? */
static bool counts_down(struct func *f, block head, block latch) {
    const struct block_data *d = ir_block(f, latch);
    if (d->nsucc != 2 || !same_block(d->succ[0], head))
        return false;
    value cond = ir_resolve(f, ir_at(f, d->last)->a);
    const struct insn *in = ir_at(f, cond);
    if (in->op != OP_ADD || !ir_is_const(f, ir_resolve(f, in->b)))
        return false;
    value phi = ir_resolve(f, in->a);
    return (ir_const_of(f, ir_resolve(f, in->b)) & 1) && ir_is(f, phi, OP_PHI) &&
           same_block(ir_home(f, phi), head) &&
           same_value(ir_resolve(f, *ir_phi_operand(f, phi, ir_pred_slot(f, latch, head))), cond);
}

/* Does block b of loop n only compute and access the tape, and stay in the loop, but at its end? */
static bool is_quiet(struct func *f, const struct loops *loops, uint32_t n, block b, block latch) {
    const struct block_data *d = ir_block(f, b);
    for (unsigned k = 0; k < d->nsucc; k++)
        if (!same_block(b, latch) && !cfg_in_loop(loops, n, d->succ[k]))
            return false;
    IR_FOR_INSNS (f, b, v) {
        enum op op = (enum op)ir_at(f, v)->op;
        if (op != OP_PHI && op != OP_LOAD && op != OP_STORE && op != OP_BR && op != OP_JMP &&
            !ir_has(f, v, EFF_PURE))
            return false;
    }
    return true;
}

/* The loop of which b is the last block, if it certainly ends and nothing else happens in it but
 * accesses; 0: none. */
static uint32_t counted_loop(struct func *f, const struct cfg *cfg, block b) {
    uint32_t n = cfg_loop_of(&cfg->loops, b);
    const struct loop *l = &cfg->loops.loop[n];
    block body[COUNTED_BLOCKS];
    if (n == 0 || !l->innermost || !counts_down(f, l->head, b))
        return 0;
    /* Left at its end only, a loop has nothing else between head and end: this bounds the walk. */
    if (cfg->rpo.pos[b.i] - cfg->rpo.pos[l->head.i] >= COUNTED_BLOCKS)
        return 0;
    uint32_t nbody = cfg_loop_blocks(cfg, n, body, COUNTED_BLOCKS);
    for (uint32_t k = 0; k < nbody; k++)
        if (!is_quiet(f, &cfg->loops, n, body[k], b))
            return 0;
    return nbody ? n : 0;
}

/* The set at the end of loop n is that behind it, but for pointers of its own. */
static struct reach reach_counted(struct func *f, const struct loops *loops, uint32_t n,
                                  struct reach behind) {
    struct reach r = {.all = behind.all};
    for (unsigned k = REACH_ROOTS; k-- > 0;)
        if (behind.root[k] && !cfg_in_loop(loops, n, ir_home(f, (value){behind.root[k]})))
            reach_push(&r, behind.root[k], behind.lo[k], behind.hi[k]);
    return r;
}

/* ---- the analysis ---- */

static struct reach reach_end(struct func *f, struct cells *cells, const struct anticipated *a,
                              const struct cfg *cfg, block b) {
    const struct block_data *d = ir_block(f, b);
    struct reach r = NO_REACH;
    uint32_t counted = counted_loop(f, cfg, b);
    for (unsigned n = counted ? 1 : 0; n < d->nsucc; n++) {
        block to = d->succ[n];
        struct reach edge = reach_on_edge(f, cells, &a->start[to.i], to, ir_pred_slot(f, b, to));
        if (counted)
            edge = reach_counted(f, &cfg->loops, counted, edge);
        r = n == 0 || counted ? edge : reach_meet(&r, &edge);
    }
    return r;
}

/* The set before v, where r is the one behind it. */
static void reach_before(struct func *f, struct cells *cells, struct reach *r, value v) {
    const struct insn *in = ir_at(f, v);
    if (in->op == OP_TAPE || in->op == OP_SCAN || in->op == OP_CALL) {
        unsigned n = reach_find(r, v.i);
        if (n < REACH_ROOTS)
            reach_drop(r, n);
    }
    if (in->op == OP_TRAP)
        r->all = true;
    else if (ir_has(f, v, EFF_TRAP))
        reach_access(r, cells_address(cells, in->a, in->imm));
    else if (ir_has(f, v, EFF_IO))
        *r = NO_REACH;
}

/* One sweep against the flow.  What is not known yet is not certain, so every sweep is right: it
 * concludes from sets that are. */
static void anticipated_sweep(struct anticipated *a, struct func *f, const struct cfg *cfg,
                              struct cells *cells) {
    for (uint32_t i = cfg->rpo.n; i-- > 0;) {
        block b = cfg->rpo.order[i];
        struct reach r = reach_end(f, cells, a, cfg, b);
        for (value v = ir_terminator(f, b); v.i != 0 && !ir_is(f, v, OP_PHI); v = ir_prev(f, v))
            reach_before(f, cells, &r, v);
        a->start[b.i] = r;
    }
}

struct anticipated anticipated_make(struct func *f, const struct cfg *cfg, struct cells *cells) {
    struct anticipated a = {xcalloc(f->nblock, sizeof *a.start), f->nblock};
    for (unsigned n = 0; n < ANTICIPATED_SWEEPS; n++)
        anticipated_sweep(&a, f, cfg, cells);
    return a;
}

void anticipated_free(struct anticipated *a) {
    xfree(a->start);
}

bool anticipated_at(const struct anticipated *a, block b, value root, int64_t *lo, int64_t *hi) {
    if (b.i >= a->nblock)
        return false;
    const struct reach *r = &a->start[b.i];
    unsigned n = reach_find(r, root.i);
    *lo = r->all ? INT64_MIN : n < REACH_ROOTS ? r->lo[n] : 1;
    *hi = r->all ? INT64_MAX : n < REACH_ROOTS ? r->hi[n] : 0;
    return *lo <= *hi;
}
