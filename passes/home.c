/* home.c: what comes back over cells known not to be 0 starts where it will arrive.
 *
 *   %2 = scan %1 + 9, step 9          right from %1 + 9; %2 + 9 is 0
 *   store %2 + 11, 7
 *   %3 = scan %2, step -9       =>    %3 = scan %1, step -9
 *
 * The way out passed only cells that are not 0, and nothing has stored to them since, so the way
 * back passes all of them: it comes at least as far as the cell before the first one the way out
 * looked at.  There the scan starts now.  Mostly it also ends there, as that is where the program
 * came from; then one test that the processor predicts stands for a chain of loads through the
 * tape.  If that cell can be shown to be 0 (zeros.h), nothing is left but the pointer.
 *
 * And what goes the same way again starts where it ended before.
 *
 * Ways are scans, or walks (lane_walks.h): loops that do something to each record.  The pointer
 * behind a walk becomes the result of a scan, put behind the loop, which so no longer hands its
 * pointer on.
 *
 *   b5: %8 = phi b2 %4, b4 %7   =>    b5: %8 = scan %1, step -9
 *
 * All cells the new scan looks at were looked at before, by the scan it replaces or the walk.
 * Stores in between are told apart by lanes (lanes.h).  The search for them goes back from one way
 * to the other, some blocks at most.
 * (That a loop's last value may be computed without the loop is "final value replacement",
 * Muchnick, "Advanced Compiler Design and Implementation", 1997, 14.1.)
 *
 * Linear.  Tests: tests/ir/home. */
#include "passes/pass.h"
#include "passes/lane_walks.h"
#include "passes/zeros.h"
#include "runtime/alloc.h"

#define HOME_BLOCKS 32 /* looked at for one way back */
#define HOME_INSNS  400

/* A way that passed cells which are not 0: `first`, first + step, ..., but not root + end, which
 * is 0. */
struct way {
    value root;
    int64_t end;
    struct cell first;
    int64_t step;
    block home; /* where it ends: behind value v of it, or at its start if there is none */
    value v;
    uint32_t loop; /* of a walk left by its latch: the way back is not inside; or 0 */
    block latch;
};

struct home {
    struct func *f;
    struct pass_env *env;
    struct cfg cfg;
    struct cells cells;
    struct lanes lanes;
    struct lane_walk *walk; /* by loop */
    uint32_t *walk_of;      /* by value: the walk of this pointer, or exit phi; 0: none */
    uint32_t n;
    value *last; /* by cell: the root of the latest way that begins there */
    uint32_t nlast;
    uint32_t *seen; /* by block: the number of the search that saw it */
    uint32_t search;
    bool changed;
};

/* ---- ways out ---- */

static bool scan_way(struct home *h, value root, struct way *w) {
    const struct insn *in = ir_at(h->f, root);
    *w = (struct way){.root = root, .end = in->imm, .step = in->stride, .v = root};
    w->first = cells_address(&h->cells, in->a, in->imm);
    w->home = ir_home(h->f, root);
    return true;
}

/* root is the walk's pointer in its last iteration, or the phi behind it. */
static bool walk_way(struct home *h, value root, struct way *w) {
    const struct lane_walk *k = &h->walk[h->walk_of[root.i]];
    bool inner = same_value(root, k->x);
    if (!inner && !k->guarded)
        return false;
    *w = (struct way){.root = root, .step = k->step, .home = k->exit, .latch = k->latch};
    w->end = inner ? k->test + k->step : k->test;
    w->first = cells_address(&h->cells, k->start, k->guarded ? k->test : k->test + k->step);
    if (inner) {
        w->loop = h->walk_of[root.i];
        w->home = NO_BLOCK;
    }
    return true;
}

static bool find_way(struct home *h, value root, struct way *w) {
    if (ir_is(h->f, root, OP_SCAN))
        return scan_way(h, root, w);
    return root.i < h->n && h->walk_of[root.i] != 0 && walk_way(h, root, w);
}

/* ---- nothing in between ---- */

static bool is_nonzero(const struct func *f, value v) {
    return ir_is_const(f, v) && !ir_is_num(f, v, 0);
}

/* Is `off`, seen from a cell of the way, at or behind (dir 1) or before (-1) it? */
static bool lies(int64_t off, int64_t from, int64_t step, int dir) {
    int64_t d = cells_add(off, -from);
    if (step < 0)
        d = -d;
    return dir > 0 ? d >= 0 : d < 0;
}

/* Does v leave the cells of the way not 0? */
static bool keeps_way(struct home *h, const struct way *w, value v) {
    const struct insn *in = ir_at(h->f, v);
    if (!(op_info[in->op].effects & EFF_WRITE))
        return true;
    if (in->op != OP_STORE)
        return false;
    if (is_nonzero(h->f, ir_resolve(h->f, in->b)) ||
        lanes_apart(&h->lanes, w->root, w->end, w->step, in->a, in->imm) ||
        lanes_apart(&h->lanes, w->first.root, w->first.off, w->step, in->a, in->imm))
        return true;
    struct cell c = cells_address(&h->cells, in->a, in->imm);
    return (same_value(c.root, w->root) && lies(c.off, w->end, w->step, 1)) ||
           (same_value(c.root, w->first.root) && lies(c.off, w->first.off, w->step, -1));
}

