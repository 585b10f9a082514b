/* isel.c: x86-64 instruction selection.
 *
 *   %2 = load %1 + 5                 add  byte [%1 + 5], -1
 *   %3 = add %2, -1            =>    jnz  b1
 *   store %1 + 5, %3
 *   br %3, b1, b2
 *
 * select.c walks the function backwards and calls x64_insn for each instruction that must make
 * code; the cases below are the rules of rules.def.  Three things run through all of them:
 *
 * Sizes.  A cell of 8 or 16 bits lives in a 32-bit register whose bits beyond the cell are
 * undefined.  Arithmetic whose low bits depend on low bits only is done at 32 bits, what looks at
 * the whole value (comparisons, shifts right, memory, flags) at the cell's size.
 *
 * Folding.  A load with one user becomes its memory operand when it can sink there
 * (select_can_fold).
 *
 * Flags.  `br` on a value computed by arithmetic in the same block makes no test: the value is
 * remembered as `pending`, and its instruction (or the store that swallows it) is then selected so
 * that its zero flag is right.  Should an instruction in between clobber the flags, a test is put
 * right behind that one.  The register allocator inserts only moves, which leave flags alone. */
#include "backend/x64/isel.h"

#include <stddef.h>

#include "backend/select.h"
#include "backend/x64/scan.h"
#include "runtime/rt.h"

const struct x64_rule_info x64_rule_info[X64_RULE_COUNT] = {
#define RULE(name, matches, makes) {#name, matches, makes},
#include "backend/x64/rules.def"
#undef RULE
};

const char *x64_rule_name(unsigned rule) {
    return x64_rule_info[rule].name;
}

struct isel {
    struct select *s;
    unsigned cell; /* bytes of a cell */
    unsigned reg;  /* bytes at which cells are computed in registers: 4 or 8 */
    bool check_bounds;
    value pending; /* value whose zero flag the branch below reads; NO_VALUE: none */
    bool provided; /* the present group ends with the flags of `pending` */
};

/* Every call from select.c starts here. */
static struct isel *isel_of(struct select *s) {
    struct isel *x = s->ctx;
    x->s = s;
    return x;
}
static const struct insn *at(const struct isel *x, value v) {
    return ir_at(x->s->f, v);
}
static bool is(const struct isel *x, value v, enum op op) {
    return ir_is(x->s->f, v, op);
}
static bool is_const(const struct isel *x, value v) {
    return ir_is_const(x->s->f, v);
}
static bool is_num(const struct isel *x, value v, int64_t n) {
    return ir_is_num(x->s->f, v, (uint64_t)n);
}
static bool can_fold(const struct isel *x, value v, value user) {
    return select_can_fold(x->s, v, user);
}
static bool folds_load(const struct isel *x, value v, value user) {
    return is(x, v, OP_LOAD) && can_fold(x, v, user);
}
static mreg reg(struct isel *x, value v) {
    return select_reg(x->s, v);
}
static mreg def(struct isel *x, value v) {
    return select_def(x->s, v);
}

/* ---- constants ---- */

/* The number of constant v as a signed one of the cell's width. */
static int64_t number(const struct isel *x, value v) {
    uint64_t n = ir_const_of(x->s->f, v);
    unsigned shift = 64 - x->s->f->cell_bits;
    return (int64_t)(n << shift) >> shift;
}

static bool fits_imm(int64_t n) {
    return n == (int32_t)n;
}

/* Is v a constant that an instruction can carry? */
static bool is_imm(const struct isel *x, value v) {
    return is_const(x, v) && fits_imm(number(x, v));
}

/* ---- emitting ---- */

static struct minsn insn(enum x64_op op, unsigned size, enum x64_rule rule) {
    struct minsn in = select_insn(op, size);
    in.rule = (uint16_t)rule;
    return in;
}

static void emit(struct isel *x, enum x64_op op, unsigned size, enum x64_rule rule, mreg r0,
                 mreg r1, mreg r2) {
    struct minsn in = insn(op, size, rule);
    in.r[0] = r0;
    in.r[1] = r1;
    in.r[2] = r2;
    select_emit(x->s, in);
}

static void emit_imm(struct isel *x, enum x64_op op, unsigned size, enum x64_rule rule, mreg r0,
                     mreg r1, int64_t imm) {
    struct minsn in = insn(op, size, rule);
    in.r[0] = r0;
    in.r[1] = r1;
    in.imm = imm;
    select_emit(x->s, in);
}

/* r = n, never by `xor`: flags may be in use. */
static void emit_number(struct isel *x, mreg r, int64_t n, enum x64_rule rule) {
    unsigned size = n >= 0 && n <= UINT32_MAX ? 4 : x->reg;
    if (size == 4)
        n = (int32_t)(uint32_t)n;
    if (!fits_imm(n))
        size = 8;
    emit_imm(x, X64_MOV_RI, size, rule, r, NO_REG, n);
}

static void x64_constant(struct select *s, value c, mreg r) {
    struct isel *x = isel_of(s);
    emit_number(x, r, number(x, c), X64_RULE_constant);
}

static void emit_jcc(struct isel *x, unsigned cc, select_label to, enum x64_rule rule) {
    struct minsn in = insn(X64_JCC, 0, rule);
    in.cond = (uint8_t)cc;
    select_branch(x->s, in, to);
}

/* ---- memory operands ---- */

struct addr {
    mreg base;
    int32_t disp;
    bool trap;
    uint32_t src;
};

