/* isel_arith.c: arithmetic in registers.
 *
 *   %3 = mul %2, 10                 lea  r, [a + a * 4]
 *   %4 = add %1, %3            =>   lea  v, [b + r * 2]
 *
 * The machine's arithmetic has two addresses: the result takes the place of the first operand, by
 * the register allocator's hand (MD_TIED).  `lea` has three, and leaves the flags alone. */
#include "backend/x64/isel_parts.h"

/* ---- two-address arithmetic ---- */

const struct forms isel_add_forms = {X64_ADD_RR, X64_ADD_RI, X64_ADD_RM, X64_ADD_MR, X64_ADD_MI};
const struct forms isel_sub_forms = {X64_SUB_RR, X64_SUB_RI, X64_SUB_RM, X64_SUB_MR, X64_SUB_MI};
const struct forms isel_and_forms = {X64_AND_RR, X64_AND_RI, X64_AND_RM, X64_AND_MR, X64_AND_MI};
const struct forms isel_or_forms = {X64_OR_RR, X64_OR_RI, X64_OR_RM, X64_OR_MR, X64_OR_MI};
const struct forms isel_xor_forms = {X64_XOR_RR, X64_XOR_RI, X64_XOR_RM, X64_XOR_MR, X64_XOR_MI};

const struct forms *isel_commutative(enum op op) {
    return op == OP_ADD   ? &isel_add_forms
           : op == OP_AND ? &isel_and_forms
           : op == OP_OR  ? &isel_or_forms
           : op == OP_XOR ? &isel_xor_forms
                          : NULL;
}

/* Size for arithmetic that makes v: flags are right at the cell's own size only. */
static unsigned arith_size(struct isel *x, value v) {
    if (!wants_flags(x, v))
        return x->reg;
    x->provided = true;
    return x->cell;
}

void isel_tied(struct isel *x, value v, const struct forms *op, value a, value b, bool commutes) {
    if (commutes && (is_const(x, a) || (!is_const(x, b) && folds_load(x, a, v)))) {
        value t = a;
        a = b;
        b = t;
    }
    mreg r0 = def(x, v);
    if (is_imm(x, b)) {
        isel_imm(x, op->ri, arith_size(x, v), X64_RULE_op_imm, r0, reg(x, a), number(x, b));
    } else if (!is_const(x, b) && folds_load(x, b, v)) {
        struct minsn in = insn(op->rm, x->cell, X64_RULE_op_mem);
        in.r[0] = r0;
        in.r[1] = reg(x, a);
        isel_set_mem(&in, 2, isel_access(x, b));
        (void)arith_size(x, v);
        select_emit(x->s, in);
    } else {
        mreg r1 = reg(x, a), r2 = reg(x, b);
        isel_emit(x, op->rr, arith_size(x, v), X64_RULE_op_reg, r0, r1, r2);
    }
}

static void emit_neg(struct isel *x, value v, value a) {
    mreg r1 = reg(x, a);
    isel_emit(x, X64_NEG, arith_size(x, v), X64_RULE_neg, def(x, v), r1, NO_REG);
}

static void emit_copy(struct isel *x, value v, value a) {
    mreg r1 = reg(x, a);
    isel_emit(x, X64_MOVE, 8, X64_RULE_mul_one, def(x, v), r1, NO_REG);
}

/* ---- addition and subtraction ---- */

value isel_negated(const struct isel *x, value v, value user) {
    if (is_const(x, v) || !can_fold(x, v, user))
        return NO_VALUE;
    const struct insn *i = at(x, v);
    if (i->op == OP_SUB && is_num(x, i->a, 0) && !is_const(x, i->b))
        return i->b;
    if (i->op == OP_MUL && is_const(x, i->b) && is_num(x, i->b, -1) && !is_const(x, i->a))
        return i->a;
    return NO_VALUE;
}

/* If v is a * 2, 4 or 8 and its user can swallow it: a and the power; else NO_VALUE. */
static value scaled(const struct isel *x, value v, value user, unsigned *power) {
    if (is_const(x, v) || !can_fold(x, v, user))
        return NO_VALUE;
    const struct insn *i = at(x, v);
    if ((i->op != OP_MUL && i->op != OP_SHL) || !is_const(x, i->b) || is_const(x, i->a))
        return NO_VALUE;
    for (*power = 1; *power <= 3; ++*power)
        if (is_num(x, i->b, i->op == OP_SHL ? (int64_t)*power : INT64_C(1) << *power))
            return i->a;
    return NO_VALUE;
}

