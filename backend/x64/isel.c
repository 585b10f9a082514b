/* isel.c: x86-64 instruction selection.
 *
 *   %2 = load %1 + 5                 add  byte [%1 + 5], -1
 *   %3 = add %2, -1            =>    jnz  b1
 *   store %1 + 5, %3
 *   br %3, b1, b2
 *
 * select.c walks the function backwards and calls x64_insn for each instruction that must make
 * code.  The functions of isel_*.c are the rules of rules.def.  Three things run through them:
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

#include "backend/x64/isel_parts.h"

const struct x64_rule_info x64_rule_info[X64_RULE_COUNT] = {
#define RULE(name, matches, makes) {#name, matches, makes},
#include "backend/x64/rules.def"
#undef RULE
};

const char *x64_rule_name(unsigned rule) {
    return x64_rule_info[rule].name;
}

/* Every call from select.c starts here. */
static struct isel *isel_of(struct select *s) {
    struct isel *x = s->ctx;
    x->s = s;
    return x;
}
static void x64_constant(struct select *s, value c, mreg r) {
    struct isel *x = isel_of(s);
    isel_number(x, r, number(x, c), X64_RULE_constant);
}

static void emit_io(struct isel *x, enum x64_op op, mreg r0, mreg r1, int64_t imm) {
    isel_imm(x, op, x->cell, X64_RULE_io, r0, r1, imm);
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
        cc = isel_condition(x, at(x, v)->a, v);
    }
    bool fall = select_falls_to(s, d->succ[0]);
    isel_jcc(x, fall ? cc ^ 1 : cc, select_block(d->succ[fall ? 1 : 0]), rule);
    select_jump(s, select_block(d->succ[fall ? 0 : 1]));
}

/* Can the instruction that computes v leave its zero flag for a branch? */
static bool can_provide_flags(const struct isel *x, value v) {
    const struct insn *i = at(x, v);
    if (i->op == OP_SHL || i->op == OP_SHR)
        return is_const(x, i->b) && isel_shift_count(x, i->b) != 0;
    return i->op == OP_SUB || isel_commutative(i->op) != NULL;
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
        isel_test(x, x->pending);
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
        isel_emit(x, X64_ENTRY, 8, X64_RULE_entry, def(x, v), NO_REG, NO_REG);
        break;
    case OP_ADD:
        isel_add(x, v, i->a, i->b);
        break;
    case OP_SUB:
        isel_sub(x, v, i->a, i->b);
        break;
    case OP_MUL:
        isel_mul(x, v, i->a, i->b);
        break;
    case OP_AND:
        isel_tied(x, v, &isel_and_forms, i->a, i->b, true);
        break;
    case OP_OR:
        isel_tied(x, v, &isel_or_forms, i->a, i->b, true);
        break;
    case OP_XOR:
        isel_xor(x, v, i->a, i->b);
        break;
    case OP_SHL:
        isel_shift(x, v, i->a, i->b, true);
        break;
    case OP_SHR:
        isel_shift(x, v, i->a, i->b, false);
        break;
    case OP_EQ:
    case OP_NE:
    case OP_ULT:
    case OP_SAME:
        isel_setcc(x, v);
        break;
    case OP_SELECT:
        isel_select(x, v);
        break;
    case OP_LOOKUP:
        isel_lookup(x, v);
        break;
    case OP_MOVE:
        isel_lea(x, def(x, v), isel_address(x, reg(x, i->a), cells_to_bytes(x, i->imm)),
                 X64_RULE_move);
        break;
    case OP_LOAD:
        isel_load(x, def(x, v), isel_access(x, v), X64_RULE_load);
        break;
    case OP_STORE:
        isel_store(x, v);
        break;
    case OP_TOUCH:
        isel_load(x, select_new_reg(s), isel_access(x, v), X64_RULE_touch);
        break;
    case OP_SCAN:
        isel_scan(x, v);
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
        emit_io(x, X64_HASH, NO_REG, isel_address_of(x, v, X64_RULE_io), 0);
        break;
    case OP_CALL:
        emit_io(x, X64_CALL, def(x, v), isel_address_of(x, v, X64_RULE_io), i->loop);
        break;
    case OP_BR:
        emit_br(x, v);
        break;
    case OP_RET:
        isel_emit(x, X64_RET, 8, X64_RULE_ret, NO_REG, reg(x, i->a), NO_REG);
        break;
    case OP_TRAP:
        isel_emit(x, X64_TRAP, 8, X64_RULE_trap, NO_REG, isel_address_of(x, v, X64_RULE_trap),
                  NO_REG);
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