/* base + bytes as an address; far displacements go through a register. */
static struct addr address(struct isel *x, mreg base, int64_t bytes) {
    if (fits_imm(bytes))
        return (struct addr){.base = base, .disp = (int32_t)bytes};
    mreg far = select_new_reg(x->s), sum = select_new_reg(x->s);
    emit_imm(x, X64_MOV_RI, 8, X64_RULE_big_offset, far, NO_REG, bytes);
    emit(x, X64_LEA_RR, 8, X64_RULE_big_offset, sum, base, far);
    return (struct addr){.base = sum};
}

static int64_t cells_to_bytes(const struct isel *x, int64_t k) {
    return (int64_t)((uint64_t)k * x->cell);
}

/* dst = base + disp. */
static void emit_lea(struct isel *x, mreg dst, struct addr a, enum x64_rule rule) {
    struct minsn in = insn(X64_LEA, 8, rule);
    in.r[0] = dst;
    in.r[1] = a.base;
    in.disp = a.disp;
    select_emit(x->s, in);
}

/* Compares the address with the tape's limits: t = address - rt->tape.base must be below
 * rt->tape.bytes, else the run ends in a block out of the way. */
static void emit_check(struct isel *x, struct addr a) {
    struct select *s = x->s;
    mreg where = a.base, rt = select_new_reg(s), t = select_new_reg(s);
    if (a.disp != 0) {
        where = select_new_reg(s);
        emit_lea(x, where, a, X64_RULE_check);
    }
    struct minsn load = insn(X64_LOAD_RT, 8, X64_RULE_check);
    load.r[0] = rt;
    load.disp = -2;
    select_emit(s, load);
    struct minsn sub = insn(X64_SUB_RM, 8, X64_RULE_check);
    sub.r[0] = t;
    sub.r[1] = where;
    sub.r[2] = rt;
    sub.disp = offsetof(struct rt, tape.base);
    select_emit(s, sub);
    struct minsn cmp = insn(X64_CMP_RM, 8, X64_RULE_check);
    cmp.r[1] = t;
    cmp.r[2] = rt;
    cmp.disp = offsetof(struct rt, tape.bytes);
    select_emit(s, cmp);
    struct minsn trap = insn(X64_TRAP, 8, X64_RULE_check);
    trap.r[1] = where;
    trap.src = a.src;
    select_label on = select_new_label(s);
    emit_jcc(x, X64_CC_AE, select_cold(s, trap), X64_RULE_check);
    select_jump(s, on);
    select_place(s, on);
}

/* The operand of the memory access v (LOAD, STORE, TOUCH), checked if need be. */
static struct addr access(struct isel *x, value v) {
    const struct insn *i = at(x, v);
    struct addr a = address(x, reg(x, i->a), cells_to_bytes(x, i->imm));
    a.trap = i->trap == MAY_TRAP;
    a.src = i->src;
    select_take(x->s, v);
    if (a.trap && x->check_bounds) {
        emit_check(x, a);
        a.trap = false;
    }
    return a;
}

/* Gives `in` its memory operand; the base is register operand n. */
static void set_mem(struct minsn *in, unsigned n, struct addr a) {
    in->r[n] = a.base;
    in->disp = a.disp;
    in->trap = a.trap;
    if (a.trap)
        in->src = a.src;
}

static void emit_mem(struct isel *x, enum x64_op op, unsigned size, enum x64_rule rule, mreg r0,
                     struct addr a, mreg r2, int64_t imm) {
    struct minsn in = insn(op, size, rule);
    in.r[0] = r0;
    set_mem(&in, 1, a);
    in.r[2] = r2;
    in.imm = imm;
    select_emit(x->s, in);
}

static void emit_load(struct isel *x, mreg dst, struct addr a, enum x64_rule rule) {
    enum x64_op op = x->cell == 1 ? X64_MOVZX_RM1 : x->cell == 2 ? X64_MOVZX_RM2 : X64_MOV_RM;
    emit_mem(x, op, x->reg, rule, dst, a, NO_REG, 0);
}

/* ---- two-address arithmetic ---- */

/* The forms of one operation. */
struct forms {
    enum x64_op rr, ri, rm, mr, mi;
};
static const struct forms add_forms = {X64_ADD_RR, X64_ADD_RI, X64_ADD_RM, X64_ADD_MR, X64_ADD_MI};
static const struct forms sub_forms = {X64_SUB_RR, X64_SUB_RI, X64_SUB_RM, X64_SUB_MR, X64_SUB_MI};
static const struct forms and_forms = {X64_AND_RR, X64_AND_RI, X64_AND_RM, X64_AND_MR, X64_AND_MI};
static const struct forms or_forms = {X64_OR_RR, X64_OR_RI, X64_OR_RM, X64_OR_MR, X64_OR_MI};
static const struct forms xor_forms = {X64_XOR_RR, X64_XOR_RI, X64_XOR_RM, X64_XOR_MR, X64_XOR_MI};

/* Are the flags of v, now being selected, what the branch below reads? */
static bool wants_flags(const struct isel *x, value v) {
    return same_value(x->pending, v);
}

/* Size for arithmetic that makes v: flags are right at the cell's own size only. */
static unsigned arith_size(struct isel *x, value v) {
    if (!wants_flags(x, v))
        return x->reg;
    x->provided = true;
    return x->cell;
}

