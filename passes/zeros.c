/* zeros.c: is a cell certainly 0?
 *
 *   b1: store %1 + 1, %2                   is %4 + 0 zero at the start of b3?
 *       br %2, b2, b3                        by b1: %1 + 1, which holds %2, which is 0 on this edge
 *   b2: %3 = scan %9, step -9                by b2: %3, where a scan ended
 *       jmp b3                               so it is
 *   b3: %4 = phi b1 %1 + 1, b2 %3
 *
 * The question goes backwards, against the flow, along every way; at a phi of the cell's pointer it
 * is renamed.  Each way must come to something that says 0: a store of 0, the end of a scan there,
 * a branch taken because the cell, or what was just stored to it, was 0.  A store that may concern
 * the cell (lanes.h) is a no.  A question asked before of the same block and cell is not asked
 * again: a way round a loop adds nothing to the ways into it. (Demand-driven data-flow analysis:
 * Duesterwald, Gupta & Soffa, POPL 1995.)  The number of questions is bounded.
 */
#include "passes/zeros.h"

#define ZEROS_BLOCKS 48
#define ZEROS_INSNS  600

/* At the end of block b, where value `zero` is 0 if there is one. */
struct question {
    block b;
    struct cell c;
    value zero;
};

struct zeros {
    struct func *f;
    struct cells *cells;
    const struct lanes *lanes;
    struct question asked[ZEROS_BLOCKS];
    unsigned n, insns;
};

enum answer { GO_ON, YES, NO };

static bool same_cell(struct cell a, struct cell b) {
    return same_value(a.root, b.root) && a.off == b.off;
}

static enum answer ask_store(struct zeros *z, value v, const struct question *q) {
    const struct insn *in = ir_at(z->f, v);
    if (!same_cell(cells_address(z->cells, in->a, in->imm), q->c))
        return lanes_apart(z->lanes, q->c.root, q->c.off, 0, in->a, in->imm) ? GO_ON : NO;
    value stored = ir_resolve(z->f, in->b);
    return ir_is_num(z->f, stored, 0) || same_value(stored, q->zero) ? YES : NO;
}

static enum answer ask_insn(struct zeros *z, value v, const struct question *q) {
    const struct insn *in = ir_at(z->f, v);
    if (same_value(v, q->c.root)) {
        if (in->op == OP_PHI)
            return GO_ON;
        return in->op == OP_SCAN && in->imm == q->c.off ? YES : NO;
    }
    if (in->op == OP_STORE)
        return ask_store(z, v, q);
    if (in->op == OP_LOAD && same_value(v, q->zero) &&
        same_cell(cells_address(z->cells, in->a, in->imm), q->c))
        return YES;
    return op_info[in->op].effects & EFF_WRITE ? NO : GO_ON;
}

/* From v upwards. */
static enum answer ask_block(struct zeros *z, value v, const struct question *q) {
    for (; v.i; v = ir_prev(z->f, v)) {
        if (++z->insns > ZEROS_INSNS)
            return NO;
        enum answer a = ask_insn(z, v, q);
        if (a != GO_ON)
            return a;
    }
    return GO_ON;
}

static bool add_question(struct zeros *z, const struct question *q) {
    for (unsigned i = 0; i < z->n; i++)
        if (same_block(z->asked[i].b, q->b) && same_cell(z->asked[i].c, q->c) &&
            same_value(z->asked[i].zero, q->zero))
            return true;
    if (z->n == ZEROS_BLOCKS)
        return false;
    z->asked[z->n++] = *q;
    return true;
}

/* Asks the predecessors of b about cell c of its start. */
static bool ask_above(struct zeros *z, block b, struct cell c) {
    struct func *f = z->f;
    const struct block_data *d = ir_block(f, b);
    bool renamed = ir_is(f, c.root, OP_PHI) && same_block(ir_home(f, c.root), b);
    for (unsigned n = 0; n < d->npred; n++) {
        struct question q = {d->pred[n], c, NO_VALUE};
        if (renamed)
            q.c = cells_address(z->cells, *ir_phi_operand(f, c.root, n), c.off);
        const struct block_data *p = ir_block(f, q.b);
        if (p->nsucc == 2 && same_block(p->succ[1], b))
            q.zero = ir_resolve(f, ir_at(f, p->last)->a);
        if (!add_question(z, &q))
            return false;
    }
    return d->npred > 0;
}

bool zeros_prove(struct func *f, struct cells *cells, const struct lanes *lanes, block b, value v,
                 struct cell c) {
    struct zeros z = {.f = f, .cells = cells, .lanes = lanes};
    struct question first = {b, c, NO_VALUE};
    enum answer a = ask_block(&z, v, &first);
    if (a != GO_ON)
        return a == YES;
    if (!ask_above(&z, b, c))
        return false;
    for (unsigned i = 0; i < z.n; i++) {
        struct question q = z.asked[i];
        a = ask_block(&z, ir_block(f, q.b)->last, &q);
        if (a == NO || (a == GO_ON && !ask_above(&z, q.b, q.c)))
            return false;
    }
    return true;
}
