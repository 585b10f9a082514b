/* selfloop.c: loops of a single block; see selfloop.h. */
#include "passes/selfloop.h"

/* How far back selfloop_holds looks: the test of a loop stands right before it, and a bound keeps
 * the cost of long blocks with many loops behind them linear. */
#define HOLDS_STEPS 64

bool selfloop_find(struct func *f, block b, struct selfloop *l) {
    const struct block_data *d = ir_block(f, b);
    if (d->dead || d->nsucc != 2 || !same_block(d->succ[0], b) || d->npred != 2)
        return false;
    block pre = d->pred[same_block(d->pred[0], b) ? 1 : 0];
    *l = (struct selfloop){.body = b, .pre = pre, .exit = d->succ[1]};
    l->cond = ir_resolve(f, ir_at(f, d->last)->a);
    const struct block_data *p = ir_block(f, pre);
    l->guarded = p->nsucc == 2 && same_block(p->succ[0], b) && same_block(p->succ[1], l->exit);
    if (l->guarded)
        l->guard = ir_resolve(f, ir_at(f, p->last)->a);
    return true;
}

static void mark_operands(struct func *f, block b, value v) {
    for (unsigned n = 0; n < IR_MAX_OPERANDS; n++) {
        value *o = ir_operand(f, v, n);
        if (!o || !o->i)
            continue;
        value w = ir_resolve(f, *o);
        if (!same_block(ir_home(f, w), b))
            ir_at(f, w)->mark = 1;
    }
}

void selfloop_mark_escapes(struct func *f) {
    for (uint32_t i = 1; i < f->ninsn; i++)
        f->insn[i].mark = 0;
    IR_FOR_BLOCKS (f, b) {
        IR_FOR_INSNS (f, b, v)
            mark_operands(f, b, v);
    }
}

bool selfloop_holds(struct cells *c, block b, uint32_t id, value v) {
    struct func *f = c->f;
    value at = ir_terminator(f, b);
    for (unsigned n = 0; n < HOLDS_STEPS && at.i; n++, at = ir_prev(f, at)) {
        const struct insn *in = ir_at(f, at);
        if (ir_clobbers(f, at))
            return false;
        if (in->op != OP_LOAD && in->op != OP_STORE)
            continue;
        uint32_t other = cells_of(c, at);
        if (other == id)
            return same_value(in->op == OP_LOAD ? at : ir_resolve(f, in->b), v);
        if (in->op == OP_STORE && !same_value(c->at[other].root, c->at[id].root))
            return false;
    }
    return false;
}

bool selfloop_phis_agree(struct func *f, const struct selfloop *l) {
    IR_FOR_INSNS (f, l->exit, v) {
        const struct insn *in = ir_at(f, v);
        if (in->op != OP_PHI)
            break;
        if (!same_value(ir_resolve(f, in->a), ir_resolve(f, in->b)))
            return false;
    }
    return true;
}

void selfloop_open(struct func *f, const struct selfloop *l) {
    ir_cut_edge(f, l->body, 0);
}

void block_absorb(struct func *f, block b) {
    for (;;) {
        const struct block_data *d = ir_block(f, b);
        if (d->nsucc != 1 || same_block(d->succ[0], b) || same_block(d->succ[0], f->entry) ||
            ir_block(f, d->succ[0])->npred != 1)
            return;
        ir_merge(f, b, d->succ[0]);
    }
}

block selfloop_inline(struct func *f, const struct selfloop *l) {
    if (l->guarded)
        ir_cut_edge(f, l->pre, 1);
    const struct block_data *p = ir_block(f, l->pre);
    bool joined = p->nsucc == 1;
    block_absorb(f, joined ? l->pre : l->body);
    return joined ? l->pre : l->body;
}

void selfloop_each(struct func *f, selfloop_fn *rewrite, void *pass) {
    selfloop_mark_escapes(f);
    for (uint32_t i = 1, n = f->nblock; i < n; i++) {
        block b = {i};
        if (ir_block(f, b)->dead)
            continue;
        while (b.i)
            b = rewrite(pass, b);
    }
}