/* v = a op b in registers, b perhaps an immediate or in memory. */
static void emit_tied(struct isel *x, value v, const struct forms *op, value a, value b,
                      bool commutes) {
    if (commutes && (is_const(x, a) || (!is_const(x, b) && folds_load(x, a, v)))) {
        value t = a;
        a = b;
        b = t;
    }
    mreg r0 = def(x, v);
    if (is_imm(x, b)) {
        emit_imm(x, op->ri, arith_size(x, v), X64_RULE_op_imm, r0, reg(x, a), number(x, b));
    } else if (!is_const(x, b) && folds_load(x, b, v)) {
        struct minsn in = insn(op->rm, x->cell, X64_RULE_op_mem);
        in.r[0] = r0;
        in.r[1] = reg(x, a);
        set_mem(&in, 2, access(x, b));
        (void)arith_size(x, v);
        select_emit(x->s, in);
    } else {
        mreg r1 = reg(x, a), r2 = reg(x, b);
        emit(x, op->rr, arith_size(x, v), X64_RULE_op_reg, r0, r1, r2);
    }
}

static void emit_neg(struct isel *x, value v, value a) {
    mreg r1 = reg(x, a);
    emit(x, X64_NEG, arith_size(x, v), X64_RULE_neg, def(x, v), r1, NO_REG);
}

static void emit_copy(struct isel *x, value v, value a) {
    mreg r1 = reg(x, a);
    emit(x, X64_MOVE, 8, X64_RULE_mul_one, def(x, v), r1, NO_REG);
}

/* ---- addition and subtraction ---- */

/* If v is -a and its user can swallow it: a; else NO_VALUE. */
static value negated(const struct isel *x, value v, value user) {
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
    value n = negated(x, b, v);
    if (n.i != 0) {
        mreg r1 = reg(x, a), r2 = reg(x, n);
        emit(x, X64_SUB_RR, arith_size(x, v), X64_RULE_sub_of_neg, def(x, v), r1, r2);
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

static void emit_add(struct isel *x, value v, value a, value b) {
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
        emit_tied(x, v, &add_forms, a, b, true);
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
        emit_tied(x, v, &add_forms, b, a, true);
    else
        emit_tied(x, v, &add_forms, a, b, true);
}

static void emit_sub(struct isel *x, value v, value a, value b) {
    if (is_num(x, a, 0) && !is_const(x, b))
        emit_neg(x, v, b);
    else
        emit_tied(x, v, &sub_forms, a, b, false);
}

static void emit_xor(struct isel *x, value v, value a, value b) {
    bool complement = is_const(x, b) && is_num(x, b, -1) && !wants_flags(x, v);
    if (!complement) {
        emit_tied(x, v, &xor_forms, a, b, true);
        return;
    }
    mreg r1 = reg(x, a);
    emit(x, X64_NOT, x->reg, X64_RULE_not, def(x, v), r1, NO_REG);
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
    emit_imm(x, op, size, rule, r0, r1, n);
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
        emit_number(x, def(x, v), 0, X64_RULE_mul_zero);
    } else if (n == 1) {
        emit_copy(x, v, a);
    } else if (n == -1) {
        emit_neg(x, v, a);
    } else if (lea_shift_factor(ir_const_of(x->s->f, c), &odd, &power)) {
        emit_mul_small(x, v, a, odd, power);
    } else if (!fits_imm(n)) {
        mreg r1 = reg(x, a), r2 = reg(x, c);
        emit(x, X64_IMUL_RR, x->reg, X64_RULE_mul_reg, def(x, v), r1, r2);
    } else if (x->cell >= 4 && !is_const(x, a) && folds_load(x, a, v)) {
        struct addr m = access(x, a);
        emit_mem(x, X64_IMUL_RMI, x->cell, X64_RULE_mul_mem_imm, def(x, v), m, NO_REG, n);
    } else {
        mreg r1 = reg(x, a);
        emit_imm(x, X64_IMUL_RRI, x->reg, X64_RULE_mul_imm, def(x, v), r1, n);
    }
}

static void emit_mul(struct isel *x, value v, value a, value b) {
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
        set_mem(&in, 2, access(x, b));
        select_emit(x->s, in);
    } else {
        mreg r1 = reg(x, a), r2 = reg(x, b);
        emit(x, X64_IMUL_RR, x->reg, X64_RULE_mul_reg, def(x, v), r1, r2);
    }
}

/* The count of a shift by the constant c. */
static unsigned shift_count(const struct isel *x, value c) {
    return (unsigned)(ir_const_of(x->s->f, c) & (x->s->f->cell_bits - 1));
}

/* v = a shifted by b; shifting right looks at the whole cell, and so do flags. */
static void emit_shift(struct isel *x, value v, value a, value b, bool left) {
    unsigned size = left && !wants_flags(x, v) ? x->reg : x->cell;
    if (is_const(x, b)) {
        unsigned n = shift_count(x, b);
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
        emit_imm(x, X64_AND_RI, 4, X64_RULE_shift_reg, masked, r2, x->s->f->cell_bits - 1);
        r2 = masked;
    }
    emit(x, left ? X64_SHL_RC : X64_SHR_RC, size, X64_RULE_shift_reg, def(x, v), r1, r2);
}

/* ---- comparisons ---- */

static void emit_cmp_imm(struct isel *x, value a, int64_t imm, value user, enum x64_rule rule) {
    if (!is_const(x, a) && folds_load(x, a, user)) {
        struct addr m = access(x, a);
        emit_mem(x, X64_CMP_MI, x->cell, X64_RULE_cmp_mem_imm, NO_REG, m, NO_REG, imm);
        return;
    }
    mreg r1 = reg(x, a);
    if (imm == 0)
        emit(x, X64_TEST_RR, x->cell, rule, NO_REG, r1, r1);
    else
        emit_imm(x, X64_CMP_RI, x->cell, rule, NO_REG, r1, imm);
}

