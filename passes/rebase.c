/* rebase.c: where a moved pointer takes over from the old one, later accesses use the new one.
 *
 *   %5 = move %3 + 9                       %5 = move %3 + 9
 *   %6 = load %3 + 9             =>        %6 = load %5
 *   br %6, b2, b3                          br %6, b2, b3
 *
 * offset-merge makes accesses relative to the oldest pointer there is, which lets other passes see
 * that they are to one array of cells; but then both pointers stay live to the end of the block,
 * and a loop that walks the tape needs a copy and a jump for each step.  This pass comes last and
 * undoes that within a block, so that the old pointer dies where the new one is made, and both get
 * the same register.
 *
 * Linear.  Tests: tests/ir/rebase. */
#include "passes/pass.h"
#include "runtime/alloc.h"

struct rebase {
    struct func *f;
    struct pass_env *env;
    value *moved; /* per value: the last pointer moved from it in the block at hand, or none */
    bool changed;
};

/* Follows the moves made so far in this block from in's pointer on. */
static void rebase_access(struct rebase *r, value v) {
    struct insn *in = ir_at(r->f, v);
    value to = r->moved[in->a.i];
    if (!to.i || !same_block(ir_home(r->f, to), ir_home(r->f, v)) || !pass_may(r->env))
        return;
    in->imm -= ir_at(r->f, to)->imm;
    in->a = to;
    pass_count(r->env, "accesses", 1);
    r->changed = true;
}

static void rebase_block(struct rebase *r, block b) {
    IR_FOR_INSNS (r->f, b, v) {
        const struct insn *in = ir_at(r->f, v);
        if (op_info[in->op].a == KIND_PTR && op_info[in->op].imm != IMM_NONE)
            rebase_access(r, v);
        if (in->op == OP_MOVE)
            r->moved[in->a.i] = v;
    }
}

bool pass_rebase(struct func *f, struct pass_env *env) {
    struct rebase r = {.f = f, .env = env, .moved = xcalloc(f->ninsn, sizeof(value))};
    IR_FOR_BLOCKS (f, b)
        rebase_block(&r, b);
    xfree(r.moved);
    return r.changed;
}
