/* isel.c: instruction selection for the vm target.
 *
 *   %4 = load %1 + 2     %5 = add %4, 7     store %1 + 2, %5     =>     add_mi [r1 + 2], 7
 *
 * The interpreter pays for each instruction it dispatches, so whatever can be one instruction is:
 * arithmetic on cells in place, immediates, tests of cells, comparisons fused into branches. */
#include "backend/select.h"
#include "backend/vm/vm.h"
#include "ir/walk.h"
#include "runtime/bug.h"

enum vm_rule {
    RULE_none,
#define RULE(name, what) RULE_##name,
#include "backend/vm/rules.def"
#undef RULE
};

/* The walk whose blocks are being selected (they are neighbours, the last comes first). */
struct context {
    struct walk walk;
    block head; /* NO_BLOCK: none */
};

/* How far a branch looks back for the store of the value it tests. */
#define STORED_WINDOW 8

static int64_t cell_bytes(const struct select *s) {
    return s->f->cell_bits / 8;
}

static struct minsn make(enum vm_op op, enum vm_rule rule) {
    struct minsn in = select_insn(op, 8);
    in.rule = (uint16_t)rule;
    return in;
}

/* The base and displacement of memory operation v.  A displacement that does not fit goes into the
 * pointer. */
static void set_address(struct select *s, struct minsn *in, value v) {
    const struct insn *m = ir_at(s->f, v);
    int64_t bytes = m->imm * cell_bytes(s);
    in->r[1] = select_reg(s, m->a);
    in->trap = m->trap == MAY_TRAP;
    select_take(s, v);
    if (bytes == (int32_t)bytes) {
        in->disp = (int32_t)bytes;
        return;
    }
    struct minsn lea = make(VM_LEA, RULE_generic);
    lea.r[1] = in->r[1];
    lea.r[0] = in->r[1] = select_new_reg(s);
    lea.imm = bytes;
    select_emit(s, lea);
}

static void make_constant(struct select *s, value c, mreg r) {
    struct minsn in = make(VM_CONST, RULE_constant);
    in.r[0] = r;
    in.imm = (int64_t)ir_const_of(s->f, c);
    select_emit(s, in);
}

/* ---- operations on registers ---- */

static void make_unary(struct select *s, value v, enum vm_op op, value a, int64_t imm) {
    struct minsn in = make(op, RULE_op_imm);
    in.r[0] = select_def(s, v);
    in.r[1] = select_reg(s, a);
    in.imm = imm;
    select_emit(s, in);
}

static void make_binary(struct select *s, value v, enum vm_op op, enum vm_op op_imm) {
    const struct insn *i = ir_at(s->f, v);
    value a = i->a, b = i->b;
    if (ir_is_const(s->f, a) && (op_info[i->op].effects & EFF_COMM)) {
        value t = a;
        a = b;
        b = t;
    }
    if (ir_is_const(s->f, b)) {
        make_unary(s, v, op_imm, a, (int64_t)ir_const_of(s->f, b));
        return;
    }
    struct minsn in = make(op, RULE_generic);
    in.r[0] = select_def(s, v);
    in.r[1] = select_reg(s, a);
    in.r[2] = select_reg(s, b);
    select_emit(s, in);
}

static void make_sub(struct select *s, value v) {
    const struct insn *i = ir_at(s->f, v);
    if (ir_is_const(s->f, i->b))
        make_unary(s, v, VM_ADD_I, i->a, (int64_t)ir_wrap(s->f, 0 - ir_const_of(s->f, i->b)));
    else if (ir_is_const(s->f, i->a))
        make_unary(s, v, VM_RSUB_I, i->b, (int64_t)ir_const_of(s->f, i->a));
    else
        make_binary(s, v, VM_SUB, VM_ADD_I);
}

static void make_ult(struct select *s, value v) {
    const struct insn *i = ir_at(s->f, v);
    if (ir_is_const(s->f, i->a) && !ir_is_const(s->f, i->b))
        make_unary(s, v, VM_UGT_I, i->b, (int64_t)ir_const_of(s->f, i->a));
    else
        make_binary(s, v, VM_ULT, VM_ULT_I);
}

static void make_select(struct select *s, value v) {
    const struct insn *i = ir_at(s->f, v);
    struct minsn test = make(VM_TEST, RULE_select_flag), sel = make(VM_SEL, RULE_select_flag);
    sel.r[0] = select_def(s, v);
    sel.r[1] = select_reg(s, i->c);
    sel.r[2] = select_reg(s, i->b);
    test.r[1] = select_reg(s, i->a);
    select_emit(s, test);
    select_emit(s, sel);
}