/* cmp a, b, made right before `user`. */
static void emit_cmp(struct isel *x, value a, value b, value user) {
    if (is_imm(x, b)) {
        emit_cmp_imm(x, a, number(x, b), user, X64_RULE_cmp_imm);
    } else if (!is_const(x, b) && folds_load(x, b, user)) {
        struct minsn in = insn(X64_CMP_RM, x->cell, X64_RULE_cmp_mem);
        in.r[1] = reg(x, a);
        set_mem(&in, 2, access(x, b));
        select_emit(x->s, in);
    } else if (!is_const(x, a) && folds_load(x, a, user)) {
        mreg r2 = reg(x, b);
        struct addr m = access(x, a);
        emit_mem(x, X64_CMP_MR, x->cell, X64_RULE_cmp_mem, NO_REG, m, r2, 0);
    } else {
        mreg r1 = reg(x, a), r2 = reg(x, b);
        emit(x, X64_CMP_RR, x->cell, X64_RULE_cmp_reg, NO_REG, r1, r2);
    }
}

/* The address p + k in a new register. */
static mreg emit_address(struct isel *x, value v, enum x64_rule rule) {
    const struct insn *i = at(x, v);
    mreg r = select_new_reg(x->s);
    emit_lea(x, r, address(x, reg(x, i->a), cells_to_bytes(x, i->imm)), rule);
    return r;
}

/* Compares two pointers. */
static void emit_same(struct isel *x, value c) {
    const struct insn *i = at(x, c);
    mreg r1 = i->imm ? emit_address(x, c, X64_RULE_same) : reg(x, i->a), r2 = reg(x, i->b);
    emit(x, X64_CMP_RR, 8, X64_RULE_same, NO_REG, r1, r2);
}

/* The comparison c (EQ, NE, ULT, SAME); returns the condition under which it holds. */
static unsigned emit_comparison(struct isel *x, value c, value user) {
    const struct insn *i = at(x, c);
    if (i->op == OP_SAME) {
        emit_same(x, c);
        return X64_CC_Z;
    }
    value a = i->a, b = i->b;
    bool swap = is_const(x, a) && !is_const(x, b);
    emit_cmp(x, swap ? b : a, swap ? a : b, user);
    if (i->op == OP_ULT)
        return swap ? X64_CC_A : X64_CC_B;
    return i->op == OP_EQ ? X64_CC_Z : X64_CC_NZ;
}

static void emit_test_and(struct isel *x, value a, value b, value user) {
    if (is_imm(x, b) && !is_const(x, a) && folds_load(x, a, user)) {
        struct addr m = access(x, a);
        emit_mem(x, X64_TEST_MI, x->cell, X64_RULE_test_and, NO_REG, m, NO_REG, number(x, b));
    } else if (is_imm(x, b)) {
        mreg r1 = reg(x, a);
        emit_imm(x, X64_TEST_RI, x->cell, X64_RULE_test_and, NO_REG, r1, number(x, b));
    } else {
        mreg r1 = reg(x, a), r2 = reg(x, b);
        emit(x, X64_TEST_RR, x->cell, X64_RULE_test_and, NO_REG, r1, r2);
    }
}

static void emit_test(struct isel *x, value c) {
    mreg r = reg(x, c);
    emit(x, X64_TEST_RR, x->cell, X64_RULE_test_reg, NO_REG, r, r);
}

/* Swallows the computation of c, whose only use is to be tested by `user`, into a comparison. */
static bool emit_test_of(struct isel *x, value c, value user, unsigned *cc) {
    const struct insn *i = at(x, c);
    *cc = X64_CC_NZ;
    if (i->op == OP_EQ || i->op == OP_NE || i->op == OP_ULT || i->op == OP_SAME) {
        *cc = emit_comparison(x, c, user);
    } else if (i->op == OP_LOAD) {
        struct addr m = access(x, c);
        emit_mem(x, X64_CMP_MI, x->cell, X64_RULE_test_mem, NO_REG, m, NO_REG, 0);
    } else if (i->op == OP_ADD && is_imm(x, i->b) && fits_imm(-number(x, i->b))) {
        emit_cmp_imm(x, i->a, -number(x, i->b), user, X64_RULE_cmp_of_arith);
    } else if (i->op == OP_SUB || i->op == OP_XOR) {
        emit_cmp(x, i->a, i->b, user);
    } else if (i->op == OP_AND) {
        emit_test_and(x, i->a, i->b, user);
    } else {
        return false;
    }
    return true;
}

/* Makes flags from which to tell, right before `user`, whether c is not 0; returns the condition
 * under which it is not. */
static unsigned emit_condition(struct isel *x, value c, value user) {
    unsigned cc;
    if (!is_const(x, c) && can_fold(x, c, user) && emit_test_of(x, c, user, &cc))
        return cc;
    emit_test(x, c);
    return X64_CC_NZ;
}

/* A comparison as a number: setcc writes one byte, which for wider cells is extended. */
static void emit_setcc(struct isel *x, value v) {
    unsigned cc = emit_comparison(x, v, v);
    struct minsn in = insn(X64_SETCC, 1, X64_RULE_setcc);
    in.cond = (uint8_t)cc;
    in.r[0] = x->cell == 1 ? def(x, v) : select_new_reg(x->s);
    select_emit(x->s, in);
    if (x->cell > 1)
        emit(x, X64_MOVZX_RR1, 4, X64_RULE_setcc, def(x, v), in.r[0], NO_REG);
}

