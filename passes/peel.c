/* peel.c: the first iteration of a loop stands before it, where that makes the others safe.
 *
 *   b2: %2 = phi b1 %1, b4 %5               b2', b3', b4': the same for %1
 *       %3 = load %2 + 1                        br %5', b2, b6
 *       br %3, b3, b4                       b2: %2 = phi b4' %5', b4 %5
 *   b3: %4 = load %2 + 10          =>           %3 = load %2 + 1
 *       ...                                     br %3, b3, b4
 *       store %2 + 1, 0                     b3: %4 = load %2 + 10         now on the tape for sure
 *   b4: %5 = move %2 - 9                        ...
 *       %6 = load %5                        b6: what b5 takes from the loop
 *       br %6, b2, b5
 *
 * A walk over records that may do something to each is a loop around a detour.  If the detour only
 * touches cells that the iteration before looked at anyway, seen from there, then it cannot leave
 * the tape in any iteration but the first; `if-convert` can then take it always, and the branch
 * that the processor could not predict is gone.  The first iteration keeps its branch.
 * (Loop peeling: Muchnick, "Advanced Compiler Design and Implementation", 1997, 17.4; that it is
 * worthwhile where it makes something redundant in the rest: Bacon, Graham & Sharp, 1994, 6.3.5.)
 *
 * Only innermost loops of a few blocks that are left at their end, to where they are skipped to:
 * what is used behind them then is in the phis there.  The copy is as large as the loop, and what
 * is left needs no peeling, so this happens once to a loop. Linear.  Tests: tests/ir/peel. */
#include "ir/cfg.h"
#include "passes/bounds.h"
#include "passes/cells.h"
#include "passes/pass.h"
#include "runtime/alloc.h"

#define PEEL_BLOCKS 8
#define PEEL_INSNS  40
#define PEEL_SIDE   12 /* instructions of a detour: as many as if-convert takes */

struct peel {
    struct func *f;
    struct pass_env *env;
    struct cfg cfg;
    struct cells cells;
    bool *inside; /* by value: the access cannot leave the tape as it is */
    uint32_t ninsn;
    value *copy; /* by value: that of the first iteration */
    block *twin; /* by block, likewise */
    /* The loop at hand. */
    block body[PEEL_BLOCKS];
    unsigned nbody;
    block head, latch, pre, exit;
    unsigned entry_slot; /* of head: the way in */
    bool changed;
};

/* ---- which loops ---- */

static bool is_body(const struct peel *p, block b) {
    for (unsigned n = 0; n < p->nbody; n++)
        if (same_block(p->body[n], b))
            return true;
    return false;
}

static bool list_body(struct peel *p, uint32_t l) {
    p->nbody = cfg_loop_blocks(&p->cfg, l, p->body, PEEL_BLOCKS);
    unsigned insns = 0;
    for (unsigned n = 0; n < p->nbody; n++)
        IR_FOR_INSNS (p->f, p->body[n], v)
            if (++insns > PEEL_INSNS)
                return false;
    return p->nbody >= 3;
}

/* Is the latch the only way out, and is the exit entered in another way, too? */
static bool has_shape(struct peel *p) {
    const struct block_data *h = ir_block(p->f, p->head);
    if (h->npred != 2)
        return false;
    p->entry_slot = is_body(p, h->pred[0]) ? 1 : 0;
    p->latch = h->pred[1 - p->entry_slot];
    p->pre = h->pred[p->entry_slot];
    if (!is_body(p, p->latch) || is_body(p, p->pre) || ir_block(p->f, p->latch)->nsucc != 2)
        return false;
    for (unsigned n = 0; n < p->nbody; n++) {
        const struct block_data *d = ir_block(p->f, p->body[n]);
        for (unsigned s = 0; s < d->nsucc; s++) {
            if (is_body(p, d->succ[s]))
                continue;
            if (!same_block(p->body[n], p->latch))
                return false;
            p->exit = d->succ[s];
        }
    }
    return p->exit.i != 0 && ir_block(p->f, p->exit)->npred == 2;
}

/* Is b a detour: left out or not, and if so nothing happens but accesses and arithmetic? */
static bool is_detour(const struct peel *p, block b) {
    const struct block_data *d = ir_block(p->f, b);
    if (d->npred != 1 || d->nsucc != 1 || same_block(b, p->head))
        return false;
    const struct block_data *top = ir_block(p->f, d->pred[0]);
    if (top->nsucc != 2 || !same_block(top->succ[0], b) || !same_block(top->succ[1], d->succ[0]))
        return false;
    unsigned n = 0;
    IR_FOR_INSNS (p->f, b, v) {
        enum op op = (enum op)ir_at(p->f, v)->op;
        if (op != OP_LOAD && op != OP_STORE && op != OP_JMP && !ir_has(p->f, v, EFF_PURE))
            return false;
        if (++n > PEEL_SIDE)
            return false;
    }
    return true;
}