static void make_pointer(struct select *s, value v) {
    const struct insn *i = ir_at(s->f, v);
    struct minsn in = make(VM_LEA, RULE_generic);
    in.r[0] = select_def(s, v);
    in.r[1] = select_reg(s, i->a);
    in.imm = i->imm * cell_bytes(s);
    select_emit(s, in);
}

static void make_same(struct select *s, value v) {
    const struct insn *i = ir_at(s->f, v);
    struct minsn in = make(VM_EQ, RULE_generic), lea = make(VM_LEA, RULE_generic);
    in.r[0] = select_def(s, v);
    in.r[1] = select_reg(s, i->a);
    in.r[2] = select_reg(s, i->b);
    if (i->imm != 0) {
        lea.r[1] = in.r[1];
        lea.r[0] = in.r[1] = select_new_reg(s);
        lea.imm = i->imm * cell_bytes(s);
        select_emit(s, lea);
    }
    select_emit(s, in);
}

/* ---- memory ---- */

static void make_load(struct select *s, value v) {
    struct minsn in = make(VM_LOAD, RULE_generic);
    in.r[0] = select_def(s, v);
    set_address(s, &in, v);
    select_emit(s, in);
}

static void make_scan(struct select *s, value v) {
    struct minsn in = make(VM_SCAN, RULE_generic);
    in.r[0] = select_def(s, v);
    set_address(s, &in, v);
    in.imm = ir_at(s->f, v)->stride * cell_bytes(s);
    select_emit(s, in);
}

/* Can `v` be computed inside the present store and nowhere else? */
static bool only_here(const struct select *s, value v) {
    return !ir_is_const(s->f, v) && s->vreg[v.i] == NO_REG && select_can_sink(s, v, s->now);
}

/* Is l a load of the cell that the present store writes, still unchanged? */
static bool is_old_cell(const struct select *s, value l) {
    return ir_is(s->f, l, OP_LOAD) && select_same_cell(s->f, l, s->now) &&
           select_can_sink(s, l, s->now);
}

/* An access that stands for load l and the present store traps if either may. */
static void emit_in_place(struct select *s, struct minsn in, value l) {
    set_address(s, &in, s->now);
    in.trap |= ir_at(s->f, l)->trap == MAY_TRAP;
    select_take(s, l);
    select_emit(s, in);
}

/* store p, (add (load p), x) and its like; false if v is something else. */
static bool make_in_place(struct select *s, value v) {
    const struct insn *i = ir_at(s->f, v);
    bool add = i->op == OP_ADD;
    if ((!add && i->op != OP_SUB) || !only_here(s, v))
        return false;
    value l = i->a, x = i->b;
    if (add && !is_old_cell(s, l)) {
        l = i->b;
        x = i->a;
    }
    if (!is_old_cell(s, l))
        return false;
    struct minsn in;
    if (ir_is_const(s->f, x)) {
        uint64_t by = ir_const_of(s->f, x);
        in = make(VM_ADD_MI, RULE_add_mem_imm);
        in.imm = (int64_t)ir_wrap(s->f, add ? by : 0 - by);
    } else if (add && ir_is(s->f, x, OP_MUL) && ir_is_const(s->f, ir_at(s->f, x)->b) &&
               only_here(s, x)) {
        in = make(VM_MADD_M, RULE_madd_mem);
        in.imm = (int64_t)ir_const_of(s->f, ir_at(s->f, x)->b);
        in.r[2] = select_reg(s, ir_at(s->f, x)->a);
    } else {
        in = add ? make(VM_ADD_M, RULE_add_mem_reg) : make(VM_SUB_M, RULE_sub_mem_reg);
        in.r[2] = select_reg(s, x);
    }
    emit_in_place(s, in, l);
    return true;
}

static void make_store(struct select *s, value v) {
    value x = ir_at(s->f, v)->b;
    struct minsn in;
    if (ir_is_const(s->f, x)) {
        in = make(VM_STORE_I, RULE_store_imm);
        in.imm = (int64_t)ir_const_of(s->f, x);
    } else if (make_in_place(s, x)) {
        return;
    } else {
        in = make(VM_STORE, RULE_generic);
        in.r[2] = select_reg(s, x);
    }
    set_address(s, &in, v);
    select_emit(s, in);
}

static void make_access(struct select *s, value v, enum vm_op op) {
    struct minsn in = make(op, RULE_generic);
    set_address(s, &in, v);
    in.trap = op == VM_TOUCH;
    select_emit(s, in);
}

