/* baseline.c: operations of tier 0 straight to machine code, one after the other.
 *
 *   MOVE 2, ADD 1, CLEAR, OPEN 7    =>        add   byte ptr [rbx + 2], 1
 *                                             mov   byte ptr [rbx + 2], 0
 *                                             cmp   byte ptr [rbx + 2], 0
 *                                             lea   rbx, [rbx + 2]
 *                                             jz    after
 *                                             add   dword ptr [rbp + 16*7 + 12], 1     entries
 *                                      round: sub   dword ptr [rbp + 16*7 + 8], 1      budget
 *                                             jz    look
 *
 * No IR, no passes, no register allocation: rbx is the pointer, rbp is rt->loop, moves are added up
 * to the next bracket and go into displacements.  What such a compiler is for, and how little it
 * has to do, is described by Titzer, "Whose Baseline Compiler is it Anyway?" (CGO 2024).
 *
 * The code counts entries and rounds where tier 0 does, and asks rt->look at the head of a loop
 * whose budget is used up, where optimized code may take over.  Cells are accessed in the order of
 * the program, each access is a place where the tape may be left, and guard pages are relied upon;
 * so a run ends off the tape as under tier 0.
 */
#include "backend/x64/baseline.h"

#include <Zydis/Zydis.h>
#include <stddef.h>

#include "backend/x64/writer.h"
#include "backend/x64/x64.h"
#include "runtime/alloc.h"

#define M(name)  ZYDIS_MNEMONIC_##name
#define R(name)  op_reg(X64_##name, 8)
#define R4(name) op_reg(X64_##name, 4)

#define SLOTS_MOST (INT32_MAX / (int32_t)sizeof(struct rt_slot)) /* displacements reach */
#define OPS_MOST   (INT32_MAX / 256)                             /* branches reach over them */
#define AWAY_MOST  (INT32_MAX / 2)                               /* bytes from rbx, likewise */

/* What happens seldom stands behind the rest. */
struct aside {
    uint32_t label, back; /* where it is, where it goes on */
    uint32_t loop, head;  /* head: of a loop to look at; 0: one to call */
};

/* A loop that is open. */
struct open {
    uint32_t loop, round, head, after;
};

struct baseline {
    struct writer w;
    const struct program *p;
    unsigned cell; /* bytes */
    int64_t at;    /* rbx + at is the pointer */
    struct open *open;
    uint32_t nopen, open_cap;
    struct aside *aside;
    uint32_t naside, aside_cap;
};

/* The instruction added last, which accesses a cell of the tape for operation op. */
static void may_trap(struct baseline *b, const struct bf_op *op) {
    writer_may_trap(&b->w, op->src);
}

static struct operand cell_at(const struct baseline *b, int64_t at) {
    return op_mem(X64_RBX, (size_t)at, b->cell);
}

static struct operand number(const struct baseline *b, int64_t n) {
    return op_imm(x64_imm(n, b->cell), b->cell);
}

/* rax = the cell. */
static void load(struct baseline *b, const struct bf_op *op) {
    if (b->cell < 4)
        write2(&b->w, M(MOVZX), R4(RAX), cell_at(b, b->at));
    else
        write2(&b->w, M(MOV), op_reg(X64_RAX, b->cell), cell_at(b, b->at));
    may_trap(b, op);
}

/* Flags that say whether the cell is 0; rbx is the pointer behind it. */
static void test(struct baseline *b, const struct bf_op *op) {
    write2(&b->w, M(CMP), cell_at(b, b->at), number(b, 0));
    may_trap(b, op);
    if (b->at != 0)
        write2(&b->w, M(LEA), R(RBX), op_mem(X64_RBX, (size_t)b->at, 8));
    b->at = 0;
}

/* rbp = rt->loop, which moves when loops get numbers. */
static void load_slots(struct baseline *b) {
    write2(&b->w, M(MOV), R(RBP), op_mem(X64_RSP, 0, 8));
    write2(&b->w, M(MOV), R(RBP), op_mem(X64_RBP, offsetof(struct rt, loop), 8));
}

static struct operand slot(uint32_t loop, size_t field) {
    return op_mem(X64_RBP, loop * sizeof(struct rt_slot) + field, 4);
}

/* ---- loops ---- */

static void put_aside(struct baseline *b, struct aside a) {
    b->aside = xgrow(b->aside, &b->aside_cap, (uint64_t)b->naside + 1, sizeof *b->aside);
    b->aside[b->naside++] = a;
}