/* ---- what peeling would show ---- */

struct reach {
    value root;   /* the pointer the loop walks with: a phi of its head */
    int64_t step; /* by which it moves in an iteration */
    int64_t lo, hi;
};

/* The pointer phi that moves by a constant. */
static bool find_walker(struct peel *p, struct reach *r) {
    IR_FOR_INSNS (p->f, p->head, v) {
        const struct insn *in = ir_at(p->f, v);
        if (in->op != OP_PHI)
            return false;
        if (in->kind != KIND_PTR)
            continue;
        struct cell next = cells_address(&p->cells, *ir_phi_operand(p->f, v, 1 - p->entry_slot), 0);
        if (!same_value(next.root, v) || next.off == 0 || next.off > (1 << 20) ||
            next.off < -(1 << 20))
            continue;
        *r = (struct reach){.root = v, .step = next.off, .lo = INT64_MAX, .hi = INT64_MIN};
        return true;
    }
    return false;
}

/* Everything that each iteration accesses, seen from the next one. */
static void find_reach(struct peel *p, struct reach *r) {
    for (unsigned n = 0; n < p->nbody; n++) {
        if (!cfg_dominates(&p->cfg.dom, p->body[n], p->latch))
            continue;
        IR_FOR_INSNS (p->f, p->body[n], v) {
            const struct insn *in = ir_at(p->f, v);
            if (in->op != OP_LOAD && in->op != OP_STORE)
                continue;
            struct cell c = cells_address(&p->cells, in->a, in->imm);
            if (!same_value(c.root, r->root))
                continue;
            int64_t off = cells_add(c.off, -r->step);
            r->lo = off < r->lo ? off : r->lo;
            r->hi = off > r->hi ? off : r->hi;
        }
    }
}

/* Would peeling make all accesses of detour b safe, and are they not? */
static bool gains(struct peel *p, block b, const struct reach *r) {
    bool any = false;
    IR_FOR_INSNS (p->f, b, v) {
        const struct insn *in = ir_at(p->f, v);
        if ((in->op != OP_LOAD && in->op != OP_STORE) || p->inside[v.i])
            continue;
        struct cell c = cells_address(&p->cells, in->a, in->imm);
        if (!same_value(c.root, r->root) || c.off < r->lo || c.off > r->hi)
            return false;
        any = true;
    }
    return any;
}

static bool is_worthwhile(struct peel *p) {
    struct reach r;
    if (!find_walker(p, &r))
        return false;
    find_reach(p, &r);
    for (unsigned n = 0; n < p->nbody; n++)
        if (is_detour(p, p->body[n]) && gains(p, p->body[n], &r))
            return true;
    return false;
}

/* ---- peeling ---- */

/* What v is in the first iteration. */
static value first_of(const struct peel *p, value v) {
    v = ir_resolve(p->f, v);
    return v.i < p->ninsn && p->copy[v.i].i ? p->copy[v.i] : v;
}

static void copy_insn(struct peel *p, value v, block to) {
    if (ir_is(p->f, v, OP_PHI) && same_block(ir_home(p->f, v), p->head)) {
        p->copy[v.i] = ir_resolve(p->f, *ir_phi_operand(p->f, v, p->entry_slot));
        return;
    }
    value w = p->copy[v.i] = ir_append_copy(p->f, to, v);
    for (unsigned n = 0; n < IR_MAX_OPERANDS; n++) {
        value *o = ir_operand(p->f, w, n);
        if (o != NULL)
            *o = first_of(p, *o);
    }
}

/* Copies the blocks; reverse post-order defines operands first. */
static void copy_body(struct peel *p) {
    block after = p->pre;
    for (unsigned n = 0; n < p->nbody; n++)
        after = p->twin[p->body[n].i] = ir_block_new(p->f, after);
    for (unsigned n = 0; n < p->nbody; n++) {
        block b = p->body[n], to = p->twin[b.i];
        for (value v = ir_block(p->f, b)->first; v.i; v = ir_next(p->f, v))
            copy_insn(p, v, to);
        for (unsigned s = 0; s < ir_block(p->f, b)->nsucc; s++) {
            block next = ir_block(p->f, b)->succ[s];
            ir_set_succ(p->f, to, s, is_body(p, next) ? p->twin[next.i] : next);
        }
        for (unsigned s = 0; s < ir_block(p->f, b)->npred && !same_block(b, p->head); s++)
            ir_set_pred(p->f, to, s, p->twin[ir_block(p->f, b)->pred[s].i]);
    }
}