struct search {
    block todo[HOME_BLOCKS];
    unsigned n, blocks, insns;
};

static bool push(struct home *h, struct search *s, block b) {
    if (h->seen[b.i] == h->search)
        return true;
    if (s->blocks++ == HOME_BLOCKS)
        return false;
    h->seen[b.i] = h->search;
    s->todo[s->n++] = b;
    return true;
}

/* Looks through a block from v (none: its end) upwards; goes on to its predecessors unless the way
 * ends here. */
static bool look_up(struct home *h, const struct way *w, struct search *s, block b, value v) {
    for (; v.i; v = ir_prev(h->f, v)) {
        if (w->v.i && same_value(v, w->v))
            return true;
        if (++s->insns > HOME_INSNS || !keeps_way(h, w, v))
            return false;
    }
    if (!w->v.i && same_block(b, w->home))
        return true;
    const struct block_data *d = ir_block(h->f, b);
    for (unsigned n = 0; n < d->npred; n++)
        if (!(w->loop && same_block(d->pred[n], w->latch)) && !push(h, s, d->pred[n]))
            return false;
    return d->npred > 0;
}

/* Are the way's cells not 0 where `at` is, in block b (none: at its start)? */
static bool is_unchanged(struct home *h, const struct way *w, block b, value at) {
    struct search s = {.n = 0};
    h->search++;
    bool ok = look_up(h, w, &s, b, at);
    while (ok && s.n > 0) {
        block up = s.todo[--s.n];
        ok = look_up(h, w, &s, up, ir_block(h->f, up)->last);
    }
    return ok;
}

/* ---- where a way can start instead ---- */

/* Is the way there in block b before `at`, and are its cells still not 0? */
static bool is_there(struct home *h, const struct way *w, block b, value at) {
    return !(w->loop && cfg_in_loop(&h->cfg.loops, w->loop, b)) && is_unchanged(h, w, b, at);
}

/* Back: first is the last cell that a way out passed.  Then the cell before the way's first. */
static bool find_home(struct home *h, struct cell first, int64_t step, block b, value at,
                      struct cell *to) {
    struct way w;
    if (!find_way(h, first.root, &w) || w.step != -step || first.off != cells_add(w.end, step) ||
        !is_there(h, &w, b, at))
        return false;
    *to = (struct cell){w.first.root, cells_add(w.first.off, step)};
    return true;
}

/* Again: a way went from the same cell in the same steps.  Then the cell at which it ended. */
static bool find_end(struct home *h, struct cell first, int64_t step, block b, value at,
                     struct cell *to) {
    uint32_t id = cells_id(&h->cells, first.root, first.off);
    value root = id < h->nlast ? h->last[id] : NO_VALUE;
    struct way w;
    if (!root.i || ir_is(h->f, root, OP_COPY) || !ir_home(h->f, root).i ||
        !cfg_dominates(&h->cfg.dom, ir_home(h->f, root), b) || !find_way(h, root, &w) ||
        w.step != step || !same_value(w.first.root, first.root) || w.first.off != first.off ||
        !is_there(h, &w, b, at))
        return false;
    *to = (struct cell){w.root, w.end};
    return true;
}

/* Where may a way that looks at `first` first, before `at` in block b, start as well? */
static bool find_start(struct home *h, struct cell first, int64_t step, block b, value at,
                       struct cell *to) {
    return find_home(h, first, step, b, at, to) || find_end(h, first, step, b, at, to);
}

/* The way with this root looks at `first` first. */
static void remember(struct home *h, struct cell first, value root) {
    uint32_t id = cells_id(&h->cells, first.root, first.off);
    if (id >= h->nlast) {
        uint32_t n = h->cells.cap;
        h->last = xrealloc(h->last, n, sizeof *h->last);
        for (uint32_t i = h->nlast; i < n; i++)
            h->last[i] = NO_VALUE;
        h->nlast = n;
    }
    h->last[id] = root;
}

/* The pointer from which the cell at distance test is c, made before `at`. */
static value make_start(struct home *h, struct cell c, int64_t test, value at) {
    int64_t off = cells_add(c.off, -test);
    if (off == 0)
        return c.root;
    return ir_before(h->f, at, OP_MOVE, c.root, NO_VALUE, off, ir_at(h->f, at)->src);
}

static void shorten_scan(struct home *h, value v) {
    const struct insn *in = ir_at(h->f, v);
    block b = ir_home(h->f, v);
    struct cell to, first = cells_address(&h->cells, in->a, in->imm);
    bool found = find_start(h, first, in->stride, b, ir_prev(h->f, v), &to);
    if (!found)
        remember(h, first, v);
    if (!found || !pass_may(h->env))
        return;
    bool there = zeros_prove(h->f, &h->cells, &h->lanes, b, ir_prev(h->f, v), to);
    value from = make_start(h, to, ir_at(h->f, v)->imm, v);
    pass_count(h->env, there ? "known_scans" : "scans", 1);
    if (there)
        ir_replace(h->f, v, from);
    else
        ir_at(h->f, v)->a = from;
    h->changed = true;
}