/* ---- input and output ---- */

static void make_out(struct select *s, value v) {
    value x = ir_at(s->f, v)->a;
    struct minsn in;
    if (ir_is(s->f, x, OP_LOAD) && select_can_fold(s, x, v)) {
        in = make(VM_OUT_M, RULE_out_mem);
        set_address(s, &in, x);
        in.src = ir_at(s->f, x)->src;
    } else {
        in = make(VM_OUT, RULE_generic);
        in.r[1] = select_reg(s, x);
    }
    select_emit(s, in);
}

static void make_outs(struct select *s, value v) {
    struct minsn in = make(VM_OUTS, RULE_generic);
    in.imm = ir_at(s->f, v)->imm;
    select_emit(s, in);
}

static void make_lookup(struct select *s, value v) {
    struct minsn in = make(VM_LOOKUP, RULE_generic);
    in.r[0] = select_def(s, v);
    in.r[1] = select_reg(s, ir_at(s->f, v)->a);
    in.imm = ir_at(s->f, v)->imm;
    select_emit(s, in);
}

static void make_in(struct select *s, value v) {
    struct minsn in = make(VM_IN, RULE_generic);
    in.r[0] = select_def(s, v);
    in.r[1] = select_reg(s, ir_at(s->f, v)->a);
    select_emit(s, in);
}

/* ---- control ---- */

static enum vm_op branch_of(enum op op, bool imm) {
    if (op == OP_EQ)
        return imm ? VM_BREQ_I : VM_BREQ;
    if (op == OP_NE)
        return imm ? VM_BRNE_I : VM_BRNE;
    return imm ? VM_BRLT_I : VM_BRLT;
}

/* A comparison nobody else wants becomes part of the branch. */
static bool branch_on_compare(struct select *s, value c, struct minsn *in) {
    const struct insn *i = ir_at(s->f, c);
    bool compares = i->op == OP_EQ || i->op == OP_NE || i->op == OP_ULT;
    if (!compares || !select_can_fold(s, c, s->now))
        return false;
    value a = i->a, b = i->b;
    if (ir_is_const(s->f, a) && i->op != OP_ULT) {
        a = i->b;
        b = i->a;
    }
    bool imm = ir_is_const(s->f, b);
    *in = make(branch_of(i->op, imm), RULE_br_compare);
    in->r[1] = select_reg(s, a);
    if (imm)
        in->imm = (int64_t)ir_const_of(s->f, b);
    else
        in->r[2] = select_reg(s, b);
    return true;
}

/* The store before the present branch that leaves c in a cell, if that cell still holds it. */
static value stored_here(struct select *s, value c) {
    value w = ir_prev(s->f, s->now);
    for (unsigned n = 0; n < STORED_WINDOW && w.i != 0; n++, w = ir_prev(s->f, w)) {
        if (ir_is(s->f, w, OP_STORE) && same_value(ir_at(s->f, w)->b, c))
            return w;
        if (ir_has(s->f, w, EFF_WRITE | EFF_IO))
            return NO_VALUE;
    }
    return NO_VALUE;
}

static bool branch_on_cell(struct select *s, value c, struct minsn *in) {
    value stored;
    if (ir_is(s->f, c, OP_LOAD) && select_can_fold(s, c, s->now)) {
        *in = make(VM_BRNZ_M, RULE_br_mem);
        set_address(s, in, c);
        in->src = ir_at(s->f, c)->src;
        return true;
    }
    if (s->vreg[c.i] != NO_REG || ir_is_const(s->f, c) || !(stored = stored_here(s, c)).i)
        return false;
    *in = make(VM_BRNZ_M, RULE_br_stored);
    set_address(s, in, stored);
    in->trap = 0; /* the store has been there */
    return true;
}

/* Walks test by the pointer of the next round: so the decoder knows its register. */
static bool branch_on_walk(struct select *s, value c, struct minsn *in) {
    struct context *x = s->ctx;
    if (!x->head.i || !same_block(x->walk.latch, s->block))
        return false;
    *in = make(VM_BRNZ_M, RULE_br_walk);
    in->r[1] = select_reg(s, x->walk.next);
    in->disp = (int32_t)((x->walk.test - x->walk.step) * cell_bytes(s));
    if (ir_is(s->f, c, OP_LOAD) && select_can_fold(s, c, s->now)) {
        in->trap = ir_at(s->f, c)->trap == MAY_TRAP;
        in->src = ir_at(s->f, c)->src;
        select_take(s, c);
    }
    return true;
}

