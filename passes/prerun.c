/* prerun.c: what a program does before its first input is done at compile time, within limits.
 *
 *   b1: %1 = tape   store %1, 72   ...    out %9         b1: %1 = tape
 *       br %7, b2, b3                                        outs "Hello"
 *   b2: ...                                          =>      store %1 + 2, 10
 *   b3: %20 = in 0   store %17, %20   ...                    %30 = move %1 + 3
 *                                                            jmp b3
 *                                                        b3: %20 = in 0   store %30, %20   ...
 *
 * A program that ends within the limits is its output and a `ret`; one that leaves the tape its
 * output and a `trap` at the place where it does.  Otherwise it goes on where it was stopped, from
 * a new entry block that has the output so far, sets the cells that are not 0, and holds what the
 * values were.  A place in a loop cannot be entered without a second way into that loop, so there
 * the run is repeated up to the last time it came to the head of the outermost loop around, which
 * can.  Blocks that only what is done led to are gone.
 *
 * Limits: steps (--prerun-steps), cells from the start of the tape, bytes of output, cells that
 * would have to be set.  Programs only: units are entered on any tape.
 * Relies on: runner.c.  Tests: tests/ir/prerun. */
#include <string.h>

#include "ir/cfg.h"
#include "passes/cells.h"
#include "passes/pass.h"
#include "passes/runner.h"
#include "runtime/alloc.h"

#define PRERUN_STEPS  (UINT64_C(2) << 20) /* about 5 ms */
#define PRERUN_EACH   16                  /* steps for each instruction of the program */
#define PRERUN_LEAST  (UINT64_C(1) << 14)
#define PRERUN_KEPT   (UINT64_C(16) << 20)
#define PRERUN_CELLS  (UINT64_C(1) << 16)
#define PRERUN_TEXT   (UINT64_C(1) << 16)
#define PRERUN_STORES 4096
#define PRERUN_TRIES  12 /* each with half the steps, where too many cells are not 0 */

struct prerun {
    struct func *f;
    struct pass_env *env;
    struct runner r;
    block head; /* of the loop to go on with, at its start; NO_BLOCK: go on at r.at */
    block from; /* where that loop is entered from */
    value tape;
    block to;   /* where the new entry block leads */
    bool *live; /* by block: can be reached from there */
    value *is;  /* by value: what it is from now on; NO_VALUE: not asked yet */
};

static void prerun_go(struct prerun *p, uint64_t steps) {
    const struct func *f = p->f;
    runner_free(&p->r);
    p->r = (struct runner){.f = f, .steps = steps, .max_text = PRERUN_TEXT};
    uint64_t tape = cells_on_tape(f);
    p->r.ncell = tape < PRERUN_CELLS ? tape : PRERUN_CELLS;
    runner_run(&p->r);
}

static bool prerun_ended(const struct prerun *p) {
    return p->r.end == RUNNER_DONE || p->r.end == RUNNER_OFF_TAPE;
}

/* Does v stand in entry blocks as this pass writes them? */
static bool prerun_is_own(const struct prerun *p, value v) {
    const struct insn *in = ir_at(p->f, v);
    bool sets = in->op == OP_STORE && ir_is_const(p->f, in->b) && !prerun_ended(p);
    return sets || in->op == OP_TAPE || in->op == OP_MOVE || in->op == OP_OUTS;
}

/* Would the new entry block be the old one? */
static bool prerun_gained_nothing(const struct prerun *p) {
    const struct func *f = p->f;
    if (p->r.entries > 1 || (p->r.end == RUNNER_OFF_TAPE && !ir_is(f, p->r.at, OP_TRAP)))
        return false;
    unsigned nouts = 0;
    for (value v = ir_block(f, f->entry)->first; !same_value(v, p->r.at); v = ir_next(f, v)) {
        if (ir_is(f, v, OP_JMP))
            break;
        nouts += ir_is(f, v, OP_OUTS);
        if (!prerun_is_own(p, v) || nouts > 1)
            return false;
    }
    return true;
}

/* ---- where to go on ---- */