/* Is phi v of the exit the pointer of walk k? */
static bool is_exit_pointer(struct home *h, const struct lane_walk *k, value v) {
    if (ir_at(h->f, v)->kind != KIND_PTR || ir_block(h->f, k->exit)->npred != 2)
        return false;
    unsigned slot = ir_pred_slot(h->f, k->latch, k->exit);
    struct cell in = cells_address(&h->cells, *ir_phi_operand(h->f, v, slot), 0);
    struct cell out = cells_address(&h->cells, *ir_phi_operand(h->f, v, 1 - slot), 0);
    struct cell start = cells_address(&h->cells, k->start, 0);
    return same_value(in.root, k->x) && in.off == k->step && same_value(out.root, start.root) &&
           out.off == start.off;
}

/* The phi of the pointer behind guarded walk k; none if nobody wants to know. */
static value exit_pointer(struct home *h, const struct lane_walk *k) {
    if (!k->guarded)
        return NO_VALUE;
    IR_FOR_INSNS (h->f, k->exit, v) {
        if (!ir_is(h->f, v, OP_PHI))
            break;
        if (is_exit_pointer(h, k, v))
            return v;
    }
    return NO_VALUE;
}

/* The walk's own stores leave its lane alone in front of it, so what matters is what is between
 * the other way and the walk, the walk included. */
static void shorten_walk(struct home *h, const struct lane_walk *k) {
    struct func *f = h->f;
    value phi = exit_pointer(h, k);
    if (!phi.i)
        return;
    struct cell to, first = cells_address(&h->cells, k->start, k->test);
    bool found = find_start(h, first, k->step, k->exit, NO_VALUE, &to);
    if (!found)
        remember(h, first, phi);
    if (!found || !pass_may(h->env))
        return;
    value at = ir_block(f, k->exit)->first;
    while (ir_is(f, at, OP_PHI))
        at = ir_next(f, at);
    bool there = zeros_prove(f, &h->cells, &h->lanes, k->exit, NO_VALUE, to);
    value end = make_start(h, to, k->test, at);
    if (!there) {
        end = ir_before(f, at, OP_SCAN, end, NO_VALUE, k->test, k->src);
        ir_at(f, end)->stride = (int32_t)k->step;
    }
    ir_replace(f, phi, end);
    pass_count(h->env, there ? "known_walks" : "walks", 1);
    h->changed = true;
}

/* ---- the pass ---- */

static void index_walks(struct home *h) {
    h->n = h->f->ninsn;
    h->walk_of = xcalloc(h->n, sizeof *h->walk_of);
    for (uint32_t l = 1; l < h->cfg.loops.nloop; l++) {
        const struct lane_walk *k = &h->walk[l];
        if (!k->head.i)
            continue;
        h->walk_of[k->x.i] = l;
        value phi = exit_pointer(h, k);
        if (phi.i)
            h->walk_of[phi.i] = l;
    }
}

static void visit_block(struct home *h, block b, const uint32_t *exit_of) {
    if (exit_of[b.i])
        shorten_walk(h, &h->walk[exit_of[b.i]]);
    IR_FOR_INSNS_SAFE (h->f, b, v)
        if (ir_is(h->f, v, OP_SCAN))
            shorten_scan(h, v);
}

static void visit(struct home *h) {
    uint32_t *exit_of = xcalloc(h->f->nblock, sizeof *exit_of);
    h->seen = xcalloc(h->f->nblock, sizeof *h->seen);
    for (uint32_t l = 1; l < h->cfg.loops.nloop; l++)
        if (h->walk[l].head.i)
            exit_of[h->walk[l].exit.i] = l;
    for (uint32_t i = 0; i < h->cfg.rpo.n; i++)
        visit_block(h, h->cfg.rpo.order[i], exit_of);
    xfree(exit_of);
    xfree(h->seen);
}

static bool has_scans(const struct func *f) {
    IR_FOR_BLOCKS (f, b)
        IR_FOR_INSNS (f, b, v)
            if (ir_is(f, v, OP_SCAN))
                return true;
    return false;
}

bool pass_home(struct func *f, struct pass_env *env) {
    struct home h = {.f = f, .env = env};
    if (!has_scans(f))
        return false;
    h.cfg = cfg_make(f);
    cells_init(&h.cells, f);
    lanes_make(&h.lanes, f, &h.cfg.rpo);
    h.walk = lane_walks_find(f, &h.cfg.loops, &h.cfg.rpo, &h.cells, &h.lanes);
    index_walks(&h);
    visit(&h);
    xfree(h.walk);
    xfree(h.walk_of);
    xfree(h.last);
    lanes_free(&h.lanes);
    cells_free(&h.cells);
    cfg_free(&h.cfg);
    return h.changed;
}
