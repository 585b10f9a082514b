/* isel_store.c: stores, and cells changed in place.
 *
 *   %2 = load %1
 *   %3 = add %2, 5             =>   add  byte [%1], 5
 *   store %1, %3
 *
 * The load must be able to sink to the store (select_can_fold), the sum must have no other user. */
#include "backend/x64/isel_parts.h"

/* Is `load` the cell that `store` writes, and can it sink there? */
static bool is_old_value(const struct isel *x, value load, value store) {
    return !is_const(x, load) && folds_load(x, load, store) &&
           select_same_cell(x->s->f, load, store);
}

/* The access that reads and writes one cell: where it may trap, the load comes first. */
static struct addr access_both(struct isel *x, value load, value store) {
    bool first = at(x, load)->trap == MAY_TRAP;
    select_take(x->s, load);
    return isel_access(x, first ? load : store);
}

static void emit_rmw(struct isel *x, value store, value load, const struct forms *op, value b) {
    bool add = op->mi == X64_ADD_MI;
    value n = add ? isel_negated(x, b, store) : NO_VALUE;
    if (is_imm(x, b)) {
        struct addr m = access_both(x, load, store);
        isel_mem(x, op->mi, x->cell, X64_RULE_rmw_imm, NO_REG, m, NO_REG, number(x, b));
    } else if (n.i != 0) {
        mreg r = reg(x, n);
        struct addr m = access_both(x, load, store);
        isel_mem(x, X64_SUB_MR, x->cell, X64_RULE_rmw_sub_of_neg, NO_REG, m, r, 0);
    } else {
        mreg r = reg(x, b);
        struct addr m = access_both(x, load, store);
        isel_mem(x, op->mr, x->cell, X64_RULE_rmw_reg, NO_REG, m, r, 0);
    }
}

/* NEG, NOT, SHL and SHR of the stored cell itself. */
static void emit_rmw_unary(struct isel *x, value store, value load, enum x64_op op, unsigned imm,
                           enum x64_rule rule) {
    struct addr m = access_both(x, load, store);
    isel_mem(x, op, x->cell, rule, NO_REG, m, NO_REG, imm);
}

/* store p + k, v  where v is the old value `load` (its operand a, or else b) changed in place; true
 * if there is a form for it. */
static bool emit_in_place(struct isel *x, value store, value v, value load, bool is_a) {
    const struct insn *i = at(x, v);
    value other = is_a ? i->b : i->a;
    const struct forms *forms = isel_commutative(i->op);
    bool shift = i->op == OP_SHL || i->op == OP_SHR;
    if (i->op == OP_XOR && !wants_flags(x, v) && is_const(x, other) && is_num(x, other, -1))
        emit_rmw_unary(x, store, load, X64_NOT_M, 0, X64_RULE_rmw_not);
    else if (forms != NULL)
        emit_rmw(x, store, load, forms, other);
    else if (i->op == OP_SUB && is_a)
        emit_rmw(x, store, load, &isel_sub_forms, other);
    else if (i->op == OP_SUB && is_const(x, other) && is_num(x, other, 0))
        emit_rmw_unary(x, store, load, X64_NEG_M, 0, X64_RULE_rmw_neg);
    else if (shift && is_a && is_const(x, other) && isel_shift_count(x, other) != 0)
        emit_rmw_unary(x, store, load, i->op == OP_SHL ? X64_SHL_MI : X64_SHR_MI,
                       isel_shift_count(x, other), X64_RULE_rmw_imm);
    else
        return false;
    x->provided = wants_flags(x, v);
    return true;
}

/* store p + k, (load p + k) op b  where `a op b` is v; true if it matched. */
static bool try_rmw(struct isel *x, value store, value v) {
    const struct insn *i = at(x, v);
    if (op_info[i->op].a != KIND_CELL || op_info[i->op].b != KIND_CELL)
        return false;
    if (is_old_value(x, i->a, store))
        return emit_in_place(x, store, v, i->a, true);
    return is_old_value(x, i->b, store) && emit_in_place(x, store, v, i->b, false);
}

void isel_store(struct isel *x, value v) {
    value a = at(x, v)->b;
    if (is_imm(x, a)) {
        struct addr m = isel_access(x, v);
        isel_mem(x, X64_MOV_MI, x->cell, X64_RULE_store_imm, NO_REG, m, NO_REG, number(x, a));
        return;
    }
    /* The branch that reads the value's flags is no obstacle: the memory form sets them too. */
    bool only = !is_const(x, a) && x->s->vreg[a.i] == NO_REG &&
                x->s->uses[a.i] == 1 + (uint32_t)wants_flags(x, a) && select_can_sink(x->s, a, v);
    if (only && try_rmw(x, v, a))
        return;
    mreg r = reg(x, a);
    struct addr m = isel_access(x, v);
    isel_mem(x, X64_MOV_MR, x->cell, X64_RULE_store, NO_REG, m, r, 0);
}