/* The head: a round is counted.  The first of the unit tier 0 has counted: it starts behind that.
 */
static void head(struct baseline *b, const struct open *l) {
    uint32_t look = writer_label(&b->w);
    writer_place(&b->w, l->round);
    write2(&b->w, M(SUB), slot(l->loop, offsetof(struct rt_slot, budget)), op_imm(1, 4));
    write1(&b->w, M(JZ), op_label(look));
    writer_place(&b->w, l->head);
    put_aside(b, (struct aside){.label = look, .back = l->after, .loop = l->loop, .head = l->head});
}

static void loop_opens(struct baseline *b, const struct bf_op *op) {
    struct open l = {(uint32_t)op->arg, writer_label(&b->w), writer_label(&b->w),
                     writer_label(&b->w)};
    if (b->nopen == 0) {
        write1(&b->w, M(JMP), op_label(l.head));
    } else {
        test(b, op);
        write1(&b->w, M(JZ), op_label(l.after));
        write2(&b->w, M(ADD), slot(l.loop, offsetof(struct rt_slot, entries)), op_imm(1, 4));
    }
    head(b, &l);
    b->open = xgrow(b->open, &b->open_cap, (uint64_t)b->nopen + 1, sizeof *b->open);
    b->open[b->nopen++] = l;
}

static void loop_closes(struct baseline *b, const struct bf_op *op) {
    struct open l = b->open[--b->nopen];
    test(b, op);
    write1(&b->w, M(JNZ), op_label(l.round));
    writer_place(&b->w, l.after);
}

static void call(struct baseline *b, const struct bf_op *op) {
    struct aside a = {
        .label = writer_label(&b->w), .back = writer_label(&b->w), .loop = (uint32_t)op->arg};
    test(b, op);
    write1(&b->w, M(JNZ), op_label(a.label));
    writer_place(&b->w, a.back);
    put_aside(b, a);
}

static void write_aside(struct baseline *b, const struct aside *a) {
    struct writer *w = &b->w;
    writer_place(w, a->label);
    write2(w, M(MOV), R(RSI), R(RBX));
    write2(w, M(MOV), R4(RDX), op_imm((int32_t)a->loop, 4));
    write1(w, M(CALL), op_label(a->head != 0 ? LABEL_LOOK : LABEL_CALL));
    load_slots(b);
    if (a->head != 0) {
        write2(w, M(TEST), R(RAX), R(RAX));
        write1(w, M(JZ), op_label(a->head));
    }
    write2(w, M(MOV), R(RBX), R(RAX));
    write1(w, M(JMP), op_label(a->back));
}

/* ---- loops that are done at once ---- */

static void scan(struct baseline *b, const struct bf_op *op) {
    uint32_t again = writer_label(&b->w), done = writer_label(&b->w);
    int64_t step = (int64_t)op[1].arg * b->cell;
    test(b, op);
    write1(&b->w, M(JZ), op_label(done));
    writer_place(&b->w, again);
    write2(&b->w, M(ADD), R(RBX), op_imm(step, 8));
    test(b, &b->p->op[op->arg]);
    write1(&b->w, M(JNZ), op_label(again));
    writer_place(&b->w, done);
}

/* Adds the number in rax, op->arg times, to a cell. */
static void multiply_add(struct baseline *b, const struct bf_op *op, int64_t at) {
    unsigned from = X64_RAX;
    if (op->arg != 1 && op->arg != -1) {
        unsigned size = b->cell == 8 ? 8 : 4;
        from = X64_RCX;
        write3(&b->w, M(IMUL), op_reg(X64_RCX, size), op_reg(X64_RAX, size), op_imm(op->arg, size));
    }
    write2(&b->w, op->arg == -1 ? M(SUB) : M(ADD), cell_at(b, at), op_reg(from, b->cell));
    may_trap(b, op);
}

static void multiply(struct baseline *b, const struct bf_op *op) {
    uint32_t done = writer_label(&b->w);
    struct operand n = op_reg(X64_RAX, b->cell < 4 ? 4 : b->cell);
    int64_t at = b->at;
    load(b, op);
    write2(&b->w, M(TEST), n, n);
    write1(&b->w, M(JZ), op_label(done));
    if (tier0_step(op) == 1) /* counts up */
        write1(&b->w, M(NEG), n);
    for (const struct bf_op *i = op + 1; i < b->p->op + op->arg; i++) {
        if (i->kind == BF_MOVE)
            at += (int64_t)i->arg * b->cell;
        else if (at != b->at)
            multiply_add(b, i, at);
    }
    write2(&b->w, M(MOV), cell_at(b, b->at), number(b, 0));
    writer_place(&b->w, done);
}