static uint32_t outermost_loop(const struct loops *l, block b) {
    uint32_t n = l->of[b.i];
    while (n != 0 && l->loop[n].parent != 0)
        n = l->loop[n].parent;
    return n;
}

/* Runs again to the head of the outermost loop around, if there is a loop.  False: the control flow
 * is not made of loops. */
static bool prerun_step_back(struct prerun *p) {
    struct cfg cfg = cfg_make(p->f);
    block at = ir_home(p->f, p->r.at);
    uint32_t loop = outermost_loop(&cfg.loops, at);
    bool ok = !cfg.loops.irreducible;
    p->head = NO_BLOCK;
    if (ok && loop != 0) {
        p->head = cfg.loops.loop[loop].head;
        const struct block_data *d = ir_block(p->f, p->head);
        p->from = d->pred[cfg_dominates(&cfg.dom, p->head, d->pred[0]) ? 1 : 0];
        if (p->r.end != RUNNER_STEPS || !same_block(at, p->head))
            prerun_go(p, p->r.entered[p->head.i]);
    }
    cfg_free(&cfg);
    return ok;
}

static uint64_t prerun_cells_set(const struct prerun *p) {
    uint64_t n = 0;
    for (uint64_t i = 0; i < p->r.ncell; i++)
        n += p->r.cell[i] != 0;
    return n;
}

/* Machine code is faster than this, so where the program runs next what can be gained is the time
 * to compile it; where the code is kept, the time of every run. */
static uint64_t prerun_steps(const struct prerun *p) {
    if (p->env->prerun_steps)
        return p->env->prerun_steps;
    if (p->env->kept)
        return PRERUN_KEPT;
    uint64_t steps = PRERUN_LEAST + (uint64_t)PRERUN_EACH * p->f->ninsn;
    return steps < PRERUN_STEPS ? steps : PRERUN_STEPS;
}

/* Runs as far as the result can be used; false: not at all. */
static bool prerun_run(struct prerun *p) {
    uint64_t steps = prerun_steps(p);
    for (unsigned n = 0; n < PRERUN_TRIES && steps > 0; n++, steps = p->r.used / 2) {
        prerun_go(p, steps);
        if (prerun_ended(p))
            return true;
        if (!prerun_step_back(p))
            return false;
        if (prerun_cells_set(p) <= PRERUN_STORES)
            return true;
    }
    return false;
}

/* ---- the rest of the program ---- */

/* An empty block on the way into the loop. */
static block prerun_way_in(const struct prerun *p) {
    const struct block_data *d = ir_block(p->f, p->from);
    return ir_split_edge(p->f, p->from, same_block(d->succ[0], p->head) ? 0 : 1);
}

/* Marks the blocks that can be reached from the block to go on in. */
static void prerun_mark_live(struct prerun *p) {
    const struct func *f = p->f;
    block *stack = xalloc(f->nblock, sizeof *stack);
    uint32_t n = 0;
    p->live = xcalloc(f->nblock, sizeof *p->live);
    p->live[p->to.i] = true;
    stack[n++] = p->to;
    while (n > 0) {
        const struct block_data *d = ir_block(f, stack[--n]);
        for (unsigned s = 0; s < d->nsucc; s++) {
            if (!p->live[d->succ[s].i]) {
                p->live[d->succ[s].i] = true;
                stack[n++] = d->succ[s];
            }
        }
    }
    xfree(stack);
}

/* The constant n, or cell n's address. */
static value prerun_number(struct prerun *p, uint64_t n, enum kind kind) {
    if (kind == KIND_CELL)
        return ir_const(p->f, n);
    if (n == 0)
        return p->tape;
    value first = ir_block(p->f, p->to)->first;
    return ir_before(p->f, first, OP_MOVE, p->tape, NO_VALUE, (int64_t)n, NO_SRC);
}

/* What v, which was computed, is now. */
static value prerun_value(struct prerun *p, value v) {
    if (p->is[v.i].i == 0) {
        value is = prerun_number(p, p->r.reg[v.i], (enum kind)ir_at(p->f, v)->kind);
        p->is[v.i] = is;
    }
    return p->is[v.i];
}

