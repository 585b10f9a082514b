/* tidy.c: blocks that only pass control on go.
 *
 *   b1: ... jmp b2        b2 entered from b1 alone: the two become one block
 *   b1: br %c, b2, b3     b2: jmp b4   =>   b1: br %c, b4, b3
 *   b1: br %c, b2, b4     b2: jmp b4   =>   b1: jmp b4, if no phi of b4 tells the two ways apart
 *
 * One round visits each block once; what a round makes possible waits for the next, TIDY_ROUNDS in
 * all. */
#include "passes/tidy.h"

#define TIDY_ROUNDS 4

struct tidy {
    struct func *f;
    struct pass_env *env;
    unsigned did; /* what tidy_blocks returns */
    bool dropped; /* a block is unreachable now */
};

static bool tidy_may(struct tidy *t, const char *what) {
    if (!pass_may(t->env))
        return false;
    pass_count(t->env, what, 1);
    t->did |= TIDY_CHANGED;
    return true;
}

static void tidy_merge(struct tidy *t, block b) {
    struct func *f = t->f;
    for (;;) {
        const struct block_data *d = ir_block(f, b);
        if (d->nsucc != 1 || same_block(d->succ[0], b))
            return;
        block s = d->succ[0];
        if (ir_block(f, s)->npred != 1 || !tidy_may(t, "blocks_merged"))
            return;
        ir_merge(f, b, s);
    }
}

static bool tidy_is_empty(const struct func *f, block b) {
    const struct block_data *d = ir_block(f, b);
    return same_value(d->first, d->last) && d->nsucc == 1 && d->npred == 1 &&
           !same_block(d->succ[0], b);
}

/* Do the phis of b take the same value from both predecessors? */
static bool tidy_phis_agree(struct func *f, block b) {
    IR_FOR_INSNS (f, b, v) {
        const struct insn *in = ir_at(f, v);
        if (in->op != OP_PHI)
            break;
        if (!same_value(ir_resolve(f, in->a), ir_resolve(f, in->b)))
            return false;
    }
    return true;
}

/* The edge b -> succ[n] leads to an empty block: it leads to that block's successor instead.  The
 * new edge takes the old one's predecessor slot, so phis stay as they are. */
static void tidy_bypass(struct func *f, block b, unsigned n) {
    block e = ir_block(f, b)->succ[n];
    block to = ir_block(f, e)->succ[0];
    unsigned slot = ir_pred_slot(f, e, to);
    ir_block(f, b)->succ[n] = to;
    ir_block(f, to)->pred[slot] = b;
    struct block_data *d = ir_block(f, e);
    d->nsucc = d->npred = 0;
    d->succ[0] = d->pred[0] = NO_BLOCK;
}

static void tidy_branch(struct tidy *t, block b) {
    struct func *f = t->f;
    for (unsigned n = 0; n < 2; n++) {
        const struct block_data *d = ir_block(f, b);
        if (d->nsucc != 2 || !tidy_is_empty(f, d->succ[n]))
            continue;
        block to = ir_block(f, d->succ[n])->succ[0];
        if (!same_block(to, d->succ[1 - n])) {
            if (tidy_may(t, "blocks_bypassed")) {
                tidy_bypass(f, b, n);
                t->dropped = true;
            }
        } else if (tidy_phis_agree(f, to) && tidy_may(t, "branches_removed")) {
            ir_cut_edge(f, b, n);
            t->did |= TIDY_BRANCH;
            t->dropped = true;
        }
    }
}

unsigned tidy_blocks(struct func *f, struct pass_env *env) {
    struct tidy t = {.f = f, .env = env};
    for (unsigned round = 0; round < TIDY_ROUNDS; round++) {
        t.dropped = false;
        IR_FOR_BLOCKS (f, b) {
            tidy_merge(&t, b);
            tidy_branch(&t, b);
        }
        if (!t.dropped)
            break;
        ir_drop_unreachable(f);
    }
    return t.did;
}
