/* dce.c: values nobody uses go, and so do blocks nothing reaches.
 *
 *   %2 = load %1 + 3
 *   %3 = add %2, 1
 *   %4 = phi %3, %4        =>   (nothing: none of them is stored, printed or tested)
 *
 * What writes, does input or output, or ends a block is needed, and so is what a needed instruction
 * uses; all else goes, cycles of phis included.  An access whose result is not used goes although
 * it might be off the tape (the default promise); under --strict a touch before each access keeps
 * the error, and a scan, which has accesses of its own, stays.
 * Tests: tests/ir/dce. */
#include "passes/pass.h"
#include "passes/tidy.h"
#include "runtime/alloc.h"

#define DCE_ROUNDS 4

struct dce {
    struct func *f;
    value *stack; /* needed, operands not yet looked at */
    uint32_t n, cap;
};

static bool dce_is_root(const struct func *f, value v) {
    const struct insn *in = ir_at(f, v);
    if (op_info[in->op].effects & (EFF_WRITE | EFF_IO | EFF_END))
        return true;
    return f->strict && in->op == OP_SCAN && in->trap == MAY_TRAP;
}

static void dce_need(struct dce *d, value v) {
    struct insn *in = ir_at(d->f, v);
    if (in->mark)
        return;
    in->mark = 1;
    d->stack = xgrow(d->stack, &d->cap, (uint64_t)d->n + 1, sizeof *d->stack);
    d->stack[d->n++] = v;
}

static void dce_mark(struct dce *d) {
    struct func *f = d->f;
    for (uint32_t i = 1; i < f->ninsn; i++)
        f->insn[i].mark = 0;
    IR_FOR_BLOCKS (f, b)
        IR_FOR_INSNS (f, b, v)
            if (dce_is_root(f, v))
                dce_need(d, v);
    while (d->n > 0) {
        value v = d->stack[--d->n];
        for (unsigned k = 0; k < IR_MAX_OPERANDS; k++) {
            value *o = ir_operand(f, v, k);
            if (o)
                dce_need(d, ir_resolve(f, *o));
        }
    }
}

static const char *dce_counter(enum op op) {
    return op == OP_LOAD ? "loads_removed" : op == OP_PHI ? "phis_removed" : "values_removed";
}

/* Removes what is not marked.  For --opt-limit this is one rewrite: half a cycle cannot go. */
static bool dce_sweep(struct func *f, struct pass_env *env) {
    bool changed = false;
    IR_FOR_BLOCKS (f, b) {
        IR_FOR_INSNS_SAFE (f, b, v) {
            if (ir_at(f, v)->mark)
                continue;
            if (!changed && !pass_may(env))
                return false;
            pass_count(env, dce_counter(ir_at(f, v)->op), 1);
            ir_remove(f, v);
            changed = true;
        }
    }
    return changed;
}

bool pass_dce(struct func *f, struct pass_env *env) {
    struct dce d = {.f = f};
    bool changed = ir_drop_unreachable(f);
    /* Blocks emptied of dead values may make a br superfluous, and thereby its condition dead.  The
     * last round only sweeps: what stays is needed. */
    for (unsigned round = 0; round <= DCE_ROUNDS; round++) {
        dce_mark(&d);
        changed |= dce_sweep(f, env);
        unsigned tidied = round < DCE_ROUNDS ? tidy_blocks(f, env) : 0;
        changed |= tidied != 0;
        if (!(tidied & TIDY_BRANCH))
            break;
    }
    xfree(d.stack);
    return changed;
}
