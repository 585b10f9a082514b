/* gvn.c: a computation that was made before on every way here is not made again.
 *
 *   %3 = add %1, %2                    %3 = add %1, %2
 *   br %3, b2, b3                      br %3, b2, b3
 *   b2: %4 = add %2, %1       =>       b2: out %3
 *       out %4
 *
 * Dominator-based value numbering (Briggs, Cooper & Simpson, "Value Numbering", 1997): a walk over
 * the dominator tree with a hash table of the pure instructions seen on the way down; what a block
 * added is taken out when the walk leaves it.  Phis of one block with the same operands are one.
 * Loads are `forward`'s business.
 *
 * Linear.  Tests: tests/ir/gvn. */
#include <string.h>

#include "passes/domtree.h"
#include "passes/pass.h"
#include "runtime/alloc.h"

struct gvn {
    struct func *f;
    struct pass_env *env;
    uint32_t *bucket, size; /* hash table of chains: newest value first; size a power of two */
    uint32_t *link;         /* per value: the next of its chain */
    uint32_t *entered;      /* stack of buckets, in the order their values came */
    uint32_t nentered, entered_cap;
    uint32_t *mark; /* per block: height of the stack when it was entered */
    uint32_t nvalue;
    bool changed;
};

static uint32_t gvn_hash(const struct insn *in, block home) {
    uint64_t h = in->op;
    h = (h ^ in->a.i) * UINT64_C(0x9e3779b97f4a7c15);
    h = (h ^ in->b.i) * UINT64_C(0xbf58476d1ce4e5b9);
    h = (h ^ in->c.i ^ (uint64_t)in->imm ^ home.i) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t)(h >> 32);
}

static bool gvn_same(const struct insn *x, const struct insn *y) {
    return x->op == y->op && same_value(x->a, y->a) && same_value(x->b, y->b) &&
           same_value(x->c, y->c) && x->imm == y->imm;
}

/* Operands as they are now, those of commutative operations in order of their numbers. */
static void gvn_normalize(struct gvn *g, value v) {
    for (unsigned n = 0; n < IR_MAX_OPERANDS; n++) {
        value *o = ir_operand(g->f, v, n);
        if (o)
            *o = ir_resolve(g->f, *o);
    }
    struct insn *in = ir_at(g->f, v);
    if (ir_has(g->f, v, EFF_COMM) && in->a.i > in->b.i) {
        value t = in->a;
        in->a = in->b;
        in->b = t;
        g->changed = true;
    }
}

static void gvn_value(struct gvn *g, block b, value v) {
    if (!ir_has(g->f, v, EFF_PURE) || ir_is(g->f, v, OP_TAPE))
        return;
    gvn_normalize(g, v);
    const struct insn *in = ir_at(g->f, v);
    bool phi = in->op == OP_PHI;
    uint32_t h = gvn_hash(in, phi ? b : NO_BLOCK) & (g->size - 1);
    for (uint32_t w = g->bucket[h]; w != 0; w = g->link[w]) {
        value old = {w};
        if (!gvn_same(ir_at(g->f, old), in) || (phi && !same_block(ir_home(g->f, old), b)))
            continue;
        if (pass_may(g->env)) {
            ir_replace(g->f, v, old);
            pass_count(g->env, "values", 1);
            g->changed = true;
        }
        return;
    }
    g->link[v.i] = g->bucket[h];
    g->bucket[h] = v.i;
    g->entered = xgrow(g->entered, &g->entered_cap, (uint64_t)g->nentered + 1, sizeof(uint32_t));
    g->entered[g->nentered++] = h;
}

static void gvn_enter(struct gvn *g, block b) {
    g->mark[b.i] = g->nentered;
    IR_FOR_INSNS_SAFE (g->f, b, v)
        gvn_value(g, b, v);
}

static void gvn_leave(struct gvn *g, block b) {
    while (g->nentered > g->mark[b.i]) {
        uint32_t h = g->entered[--g->nentered];
        g->bucket[h] = g->link[g->bucket[h]];
    }
}

bool pass_gvn(struct func *f, struct pass_env *env) {
    struct rpo rpo = cfg_rpo(f);
    struct dom dom = cfg_dom(f, &rpo);
    struct domtree tree = domtree_make(f, &rpo, &dom);
    struct gvn g = {.f = f, .env = env, .size = 1024};
    while (g.size < f->ninsn && g.size < (1u << 24))
        g.size *= 2;
    g.bucket = xcalloc(g.size, sizeof *g.bucket);
    g.link = xcalloc(f->ninsn, sizeof *g.link);
    g.mark = xcalloc(f->nblock, sizeof *g.mark);
    while (domtree_next(&tree)) {
        if (tree.leaving)
            gvn_leave(&g, tree.at);
        else
            gvn_enter(&g, tree.at);
    }
    xfree(g.bucket);
    xfree(g.link);
    xfree(g.entered);
    xfree(g.mark);
    domtree_free(&tree);
    cfg_dom_free(&dom);
    cfg_rpo_free(&rpo);
    return g.changed;
}