static void emit_select(struct isel *x, value v) {
    const struct insn *i = at(x, v);
    struct minsn in = insn(X64_CMOV_RR, x->reg, X64_RULE_select);
    in.r[1] = reg(x, i->c);
    in.r[2] = reg(x, i->b);
    in.cond = (uint8_t)emit_condition(x, i->a, v);
    in.r[0] = def(x, v);
    select_emit(x->s, in);
}

/* Byte a of a table that stands beside the code. */
static void emit_lookup(struct isel *x, value v) {
    const struct insn *i = at(x, v);
    mreg table = select_new_reg(x->s), index = select_new_reg(x->s);
    emit_imm(x, X64_TABLE, 8, X64_RULE_lookup, table, NO_REG, i->imm);
    emit(x, X64_MOVZX_RR1, 4, X64_RULE_lookup, index, reg(x, i->a), NO_REG);
    struct minsn in = insn(X64_MOVZX_RX1, 4, X64_RULE_lookup);
    in.r[1] = table;
    in.r[2] = index;
    in.disp = 8; /* behind the string's length */
    in.r[0] = def(x, v);
    select_emit(x->s, in);
}

/* ---- stores ---- */

/* Is `load` the cell that `store` writes, and can it sink there? */
static bool is_old_value(const struct isel *x, value load, value store) {
    return !is_const(x, load) && folds_load(x, load, store) &&
           select_same_cell(x->s->f, load, store);
}

/* The access that reads and writes one cell: where it may trap, the load comes first. */
static struct addr access_both(struct isel *x, value load, value store) {
    bool first = at(x, load)->trap == MAY_TRAP;
    select_take(x->s, load);
    return access(x, first ? load : store);
}

static void emit_rmw(struct isel *x, value store, value load, const struct forms *op, value b) {
    bool add = op->mi == X64_ADD_MI;
    value n = add ? negated(x, b, store) : NO_VALUE;
    if (is_imm(x, b)) {
        struct addr m = access_both(x, load, store);
        emit_mem(x, op->mi, x->cell, X64_RULE_rmw_imm, NO_REG, m, NO_REG, number(x, b));
    } else if (n.i != 0) {
        mreg r = reg(x, n);
        struct addr m = access_both(x, load, store);
        emit_mem(x, X64_SUB_MR, x->cell, X64_RULE_rmw_sub_of_neg, NO_REG, m, r, 0);
    } else {
        mreg r = reg(x, b);
        struct addr m = access_both(x, load, store);
        emit_mem(x, op->mr, x->cell, X64_RULE_rmw_reg, NO_REG, m, r, 0);
    }
}

/* NEG, NOT, SHL and SHR of the stored cell itself. */
static void emit_rmw_unary(struct isel *x, value store, value load, enum x64_op op, unsigned imm,
                           enum x64_rule rule) {
    struct addr m = access_both(x, load, store);
    emit_mem(x, op, x->cell, rule, NO_REG, m, NO_REG, imm);
}

/* The forms of an operation whose old value may stand on either side; NULL: it is none such. */
static const struct forms *commutative(enum op op) {
    return op == OP_ADD   ? &add_forms
           : op == OP_AND ? &and_forms
           : op == OP_OR  ? &or_forms
           : op == OP_XOR ? &xor_forms
                          : NULL;
}

/* store p, k, v  where v is the old value `load` (its operand a, or else b) changed in place; true
 * if there is a form for it. */
static bool emit_in_place(struct isel *x, value store, value v, value load, bool is_a) {
    const struct insn *i = at(x, v);
    value other = is_a ? i->b : i->a;
    const struct forms *forms = commutative(i->op);
    bool shift = i->op == OP_SHL || i->op == OP_SHR;
    if (i->op == OP_XOR && !wants_flags(x, v) && is_const(x, other) && is_num(x, other, -1))
        emit_rmw_unary(x, store, load, X64_NOT_M, 0, X64_RULE_rmw_not);
    else if (forms != NULL)
        emit_rmw(x, store, load, forms, other);
    else if (i->op == OP_SUB && is_a)
        emit_rmw(x, store, load, &sub_forms, other);
    else if (i->op == OP_SUB && is_const(x, other) && is_num(x, other, 0))
        emit_rmw_unary(x, store, load, X64_NEG_M, 0, X64_RULE_rmw_neg);
    else if (shift && is_a && is_const(x, other) && shift_count(x, other) != 0)
        emit_rmw_unary(x, store, load, i->op == OP_SHL ? X64_SHL_MI : X64_SHR_MI,
                       shift_count(x, other), X64_RULE_rmw_imm);
    else
        return false;
    x->provided = wants_flags(x, v);
    return true;
}

/* store p, k, (load p, k) op b  where `a op b` is v; true if it matched. */
static bool try_rmw(struct isel *x, value store, value v) {
    const struct insn *i = at(x, v);
    if (op_info[i->op].a != KIND_CELL || op_info[i->op].b != KIND_CELL)
        return false;
    if (is_old_value(x, i->a, store))
        return emit_in_place(x, store, v, i->a, true);
    return is_old_value(x, i->b, store) && emit_in_place(x, store, v, i->b, false);
}