/* The way in leads to the copy, and the copy's end back to the loop. */
static void enter_copy(struct peel *p) {
    struct func *f = p->f;
    block first = p->twin[p->head.i], end = p->twin[p->latch.i];
    const struct block_data *d = ir_block(f, p->pre);
    ir_set_succ(f, p->pre, same_block(d->succ[0], p->head) ? 0 : 1, first);
    ir_set_pred(f, first, 0, p->pre);
    ir_set_succ(f, end, same_block(ir_block(f, p->latch)->succ[0], p->head) ? 0 : 1, p->head);
    ir_set_pred(f, p->head, p->entry_slot, end);
    IR_FOR_INSNS (f, p->head, v) {
        if (!ir_is(f, v, OP_PHI))
            break;
        value back = *ir_phi_operand(f, v, 1 - p->entry_slot);
        *ir_phi_operand(f, v, p->entry_slot) = first_of(p, back);
    }
}

/* Both ends meet before the exit. */
static void leave_both(struct peel *p) {
    struct func *f = p->f;
    block meet = ir_block_new(f, p->latch), end = p->twin[p->latch.i];
    unsigned slot = ir_pred_slot(f, p->latch, p->exit);
    unsigned n = same_block(ir_block(f, p->latch)->succ[0], p->exit) ? 0 : 1;
    ir_set_succ(f, p->latch, n, meet);
    ir_set_succ(f, end, n, meet);
    ir_set_pred(f, meet, 0, p->latch);
    ir_set_pred(f, meet, 1, end);
    ir_set_pred(f, p->exit, slot, meet);
    ir_append(f, meet, OP_JMP, NO_VALUE, NO_VALUE, 0, NO_SRC);
    ir_set_succ(f, meet, 0, p->exit);
    IR_FOR_INSNS (f, p->exit, v) {
        if (!ir_is(f, v, OP_PHI))
            break;
        value w = ir_resolve(f, *ir_phi_operand(f, v, slot)), one = first_of(p, w);
        if (same_value(w, one))
            continue;
        value both = ir_phi(f, meet, (enum kind)ir_at(f, v)->kind, w, one);
        *ir_phi_operand(f, v, slot) = both;
    }
}

static void peel_loop(struct peel *p) {
    copy_body(p);
    enter_copy(p);
    leave_both(p);
    pass_count(p->env, "loops", 1);
    p->changed = true;
}

/* ---- the pass ---- */

static void note_inside(void *context, value v, bool inside, bool fixed) {
    struct peel *p = context;
    (void)fixed;
    p->inside[v.i] = inside;
}

/* Is loop l one that can be peeled?  Makes it the loop at hand. */
static bool take_loop(struct peel *p, uint32_t l) {
    p->head = p->cfg.loops.loop[l].head;
    p->exit = NO_BLOCK;
    return p->cfg.loops.loop[l].innermost && list_body(p, l) && has_shape(p);
}

static bool any_detour(const struct peel *p) {
    for (unsigned n = 0; n < p->nbody; n++)
        if (is_detour(p, p->body[n]))
            return true;
    return false;
}

/* Loops that may gain; without any, which is usual, there is no more to do. */
static bool find_candidates(struct peel *p, bool *candidate) {
    bool any = false;
    for (uint32_t l = 1; l < p->cfg.loops.nloop; l++)
        any |= candidate[l] = take_loop(p, l) && any_detour(p);
    return any;
}

static void peel_candidates(struct peel *p, const bool *candidate) {
    struct func *f = p->f;
    p->ninsn = f->ninsn;
    p->inside = xcalloc(f->ninsn, sizeof *p->inside);
    p->copy = xcalloc(f->ninsn, sizeof *p->copy);
    p->twin = xcalloc(f->nblock, sizeof *p->twin);
    bounds_walk(f, note_inside, p);
    cells_init(&p->cells, f);
    for (uint32_t l = 1; l < p->cfg.loops.nloop; l++)
        if (candidate[l] && take_loop(p, l) && is_worthwhile(p) && pass_may(p->env))
            peel_loop(p);
    cells_free(&p->cells);
    xfree(p->inside);
    xfree(p->copy);
    xfree(p->twin);
}

bool pass_peel(struct func *f, struct pass_env *env) {
    struct peel p = {.f = f, .env = env};
    p.cfg = cfg_make(f);
    bool *candidate = xcalloc(p.cfg.loops.nloop, sizeof *candidate);
    if (find_candidates(&p, candidate))
        peel_candidates(&p, candidate);
    xfree(candidate);
    cfg_free(&p.cfg);
    return p.changed;
}