/* Operands that are computed in blocks that go become what they were. */
static void prerun_patch_operands(struct prerun *p, block b, value v) {
    struct func *f = p->f;
    bool phi = ir_is(f, v, OP_PHI);
    for (unsigned n = 0; n < IR_MAX_OPERANDS; n++) {
        value *o = ir_operand(f, v, n);
        if (!o || !o->i || ir_is_const(f, *o) || p->live[ir_home(f, *o).i])
            continue;
        if (phi && !p->live[ir_block(f, b)->pred[n].i])
            continue; /* goes with its edge */
        value is = prerun_value(p, *o);
        ir_set_operand(f, v, n, is); /* f->insn may have moved */
    }
}

static void prerun_patch(struct prerun *p) {
    IR_FOR_BLOCKS (p->f, b) {
        if (!p->live[b.i])
            continue;
        IR_FOR_INSNS (p->f, b, v)
            prerun_patch_operands(p, b, v);
    }
}

/* On the way in, phis of the loop's head take what they were. */
static void prerun_patch_head(struct prerun *p) {
    unsigned slot = ir_pred_slot(p->f, p->to, p->head);
    IR_FOR_INSNS (p->f, p->head, v) {
        if (!ir_is(p->f, v, OP_PHI))
            break;
        value is = prerun_number(p, p->r.reg[v.i], (enum kind)ir_at(p->f, v)->kind);
        *ir_phi_operand(p->f, v, slot) = is;
    }
}

/* What the entry block begins with: the output so far, and the tape. */
static void prerun_effects(struct prerun *p, bool tape) {
    struct func *f = p->f;
    ir_restart(f);
    const struct text *out = &p->r.out;
    if (out->len > 0) {
        uint32_t s = ir_string(f, out->p, (uint32_t)out->len);
        ir_append(f, f->entry, OP_OUTS, NO_VALUE, NO_VALUE, s, NO_SRC);
        pass_count(p->env, "bytes", out->len);
    }
    for (uint64_t i = 0; tape && i < p->r.ncell; i++) {
        if (p->r.cell[i] == 0)
            continue;
        value n = ir_const(f, p->r.cell[i]);
        ir_append(f, f->entry, OP_STORE, p->tape, n, (int64_t)i, NO_SRC);
        pass_count(p->env, "cells", 1);
    }
}

/* The whole program was run. */
static void prerun_finish(struct prerun *p) {
    struct func *f = p->f;
    const struct insn last = *ir_at(f, p->r.at);
    p->tape = ir_tape(f);
    prerun_effects(p, false);
    if (p->r.end == RUNNER_OFF_TAPE) {
        ir_trap(f, f->entry, p->tape, p->r.off, last.src);
    } else {
        int64_t at = (int64_t)p->r.reg[last.a.i];
        value end = p->tape;
        if (at != 0)
            end = ir_append(f, f->entry, OP_MOVE, p->tape, NO_VALUE, at, NO_SRC);
        ir_ret(f, f->entry, end, last.src);
    }
    pass_count(p->env, "finished", 1);
    ir_drop_unreachable(f);
}

static void prerun_resume(struct prerun *p) {
    struct func *f = p->f;
    p->tape = ir_tape(f);
    p->to = p->head.i ? prerun_way_in(p) : ir_split_block(f, p->r.at);
    p->is = xcalloc(f->ninsn, sizeof *p->is);
    p->is[p->tape.i] = p->tape;
    prerun_mark_live(p);
    if (p->head.i)
        prerun_patch_head(p);
    prerun_patch(p);
    prerun_effects(p, true);
    ir_steal_edge(f, f->entry, p->to);
    ir_merge(f, f->entry, p->to);
    ir_drop_unreachable(f);
    pass_count(p->env, "resumed", 1);
    xfree(p->is);
    xfree(p->live);
}

bool pass_prerun(struct func *f, struct pass_env *env) {
    struct prerun p = {.f = f, .env = env};
    bool changed = f->program && prerun_run(&p) && !prerun_gained_nothing(&p) && pass_may(env);
    if (changed && prerun_ended(&p))
        prerun_finish(&p);
    else if (changed)
        prerun_resume(&p);
    runner_free(&p.r);
    return changed;
}