static void emit_store(struct isel *x, value v) {
    value a = at(x, v)->b;
    if (is_imm(x, a)) {
        struct addr m = access(x, v);
        emit_mem(x, X64_MOV_MI, x->cell, X64_RULE_store_imm, NO_REG, m, NO_REG, number(x, a));
        return;
    }
    /* The branch that reads the value's flags is no obstacle: the memory form sets them too. */
    bool only = !is_const(x, a) && x->s->vreg[a.i] == NO_REG &&
                x->s->uses[a.i] == 1 + (uint32_t)wants_flags(x, a) && select_can_sink(x->s, a, v);
    if (only && try_rmw(x, v, a))
        return;
    mreg r = reg(x, a);
    struct addr m = access(x, v);
    emit_mem(x, X64_MOV_MR, x->cell, X64_RULE_store, NO_REG, m, r, 0);
}

/* ---- scans ---- */

static void emit_cell_is_zero(struct isel *x, struct addr a) {
    emit_mem(x, X64_CMP_MI, x->cell, X64_RULE_scan, NO_REG, a, NO_REG, 0);
}

/* The cell at `a`, checked if it may trap and there are no guard pages. */
static void emit_scan_test(struct isel *x, struct addr a) {
    if (a.trap && x->check_bounds) {
        emit_check(x, a);
        a.trap = false;
    }
    emit_cell_is_zero(x, a);
}

static void emit_phi(struct isel *x, mreg r0, mreg r1, mreg r2) {
    emit(x, X64_PHI, 8, X64_RULE_phi, r0, r1, r2);
}

/* to = from + bytes, the flags being free. */
static void emit_step(struct isel *x, mreg to, mreg from, int64_t bytes) {
    if (fits_imm(bytes)) {
        emit_imm(x, X64_ADD_RI, 8, X64_RULE_scan, to, from, bytes);
        return;
    }
    mreg far = select_new_reg(x->s);
    emit_imm(x, X64_MOV_RI, 8, X64_RULE_big_offset, far, NO_REG, bytes);
    emit(x, X64_ADD_RR, 8, X64_RULE_big_offset, to, from, far);
}

/* From `first` on by the stride until the cell at disp is 0; the pointer there becomes `result`. */
static void emit_scan_loop(struct isel *x, mreg first, struct addr cell, int64_t stride,
                           mreg result) {
    struct select *s = x->s;
    select_label loop = select_new_label(s), done = select_new_label(s);
    mreg here = select_new_reg(s), next = select_new_reg(s);
    cell.base = first;
    emit_scan_test(x, cell);
    emit_jcc(x, X64_CC_Z, done, X64_RULE_scan);
    select_jump(s, loop);
    select_place(s, loop);
    emit_phi(x, here, first, next);
    emit_step(x, next, here, stride);
    cell.base = next;
    emit_scan_test(x, cell);
    emit_jcc(x, X64_CC_NZ, loop, X64_RULE_scan);
    select_jump(s, done);
    select_place(s, done);
    emit_phi(x, result, first, next);
}

/* Goes to `out` if the cell is 0, else on. */
static void emit_scan_exit(struct isel *x, struct addr cell, select_label out) {
    select_label on = select_new_label(x->s);
    emit_cell_is_zero(x, cell);
    emit_jcc(x, X64_CC_Z, out, X64_RULE_scan);
    select_jump(x->s, on);
    select_place(x->s, on);
}

/* The block `at`, which makes the pointer here + bytes and goes to `then`. */
static mreg emit_scan_end(struct isel *x, select_label at, mreg here, int64_t bytes,
                          select_label then) {
    mreg r = select_new_reg(x->s);
    select_place(x->s, at);
    emit_lea(x, r, (struct addr){.base = here, .disp = (int32_t)bytes}, X64_RULE_scan_unrolled);
    select_jump(x->s, then);
    return r;
}

static mreg emit_merge(struct isel *x, select_label at, mreg a, mreg b) {
    mreg r = select_new_reg(x->s);
    select_place(x->s, at);
    emit_phi(x, r, a, b);
    return r;
}

/* A scan by four steps a round; out[n] is where it goes when the cell n + 1 steps from `here` is 0,
 * out[3] with the pointer `next`. */
struct scan {
    mreg first, limit, here, next;
    struct addr cell; /* from the pointer on */
    int64_t stride;
    select_label out[4];
    bool jumps; /* after SCAN_SHORT cells a stub goes on */
};
#define SCAN_SHORT 8 /* a multiple of four */

/* The loop.  With a stub, control goes on behind it when SCAN_SHORT cells were not 0. */
static void emit_scan_rounds(struct isel *x, struct scan *k) {
    struct select *s = x->s;
    select_label loop = select_new_label(s);
    k->next = select_new_reg(s);
    k->here = select_new_reg(s);
    select_jump(s, loop);
    select_place(s, loop);
    emit_phi(x, k->here, k->first, k->next);
    struct addr cell = k->cell;
    cell.base = k->here;
    for (unsigned n = 0; n < 3; n++) {
        cell.disp = k->cell.disp + (int32_t)((n + 1) * k->stride);
        emit_scan_exit(x, cell, k->out[n]);
    }
    emit_step(x, k->next, k->here, 4 * k->stride);
    cell.base = k->next;
    cell.disp = k->cell.disp;
    if (k->jumps) {
        emit_scan_exit(x, cell, k->out[3]);
        emit(x, X64_CMP_RR, 8, X64_RULE_scan_long, NO_REG, k->next, k->limit);
        emit_jcc(x, X64_CC_NZ, loop, X64_RULE_scan_long);
        return;
    }
    emit_cell_is_zero(x, cell);
    emit_jcc(x, X64_CC_NZ, loop, X64_RULE_scan);
    select_jump(s, k->out[3]);
}

