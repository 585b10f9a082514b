/* rebase.c: where a moved pointer takes over from the old one, later accesses use the new one.
 *
 *   %5 = move %3 + 9                       %5 = move %3 + 9
 *   %6 = load %3 + 9             =>        %6 = load %5
 *   br %6, b2, b3                          br %6, b2, b3
 *
 * offset-merge makes accesses relative to the oldest pointer there is, which lets other passes see
 * that they are to one array of cells; but then both pointers stay live to the end of the block,
 * and a loop that walks the tape needs a copy and a jump for each step.  This pass comes last and
 * undoes that, so that the old pointer dies where the new one is made, and both get the same
 * register: within a block always, in other blocks where then nothing is left of the old pointer
 * behind the move.
 *
 * Linear.  Tests: tests/ir/rebase. */
#include "passes/pass.h"
#include "runtime/alloc.h"

struct rebase {
    struct func *f;
    struct pass_env *env;
    value *moved; /* per value: the last pointer moved from it in the block at hand, or none */
    value *home;  /* per value: the last pointer moved from it in its own block, or none */
    bool *kept;   /* per value: a phi uses it */
    uint32_t n;   /* size of these */
    bool changed;
};

/* Can v's pointer operand be another one, at another distance?  Not for SCAN, whose result is
 * relative to it. */
static bool has_distance(const struct func *f, value v) {
    const struct op_info *info = &op_info[ir_at(f, v)->op];
    return info->a == KIND_PTR && info->imm == IMM_OFF;
}

static bool uses_pointer(const struct func *f, value v) {
    return op_info[ir_at(f, v)->op].a == KIND_PTR;
}

/* False: --opt-limit says no. */
static bool rebase_to(struct rebase *r, value v, value to) {
    struct insn *in = ir_at(r->f, v);
    if (!pass_may(r->env))
        return false;
    in->imm -= ir_at(r->f, to)->imm;
    in->a = to;
    pass_count(r->env, "accesses", 1);
    return r->changed = true;
}

/* Within a block: accesses behind a move follow it. */
static void rebase_block(struct rebase *r, block b) {
    IR_FOR_INSNS (r->f, b, v) {
        const struct insn *in = ir_at(r->f, v);
        if (!has_distance(r->f, v))
            continue;
        value to = r->moved[in->a.i];
        while (to.i && same_block(ir_home(r->f, to), b) && rebase_to(r, v, to))
            to = r->moved[in->a.i];
        if (in->op != OP_MOVE)
            continue;
        r->moved[in->a.i] = v; /* from what it now moves */
        if (same_block(ir_home(r->f, in->a), b))
            r->home[in->a.i] = v;
    }
}

static void find_kept(struct rebase *r) {
    IR_FOR_BLOCKS (r->f, b) {
        IR_FOR_INSNS (r->f, b, v) {
            if (!ir_is(r->f, v, OP_PHI))
                break;
            for (unsigned n = 0; n < 2; n++)
                if (ir_operand(r->f, v, n))
                    r->kept[ir_operand(r->f, v, n)->i] = true;
        }
    }
}

/* Other blocks: where a pointer is, what was moved from it in its own block is, too.  They follow
 * if that leaves nothing of the old pointer.  What needs the old pointer itself moves back to it.
 */
static void rebase_others(struct rebase *r, block b) {
    IR_FOR_INSNS (r->f, b, v) {
        value old = uses_pointer(r->f, v) ? ir_at(r->f, v)->a : NO_VALUE;
        if (!old.i || old.i >= r->n || same_block(ir_home(r->f, old), b) || r->kept[old.i])
            continue;
        value to = r->home[old.i];
        if (!to.i)
            continue;
        if (has_distance(r->f, v)) {
            rebase_to(r, v, to);
        } else if (pass_may(r->env)) {
            value back = ir_before(r->f, v, OP_MOVE, to, NO_VALUE, -ir_at(r->f, to)->imm,
                                   ir_at(r->f, v)->src);
            ir_at(r->f, v)->a = back;
            r->changed = true;
        }
    }
}

bool pass_rebase(struct func *f, struct pass_env *env) {
    struct rebase r = {.f = f,
                       .env = env,
                       .n = f->ninsn,
                       .moved = xcalloc(f->ninsn, sizeof(value)),
                       .home = xcalloc(f->ninsn, sizeof(value)),
                       .kept = xcalloc(f->ninsn, sizeof(bool))};
    IR_FOR_BLOCKS (f, b)
        rebase_block(&r, b);
    find_kept(&r);
    IR_FOR_BLOCKS (f, b)
        rebase_others(&r, b);
    xfree(r.moved);
    xfree(r.home);
    xfree(r.kept);
    return r.changed;
}
