/* offset_merge.c: pointer moves sink into the offsets of memory operations.
 *
 *   %2 = move %1 + 3                      %2 = move %1 + 3
 *   %3 = load %2 + 1               =>     %3 = load %1 + 4
 *   %4 = scan %2, step 2                  %4 = scan %1 + 3, step 2
 *                                         %5 = move %4 + 3      (for the uses of %4)
 *
 * Every pointer is a root plus a distance: a union-find forest with weights, built in one sweep in
 * reverse post-order.  A phi whose incoming pointers are the same distance from the same root, or
 * are the phi itself, is no root: behind the back edge of a balanced loop its pointer is found to
 * be the one before the loop, innermost loops first, so nests of any depth take one sweep.  A
 * second sweep rewrites each memory operation, move and scan in terms of its root.
 *
 * An offset stays small enough that offset * 8 is a 32-bit displacement; a move that would take an
 * operation beyond that stays in front of it.  Moves that lose their uses are left to dce.
 * Tests: tests/ir/offset-merge. */
#include "ir/cfg.h"
#include "passes/pass.h"
#include "runtime/alloc.h"

#define OFFSET_MAX ((INT64_C(1) << 28) - 1)

struct place {
    value root;
    int64_t off;
};

struct offset_merge {
    struct func *f;
    struct pass_env *env;
    struct rpo rpo;
    struct place *up; /* one step towards the root; root is NO_VALUE for a root itself */
    uint32_t nup, up_cap;
    bool changed;
};

static bool offset_fits(int64_t off) {
    return off >= -OFFSET_MAX && off <= OFFSET_MAX;
}

static bool offset_may(struct offset_merge *om, const char *what) {
    if (!pass_may(om->env))
        return false;
    pass_count(om->env, what, 1);
    om->changed = true;
    return true;
}

/* ---- the forest ---- */

static struct place *offset_up(struct offset_merge *om, value v) {
    while (om->nup <= v.i) {
        om->up = xgrow(om->up, &om->up_cap, (uint64_t)om->nup + 1, sizeof *om->up);
        om->up[om->nup++] = (struct place){NO_VALUE, 0};
    }
    return &om->up[v.i];
}

/* The root of v and the distance to it.  Halves the path on the way.  Every single step is at most
 * OFFSET_MAX long, so sums along 2^32 of them stay below 2^60. */
static struct place offset_find(struct offset_merge *om, value v) {
    struct place at = {ir_resolve(om->f, v), 0};
    for (;;) {
        struct place *up = offset_up(om, at.root);
        if (!up->root.i)
            return at;
        struct place next = om->up[up->root.i];
        if (next.root.i)
            *up = (struct place){next.root, up->off + next.off};
        at = (struct place){up->root, at.off + up->off};
    }
}

static void offset_link(struct offset_merge *om, value v, struct place to) {
    (void)offset_up(om, to.root);
    *offset_up(om, v) = to;
}

/* A phi that is always the same distance from one root joins its tree. */
static void offset_phi(struct offset_merge *om, value v) {
    struct func *f = om->f;
    const struct insn *in = ir_at(f, v);
    if (in->kind != KIND_PTR || offset_up(om, v)->root.i)
        return;
    struct place a = offset_find(om, in->a), b = in->b.i ? offset_find(om, in->b) : a;
    if (same_value(a.root, v) && a.off == 0)
        a = b;
    if (same_value(b.root, v) && b.off == 0)
        b = a;
    if (same_value(a.root, v) || !same_value(a.root, b.root) || a.off != b.off ||
        !offset_fits(a.off))
        return;
    offset_link(om, v, a);
}

static void offset_visit(struct offset_merge *om, value v) {
    struct func *f = om->f;
    const struct insn *in = ir_at(f, v);
    if (in->op == OP_MOVE && offset_fits(in->imm))
        offset_link(om, v, (struct place){ir_resolve(f, in->a), in->imm});
}

/* The phis at the targets of b's back edges: all that reaches them is known now. */
static void offset_back_edges(struct offset_merge *om, block b) {
    struct func *f = om->f;
    const struct block_data *d = ir_block(f, b);
    for (unsigned n = 0; n < d->nsucc; n++) {
        if (om->rpo.pos[d->succ[n].i] > om->rpo.pos[b.i])
            continue;
        IR_FOR_INSNS (f, d->succ[n], v) {
            if (!ir_is(f, v, OP_PHI))
                break;
            offset_phi(om, v);
        }
    }
}

/* Were all predecessors of b visited?  Else its phis wait for the back edge. */
static bool offset_is_join(struct offset_merge *om, block b) {
    const struct block_data *d = ir_block(om->f, b);
    for (unsigned n = 0; n < d->npred; n++)
        if (om->rpo.pos[d->pred[n].i] >= om->rpo.pos[b.i])
            return false;
    return true;
}