static void emit_lea_rr(struct isel *x, value v, mreg a, mreg b, unsigned power,
                        enum x64_rule rule) {
    struct minsn in = insn(X64_LEA_RR, x->reg, rule);
    in.r[0] = def(x, v);
    in.r[1] = a;
    in.r[2] = b;
    in.aux = power;
    select_emit(x->s, in);
}

/* May `lea` make v?  It leaves the flags alone, which is bad when they are wanted, good when they
 * are in use, and saves a copy when the operand lives on. */
static bool lea_is_better(const struct isel *x, value v, value a) {
    if (wants_flags(x, v))
        return false;
    return x->pending.i != 0 || x->s->uses[a.i] > 1;
}

static bool emit_add_swallowing(struct isel *x, value v, value a, value b) {
    value n = isel_negated(x, b, v);
    if (n.i != 0) {
        mreg r1 = reg(x, a), r2 = reg(x, n);
        isel_emit(x, X64_SUB_RR, arith_size(x, v), X64_RULE_sub_of_neg, def(x, v), r1, r2);
        return true;
    }
    unsigned power;
    value f = wants_flags(x, v) ? NO_VALUE : scaled(x, b, v, &power);
    if (f.i == 0)
        return false;
    mreg r1 = reg(x, a), r2 = reg(x, f);
    emit_lea_rr(x, v, r1, r2, power, X64_RULE_add_scaled);
    return true;
}

void isel_add(struct isel *x, value v, value a, value b) {
    if (is_const(x, a)) {
        value t = a;
        a = b;
        b = t;
    }
    if (is_imm(x, b) && lea_is_better(x, v, a)) {
        struct minsn in = insn(X64_LEA, x->reg, X64_RULE_add_lea);
        in.r[0] = def(x, v);
        in.r[1] = reg(x, a);
        in.disp = (int32_t)number(x, b);
        select_emit(x->s, in);
        return;
    }
    if (is_const(x, b)) {
        isel_tied(x, v, &isel_add_forms, a, b, true);
        return;
    }
    if (emit_add_swallowing(x, v, a, b) || emit_add_swallowing(x, v, b, a))
        return;
    bool memory = folds_load(x, a, v) || folds_load(x, b, v);
    if (!memory && lea_is_better(x, v, a) && lea_is_better(x, v, b)) {
        mreg r1 = reg(x, a), r2 = reg(x, b);
        emit_lea_rr(x, v, r1, r2, 0, X64_RULE_add_lea_reg);
        return;
    }
    if (x->s->uses[a.i] > 1 && x->s->uses[b.i] == 1 && !folds_load(x, b, v))
        isel_tied(x, v, &isel_add_forms, b, a, true);
    else
        isel_tied(x, v, &isel_add_forms, a, b, true);
}

void isel_sub(struct isel *x, value v, value a, value b) {
    if (is_num(x, a, 0) && !is_const(x, b))
        emit_neg(x, v, b);
    else
        isel_tied(x, v, &isel_sub_forms, a, b, false);
}

void isel_xor(struct isel *x, value v, value a, value b) {
    bool complement = is_const(x, b) && is_num(x, b, -1) && !wants_flags(x, v);
    if (!complement) {
        isel_tied(x, v, &isel_xor_forms, a, b, true);
        return;
    }
    mreg r1 = reg(x, a);
    isel_emit(x, X64_NOT, x->reg, X64_RULE_not, def(x, v), r1, NO_REG);
}

/* ---- multiplication and shifts ---- */

/* n = odd * 2^power with odd one of 1, 3, 5, 9?  (n > 0) */
static bool lea_shift_factor(uint64_t n, unsigned *odd, unsigned *power) {
    *power = (unsigned)__builtin_ctzll(n);
    n >>= *power;
    *odd = (unsigned)(n & 15);
    return n == 1 || n == 3 || n == 5 || n == 9;
}

static void emit_shift_imm(struct isel *x, enum x64_op op, unsigned size, enum x64_rule rule,
                           mreg r0, mreg r1, unsigned n) {
    isel_imm(x, op, size, rule, r0, r1, n);
}