/* The stub looks at many cells at once.  If it found none, the access behind it leaves the tape. */
static mreg emit_scan_stub(struct isel *x, const struct scan *k, select_label then) {
    struct select *s = x->s;
    select_label at = select_new_label(s);
    struct addr cell = {.base = k->next, .disp = k->cell.disp};
    mreg from = k->next, end = select_new_reg(s), r = end;
    select_jump(s, at);
    select_place(s, at);
    if (cell.disp != 0) {
        from = select_new_reg(s);
        emit_lea(x, from, cell, X64_RULE_scan_long);
    }
    emit_imm(x, X64_SCAN, 8, X64_RULE_scan_long, end, from, k->stride);
    if (k->cell.trap) {
        cell = k->cell;
        cell.base = end;
        cell.disp = 0;
        emit_cell_is_zero(x, cell);
    }
    if (k->cell.disp != 0) {
        r = select_new_reg(s);
        emit_lea(x, r, (struct addr){.base = end, .disp = -k->cell.disp}, X64_RULE_scan_long);
    }
    select_jump(s, then);
    return r;
}

/* As emit_scan_loop, four steps a round: a taken branch and an addition for four cells.
 *
 *     lea limit, [p + 8s];  cmp [p], 0;  jz done
 *   loop:
 *     cmp [p + s], 0;  jz out0    cmp [p + 2s], 0;  jz out1    cmp [p + 3s], 0;  jz out2
 *     add p, 4s;  cmp [p], 0;  jz out3
 *     cmp p, limit;  jnz loop
 *     call the stub
 */
static void emit_scan_unrolled(struct isel *x, mreg first, struct addr cell, int64_t stride,
                               mreg result) {
    struct select *s = x->s;
    struct scan k = {.first = first, .cell = cell, .stride = stride};
    select_label done = select_new_label(s), all = select_new_label(s);
    select_label low = select_new_label(s), four = select_new_label(s);
    for (unsigned n = 0; n < 4; n++)
        k.out[n] = select_new_label(s);
    /* The stub takes the displacement back, which the lowest one does not allow. */
    k.jumps = x64_scan_helps(x->cell * 8, stride) && cell.disp != INT32_MIN;
    cell.base = first;
    emit_cell_is_zero(x, cell);
    if (k.jumps) {
        k.limit = select_new_reg(s);
        struct addr to = {.base = first, .disp = (int32_t)(SCAN_SHORT * stride)};
        emit_lea(x, k.limit, to, X64_RULE_scan_long);
    }
    emit_jcc(x, X64_CC_Z, done, X64_RULE_scan);
    emit_scan_rounds(x, &k);
    mreg p5 = k.jumps ? emit_scan_stub(x, &k, all) : NO_REG;
    mreg p1 = emit_scan_end(x, k.out[0], k.here, stride, low);
    mreg p2 = emit_scan_end(x, k.out[1], k.here, 2 * stride, low);
    mreg p12 = emit_merge(x, low, p1, p2);
    select_jump(s, four);
    mreg p3 = emit_scan_end(x, k.out[2], k.here, 3 * stride, k.out[3]);
    mreg p34 = emit_merge(x, k.out[3], k.next, p3);
    select_jump(s, four);
    mreg p = emit_merge(x, four, p12, p34);
    if (k.jumps) {
        select_jump(s, all);
        p = emit_merge(x, all, p5, p);
    }
    select_jump(s, done);
    select_place(s, done);
    emit_phi(x, result, first, p);
}

static void emit_scan(struct isel *x, value v) {
    const struct insn *i = at(x, v);
    int64_t bytes = cells_to_bytes(x, i->imm), stride = cells_to_bytes(x, i->stride);
    struct addr cell = {.disp = (int32_t)bytes, .trap = i->trap == MAY_TRAP, .src = i->src};
    if (fits_imm(bytes)) {
        bool unroll = fits_imm(4 * stride) && fits_imm(bytes + 3 * stride) && !x->check_bounds;
        (unroll ? emit_scan_unrolled : emit_scan_loop)(x, reg(x, i->a), cell, stride, def(x, v));
        return;
    }
    /* Far offsets: scan with the sum, then take the offset off again. */
    mreg end = select_new_reg(x->s);
    struct addr sum = address(x, reg(x, i->a), bytes);
    cell.disp = 0;
    emit_scan_loop(x, sum.base, cell, stride, end);
    emit_step(x, def(x, v), end, -bytes);
}

/* ---- the rest ---- */

static void emit_io(struct isel *x, enum x64_op op, mreg r0, mreg r1, int64_t imm) {
    emit_imm(x, op, x->cell, X64_RULE_io, r0, r1, imm);
}

static void emit_br(struct isel *x, value v) {
    struct select *s = x->s;
    const struct block_data *d = ir_block(s->f, s->block);
    unsigned cc;
    enum x64_rule rule = X64_RULE_br;
    if (x->pending.i != 0) {
        cc = X64_CC_NZ;
        rule = X64_RULE_br_flags;
    } else {
        cc = emit_condition(x, at(x, v)->a, v);
    }
    bool fall = select_falls_to(s, d->succ[0]);
    emit_jcc(x, fall ? cc ^ 1 : cc, select_block(d->succ[fall ? 1 : 0]), rule);
    select_jump(s, select_block(d->succ[fall ? 0 : 1]));
}

/* Can the instruction that computes v leave its zero flag for a branch? */
static bool can_provide_flags(const struct isel *x, value v) {
    const struct insn *i = at(x, v);
    if (i->op == OP_SHL || i->op == OP_SHR)
        return is_const(x, i->b) && shift_count(x, i->b) != 0;
    return i->op == OP_SUB || commutative(i->op) != NULL;
}