static void offset_build(struct offset_merge *om) {
    struct func *f = om->f;
    for (uint32_t i = 0; i < om->rpo.n; i++) {
        block b = om->rpo.order[i];
        bool join = offset_is_join(om, b);
        IR_FOR_INSNS (f, b, v) {
            if (!ir_is(f, v, OP_PHI))
                offset_visit(om, v);
            else if (join)
                offset_phi(om, v);
        }
        offset_back_edges(om, b);
    }
}

/* ---- rewriting ---- */

/* A phi that joined a tree: the pointer it always is. */
static void offset_rewrite_phi(struct offset_merge *om, block b, value v) {
    struct func *f = om->f;
    if (!offset_up(om, v)->root.i)
        return;
    struct place at = offset_find(om, v);
    if (!offset_fits(at.off) || !offset_may(om, "phis"))
        return;
    if (at.off == 0) {
        ir_replace(f, v, at.root);
        return;
    }
    value after = ir_block(f, b)->first;
    while (ir_is(f, after, OP_PHI))
        after = ir_next(f, after);
    value move = ir_before(f, after, OP_MOVE, at.root, NO_VALUE, at.off, ir_at(f, after)->src);
    offset_link(om, move, at);
    ir_replace(f, v, move);
}

static void offset_rewrite_move(struct offset_merge *om, value v) {
    struct func *f = om->f;
    struct place at = offset_find(om, v);
    if (same_value(at.root, v))
        return;
    if (at.off == 0) {
        if (offset_may(om, "moves"))
            ir_replace(f, v, at.root);
        return;
    }
    struct insn *in = ir_at(f, v);
    bool same = same_value(ir_resolve(f, in->a), at.root) && in->imm == at.off;
    if (same || !offset_fits(at.off) || !offset_may(om, "moves"))
        return;
    in->a = at.root;
    in->imm = at.off;
}

/* Splits the pointer a memory operation uses, if its offset allows. */
static bool offset_of(struct offset_merge *om, value v, struct place *at) {
    const struct insn *in = ir_at(om->f, v);
    *at = offset_find(om, in->a);
    return at->off != 0 && offset_fits(at->off) && offset_fits(in->imm) &&
           offset_fits(at->off + in->imm);
}

static void offset_rewrite_access(struct offset_merge *om, value v) {
    struct insn *in = ir_at(om->f, v);
    struct place at;
    if (!offset_of(om, v, &at) || !offset_may(om, "offsets"))
        return;
    in->a = at.root;
    in->imm += at.off;
}

/* The scan starts at the root instead, and what used its result is as far off as before. */
static void offset_rewrite_scan(struct offset_merge *om, value v) {
    struct func *f = om->f;
    struct place at;
    if (!offset_of(om, v, &at) || !offset_may(om, "scans"))
        return;
    struct insn old = *ir_at(f, v);
    value scan = ir_before(f, v, OP_SCAN, at.root, NO_VALUE, old.imm + at.off, old.src);
    ir_at(f, scan)->stride = old.stride;
    ir_at(f, scan)->trap = old.trap;
    *ir_at(f, v) =
        (struct insn){.op = OP_MOVE, .kind = KIND_PTR, .a = scan, .src = old.src, .imm = at.off};
    offset_link(om, v, (struct place){scan, at.off});
}

static void offset_rewrite(struct offset_merge *om, block b, value v) {
    switch ((enum op)ir_at(om->f, v)->op) {
    case OP_PHI:
        offset_rewrite_phi(om, b, v);
        break;
    case OP_MOVE:
        offset_rewrite_move(om, v);
        break;
    case OP_SCAN:
        offset_rewrite_scan(om, v);
        break;
    case OP_LOAD:
    case OP_STORE:
    case OP_TOUCH:
    case OP_HASH:
    case OP_CALL:
    case OP_SAME:
    case OP_TRAP:
        offset_rewrite_access(om, v);
        break;
    case OP_NOP:
    case OP_COPY:
    case OP_CONST:
    case OP_TAPE:
    case OP_ADD:
    case OP_SUB:
    case OP_MUL:
    case OP_AND:
    case OP_OR:
    case OP_XOR:
    case OP_SHL:
    case OP_SHR:
    case OP_EQ:
    case OP_NE:
    case OP_ULT:
    case OP_SELECT:
    case OP_IN:
    case OP_OUT:
    case OP_LOOKUP:
    case OP_OUTS:
    case OP_JMP:
    case OP_BR:
    case OP_RET:
    case OP_COUNT:
        break;
    }
}

bool pass_offset_merge(struct func *f, struct pass_env *env) {
    struct offset_merge om = {.f = f, .env = env, .rpo = cfg_rpo(f)};
    om.up = xcalloc(f->ninsn, sizeof *om.up);
    om.nup = om.up_cap = f->ninsn;
    offset_build(&om);
    for (uint32_t i = 0; i < om.rpo.n; i++) {
        block b = om.rpo.order[i];
        IR_FOR_INSNS_SAFE (f, b, v)
            offset_rewrite(&om, b, v);
    }
    cfg_rpo_free(&om.rpo);
    xfree(om.up);
    return om.changed;
}