/* v = a * (odd << power). */
static void emit_mul_small(struct isel *x, value v, value a, unsigned odd, unsigned power) {
    mreg r1 = reg(x, a);
    if (odd == 1 && power == 1) {
        emit_lea_rr(x, v, r1, r1, 0, X64_RULE_mul_shift);
        return;
    }
    if (odd == 1) {
        emit_shift_imm(x, X64_SHL_RI, x->reg, X64_RULE_mul_shift, def(x, v), r1, power);
        return;
    }
    struct minsn in = insn(X64_LEA_RR, x->reg, power ? X64_RULE_mul_lea_shift : X64_RULE_mul_lea);
    in.r[0] = power ? select_new_reg(x->s) : def(x, v);
    in.r[1] = in.r[2] = r1;
    in.aux = odd == 3 ? 1 : odd == 5 ? 2 : 3;
    select_emit(x->s, in);
    if (power)
        emit_shift_imm(x, X64_SHL_RI, x->reg, X64_RULE_mul_lea_shift, def(x, v), in.r[0], power);
}

static void emit_mul_const(struct isel *x, value v, value a, value c) {
    int64_t n = number(x, c);
    unsigned odd, power;
    if (n == 0) {
        isel_number(x, def(x, v), 0, X64_RULE_mul_zero);
    } else if (n == 1) {
        emit_copy(x, v, a);
    } else if (n == -1) {
        emit_neg(x, v, a);
    } else if (lea_shift_factor(ir_const_of(x->s->f, c), &odd, &power)) {
        emit_mul_small(x, v, a, odd, power);
    } else if (!fits_imm(n)) {
        mreg r1 = reg(x, a), r2 = reg(x, c);
        isel_emit(x, X64_IMUL_RR, x->reg, X64_RULE_mul_reg, def(x, v), r1, r2);
    } else if (x->cell >= 4 && !is_const(x, a) && folds_load(x, a, v)) {
        struct addr m = isel_access(x, a);
        isel_mem(x, X64_IMUL_RMI, x->cell, X64_RULE_mul_mem_imm, def(x, v), m, NO_REG, n);
    } else {
        mreg r1 = reg(x, a);
        isel_imm(x, X64_IMUL_RRI, x->reg, X64_RULE_mul_imm, def(x, v), r1, n);
    }
}

void isel_mul(struct isel *x, value v, value a, value b) {
    if (is_const(x, a) || (!is_const(x, b) && folds_load(x, a, v))) {
        value t = a;
        a = b;
        b = t;
    }
    if (is_const(x, b)) {
        emit_mul_const(x, v, a, b);
    } else if (x->cell >= 2 && folds_load(x, b, v)) {
        struct minsn in = insn(X64_IMUL_RM, x->cell, X64_RULE_mul_mem);
        in.r[0] = def(x, v);
        in.r[1] = reg(x, a);
        isel_set_mem(&in, 2, isel_access(x, b));
        select_emit(x->s, in);
    } else {
        mreg r1 = reg(x, a), r2 = reg(x, b);
        isel_emit(x, X64_IMUL_RR, x->reg, X64_RULE_mul_reg, def(x, v), r1, r2);
    }
}

unsigned isel_shift_count(const struct isel *x, value c) {
    return (unsigned)(ir_const_of(x->s->f, c) & (x->s->f->cell_bits - 1));
}

void isel_shift(struct isel *x, value v, value a, value b, bool left) {
    unsigned size = left && !wants_flags(x, v) ? x->reg : x->cell;
    if (is_const(x, b)) {
        unsigned n = isel_shift_count(x, b);
        if (n == 0) {
            emit_copy(x, v, a);
            return;
        }
        mreg r1 = reg(x, a);
        x->provided = wants_flags(x, v);
        emit_shift_imm(x, left ? X64_SHL_RI : X64_SHR_RI, size, X64_RULE_shift_imm, def(x, v), r1,
                       n);
        return;
    }
    mreg r1 = reg(x, a), r2 = reg(x, b);
    if (x->cell < 4) { /* the machine takes counts mod 32 */
        mreg masked = select_new_reg(x->s);
        isel_imm(x, X64_AND_RI, 4, X64_RULE_shift_reg, masked, r2, x->s->f->cell_bits - 1);
        r2 = masked;
    }
    isel_emit(x, left ? X64_SHL_RC : X64_SHR_RC, size, X64_RULE_shift_reg, def(x, v), r1, r2);
}