/* At the end of a loop: is it a walk? */
static void begin_walk(struct select *s, block head) {
    struct context *x = s->ctx;
    if (s->layout.pos[head.i] <= s->layout.pos[s->block.i])
        x->head = walk_find(s->f, head, s->uses, &x->walk) ? head : NO_BLOCK;
}

/* What a walk may do at once before a round; the interpreter goes on behind the loop if that was
 * all. */
static void make_walk(struct select *s) {
    struct context *x = s->ctx;
    if (!x->head.i || !same_block(x->head, s->block))
        return;
    struct minsn in = make(VM_WALK, RULE_walk);
    s->now = x->walk.phi;
    in.r[0] = select_def(s, x->walk.phi);
    in.r[1] = select_before(s, x->walk.phi);
    select_emit(s, in);
    x->head = NO_BLOCK;
}

static void make_branch(struct select *s, value v) {
    const struct block_data *d = ir_block(s->f, s->block);
    value c = ir_at(s->f, v)->a;
    struct minsn in;
    begin_walk(s, d->succ[0]);
    if (!branch_on_walk(s, c, &in) && !branch_on_compare(s, c, &in) && !branch_on_cell(s, c, &in)) {
        in = make(VM_BRNZ, RULE_br_value);
        in.r[1] = select_reg(s, c);
    }
    select_branch(s, in, select_block(d->succ[0]));
    select_jump(s, select_block(d->succ[1]));
}

static void make_ret(struct select *s, value v) {
    struct minsn in = make(VM_RET, RULE_generic);
    in.r[1] = select_reg(s, ir_at(s->f, v)->a);
    select_emit(s, in);
}

static void vm_insn(struct select *s, value v) {
    switch ((enum op)ir_at(s->f, v)->op) {
    case OP_TAPE: {
        struct minsn in = make(VM_ENTRY, RULE_generic);
        in.r[0] = select_def(s, v);
        select_emit(s, in);
        break;
    }
    case OP_ADD:
        make_binary(s, v, VM_ADD, VM_ADD_I);
        break;
    case OP_SUB:
        make_sub(s, v);
        break;
    case OP_MUL:
        make_binary(s, v, VM_MUL, VM_MUL_I);
        break;
    case OP_AND:
        make_binary(s, v, VM_AND, VM_AND_I);
        break;
    case OP_OR:
        make_binary(s, v, VM_OR, VM_OR_I);
        break;
    case OP_XOR:
        make_binary(s, v, VM_XOR, VM_XOR_I);
        break;
    case OP_SHL:
        make_binary(s, v, VM_SHL, VM_SHL_I);
        break;
    case OP_SHR:
        make_binary(s, v, VM_SHR, VM_SHR_I);
        break;
    case OP_EQ:
        make_binary(s, v, VM_EQ, VM_EQ_I);
        break;
    case OP_NE:
        make_binary(s, v, VM_NE, VM_NE_I);
        break;
    case OP_ULT:
        make_ult(s, v);
        break;
    case OP_SELECT:
        make_select(s, v);
        break;
    case OP_LOOKUP:
        make_lookup(s, v);
        break;
    case OP_SAME:
        make_same(s, v);
        break;
    case OP_MOVE:
        make_pointer(s, v);
        break;
    case OP_LOAD:
        make_load(s, v);
        break;
    case OP_STORE:
        make_store(s, v);
        break;
    case OP_TOUCH:
        make_access(s, v, VM_TOUCH);
        break;
    case OP_SCAN:
        make_scan(s, v);
        break;
    case OP_IN:
        make_in(s, v);
        break;
    case OP_OUT:
        make_out(s, v);
        break;
    case OP_OUTS:
        make_outs(s, v);
        break;
    case OP_HASH:
        make_access(s, v, VM_HASH);
        break;
    case OP_BR:
        make_branch(s, v);
        break;
    case OP_RET:
        make_ret(s, v);
        break;
    case OP_TRAP:
        make_access(s, v, VM_TRAP);
        break;
    case OP_NOP:
    case OP_COPY:
    case OP_CONST:
    case OP_PHI:
    case OP_JMP:
    case OP_CALL: /* units of the tiers run as machine code */
    case OP_COUNT:
        bug("selection: %s makes no code", op_info[ir_at(s->f, v)->op].text);
    }
}

struct mach *vm_select(struct func *f) {
    static const struct select_target target = {&vm_target, vm_insn, make_constant, make_walk};
    struct context x = {.head = NO_BLOCK};
    return select_function(f, &target, &x);
}