/* Decides, at a branch, whether arithmetic above it will provide its flags. */
static void plan_flags(struct isel *x, value br) {
    value c = at(x, br)->a;
    if (is_const(x, c) || !same_block(ir_home(x->s->f, c), x->s->block))
        return;
    bool swallowed = x->s->uses[c.i] == 1 && !is(x, c, OP_OR) && !is(x, c, OP_SHL) &&
                     !is(x, c, OP_SHR) && !(is(x, c, OP_ADD) && !is_imm(x, at(x, c)->b));
    if (!swallowed && can_provide_flags(x, c)) {
        x->pending = c;
        x->s->want = c;
    }
}

static bool group_sets_flags(const struct select *s) {
    for (uint32_t n = 0; n < s->ngroup; n++)
        if (s->group[n].op < X64_OP_COUNT &&
            (x64_target.desc[s->group[n].op].flags & MD_SETS_FLAGS))
            return true;
    return false;
}

/* After each group: if it provides the pending flags, all is well; if it clobbers them, the value
 * is tested behind it. */
static void settle_flags(struct isel *x) {
    if (x->pending.i == 0)
        return;
    if (!x->provided) {
        if (!group_sets_flags(x->s) && !same_value(x->s->now, x->pending))
            return;
        emit_test(x, x->pending);
    }
    x->pending = x->s->want = NO_VALUE;
}

static void emit_insn(struct isel *x, value v) {
    const struct insn *i = at(x, v);
    struct select *s = x->s;
    switch ((enum op)i->op) {
    case OP_NOP:
    case OP_COPY:
    case OP_CONST:
    case OP_PHI:
    case OP_JMP:
    case OP_COUNT:
        break;
    case OP_TAPE:
        emit(x, X64_ENTRY, 8, X64_RULE_entry, def(x, v), NO_REG, NO_REG);
        break;
    case OP_ADD:
        emit_add(x, v, i->a, i->b);
        break;
    case OP_SUB:
        emit_sub(x, v, i->a, i->b);
        break;
    case OP_MUL:
        emit_mul(x, v, i->a, i->b);
        break;
    case OP_AND:
        emit_tied(x, v, &and_forms, i->a, i->b, true);
        break;
    case OP_OR:
        emit_tied(x, v, &or_forms, i->a, i->b, true);
        break;
    case OP_XOR:
        emit_xor(x, v, i->a, i->b);
        break;
    case OP_SHL:
        emit_shift(x, v, i->a, i->b, true);
        break;
    case OP_SHR:
        emit_shift(x, v, i->a, i->b, false);
        break;
    case OP_EQ:
    case OP_NE:
    case OP_ULT:
    case OP_SAME:
        emit_setcc(x, v);
        break;
    case OP_SELECT:
        emit_select(x, v);
        break;
    case OP_LOOKUP:
        emit_lookup(x, v);
        break;
    case OP_MOVE:
        emit_lea(x, def(x, v), address(x, reg(x, i->a), cells_to_bytes(x, i->imm)), X64_RULE_move);
        break;
    case OP_LOAD:
        emit_load(x, def(x, v), access(x, v), X64_RULE_load);
        break;
    case OP_STORE:
        emit_store(x, v);
        break;
    case OP_TOUCH:
        emit_load(x, select_new_reg(s), access(x, v), X64_RULE_touch);
        break;
    case OP_SCAN:
        emit_scan(x, v);
        break;
    case OP_IN:
        emit_io(x, X64_IN, def(x, v), reg(x, i->a), 0);
        break;
    case OP_OUT:
        emit_io(x, X64_OUT, NO_REG, reg(x, i->a), 0);
        break;
    case OP_OUTS:
        emit_io(x, X64_OUTS, NO_REG, NO_REG, i->imm);
        break;
    case OP_HASH:
        emit_io(x, X64_HASH, NO_REG, emit_address(x, v, X64_RULE_io), 0);
        break;
    case OP_CALL:
        emit_io(x, X64_CALL, def(x, v), emit_address(x, v, X64_RULE_io), i->loop);
        break;
    case OP_BR:
        emit_br(x, v);
        break;
    case OP_RET:
        emit(x, X64_RET, 8, X64_RULE_ret, NO_REG, reg(x, i->a), NO_REG);
        break;
    case OP_TRAP:
        emit(x, X64_TRAP, 8, X64_RULE_trap, NO_REG, emit_address(x, v, X64_RULE_trap), NO_REG);
        break;
    }
}

static void x64_insn(struct select *s, value v) {
    struct isel *x = isel_of(s);
    x->provided = false;
    if (is(x, v, OP_BR)) {
        plan_flags(x, v);
        emit_insn(x, v);
    } else {
        emit_insn(x, v);
        settle_flags(x);
    }
}

static const struct select_target x64_select_target = {
    .mach = &x64_target,
    .insn = x64_insn,
    .constant = x64_constant,
};

struct mach *x64_select(struct func *f, const struct isel_options *opt) {
    unsigned cell = f->cell_bits / 8;
    struct isel x = {.cell = cell, .reg = cell < 4 ? 4 : cell, .check_bounds = opt->check_bounds};
    return select_function(f, &x64_select_target, &x);
}

void x64_count_rules(const struct mach *m, uint64_t *hits) {
    for (uint32_t n = 0; n < m->ninsn; n++)
        hits[m->insn[n].rule]++;
}