/* ---- operations ---- */

static void input(struct baseline *b, const struct bf_op *op) {
    load(b, op);
    write1(&b->w, M(CALL), op_label(LABEL_IN));
    write2(&b->w, M(MOV), cell_at(b, b->at), op_reg(X64_RAX, b->cell));
    may_trap(b, op);
}

static void output(struct baseline *b, const struct bf_op *op) {
    load(b, op);
    write1(&b->w, M(CALL), op_label(LABEL_OUT));
}

static void hash(struct baseline *b, const struct bf_op *op) {
    write2(&b->w, M(LEA), R(RAX), op_mem(X64_RBX, (size_t)b->at, 8));
    write2(&b->w, M(MOV), op_mem(X64_RSP, 8, 4), op_imm((int32_t)op->src, 4));
    write1(&b->w, M(CALL), op_label(LABEL_HASH));
}

/* Returns the operation to go on with. */
static const struct bf_op *operation(struct baseline *b, const struct bf_op *op) {
    switch (op->kind) {
    case BF_ADD:
        write2(&b->w, M(ADD), cell_at(b, b->at), number(b, op->arg));
        may_trap(b, op);
        break;
    case BF_MOVE:
        b->at += (int64_t)op->arg * b->cell;
        break;
    case BF_IN:
        input(b, op);
        break;
    case BF_OUT:
        output(b, op);
        break;
    case BF_HASH:
        hash(b, op);
        break;
    case T0_OPEN:
        loop_opens(b, op);
        break;
    case T0_CLOSE:
        loop_closes(b, op);
        break;
    case T0_CLEAR:
        write2(&b->w, M(MOV), cell_at(b, b->at), number(b, 0));
        may_trap(b, op);
        return b->p->op + op->arg + 1;
    case T0_SCAN:
        scan(b, op);
        return b->p->op + op->arg + 1;
    case T0_MULTIPLY:
        multiply(b, op);
        return b->p->op + op->arg + 1;
    default:
        call(b, op);
    }
    return op + 1;
}

/* Do all displacements reach? */
static bool is_near(const struct program *p, unsigned cell) {
    int64_t away = 0;
    for (const struct bf_op *op = p->op; op->kind != BF_END; op++) {
        if (op->kind == BF_MOVE)
            away += ((int64_t)op->arg < 0 ? -(int64_t)op->arg : op->arg) * cell;
        else if ((op->kind == T0_OPEN || op->kind == BF_CALL) && op->arg > SLOTS_MOST)
            return false;
        else if (op->kind == T0_OPEN || op->kind == T0_CLOSE)
            away = 0;
        if (away > AWAY_MOST)
            return false;
    }
    return true;
}

static void write_all(struct baseline *b) {
    struct writer *w = &b->w;
    write2(w, M(MOV), R(RBX), R(RSI));
    load_slots(b);
    for (const struct bf_op *op = b->p->op; op->kind != BF_END;)
        op = operation(b, op);
    write2(w, M(MOV), R(RAX), R(RBX));
    write1(w, M(JMP), op_label(LABEL_EXIT));
    for (uint32_t i = 0; i < b->naside; i++)
        write_aside(b, &b->aside[i]);
    writer_end(w);
}

static bool make(struct jit_store *store, struct jit_unit *u, const struct program *p,
                 unsigned cell_bytes) {
    if (store->encoder == NULL)
        store->encoder = x64_encoder_new();
    if (store->parts == NULL)
        store->parts = parts_new(store->encoder);
    struct baseline b = {.p = p, .cell = cell_bytes};
    writer_start(&b.w, store->encoder, store->parts);
    write_all(&b);
    bool ok = jit_keep(store, u, &b.w);
    writer_free(&b.w);
    xfree(b.open);
    xfree(b.aside);
    return ok;
}

bool baseline_make(struct jit_store *store, struct jit_unit *u, const struct program *p,
                   unsigned cell_bytes) {
    *u = (struct jit_unit){0};
    if (p->nop > OPS_MOST || !is_near(p, cell_bytes))
        return false;
    struct jit_store own = {.pool = {.refused = true}};
    bool ok = make(store != NULL ? store : &own, u, p, cell_bytes);
    jit_store_free(&own);
    return ok;
}
