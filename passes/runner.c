/* runner.c: runs a program at compile time; see runner.h.
 *
 * A block is translated when it is entered first, to an array of `struct code` over registers, one
 * for each value:
 *
 *   %3 = load %1 + 2
 *   %4 = add %3, 5            =>   INCREASE 4, 1, 5, 2
 *   store %1 + 2, %4
 *   %5 = load %1              =>   TEST 5, 1, ->edge, ->edge      edge: COPY 6, 1    GOTO b2
 *   br %5, b2, b3
 *
 * The phis of a block are copies on the edges that lead to it.
 *
 * Loops of one block that only count (each cell they write gains a constant or is set to one, and
 * the counter decides) are not run round by round: all rounds but the last are added up at once,
 * and the last is run, so that every register ends as it should.  That needs the counter's number
 * only, not its step's parity: the trip count is the smallest solution of c + n * step = 0 modulo
 * 2^width, found by the inverse of the step's odd part.
 *
 * Steps count instructions (and rounds of scans), so a second run to an earlier step stops in the
 * very state the first was in then. */
#include "passes/runner.h"

#include <string.h>

#include "passes/fold.h"
#include "passes/modular.h"
#include "runtime/alloc.h"

/* Besides the operations of the IR: */
enum {
    CODE_INCREASE = OP_COUNT, /* dst - 1 = cell at a + imm; dst = it + b; stored back */
    CODE_TEST,                /* dst = cell at a + imm; to b if it is not 0, else to c */
    CODE_PRINT,               /* dst = cell at a + imm; written */
    CODE_COPY,                /* dst = a */
    CODE_GOTO,                /* enters block a */
};

struct code {
    uint32_t op;
    uint32_t dst, a, b, c; /* registers; b and c of branches: indexes of code; c: a stride */
    uint32_t at;           /* the instruction this stems from */
    int64_t imm;
};
static_assert(sizeof(struct code) == 32, "two a cache line");

/* ---- loops that count ---- */

#define LOOP_CELLS 16
#define LOOP_INSNS 128

/* What a value is at its place in the body. */
struct runner_sum {
    uint32_t body; /* the block it was found out for; else it is nothing known */
    enum { SUM_UNKNOWN, SUM_POINTER, SUM_CELL, SUM_NUMBER } what;
    uint32_t cell; /* SUM_CELL: index of the cell whose first contents it is, plus n */
    uint64_t n;    /* SUM_POINTER: distance from the root */
};

struct loop_cell {
    int64_t off;
    struct runner_sum now; /* its contents */
    bool written;
};

struct runner_loop {
    value root; /* the pointer at the head */
    uint32_t ncell, counter;
    struct loop_cell cell[LOOP_CELLS];
};

static struct runner_sum loop_sum(const struct runner *r, const struct runner_loop *l, value v) {
    if (ir_is_const(r->f, v))
        return (struct runner_sum){.what = SUM_NUMBER, .n = ir_const_of(r->f, v)};
    if (same_value(v, l->root))
        return (struct runner_sum){.what = SUM_POINTER};
    if (r->sum[v.i].body == r->b.i)
        return r->sum[v.i];
    return (struct runner_sum){.what = SUM_UNKNOWN};
}

/* The cell an access in the body means; NULL: it cannot be told, or there are too many. */
static struct loop_cell *loop_cell_of(const struct runner *r, struct runner_loop *l,
                                      const struct insn *in) {
    if (l->root.i == 0 && !same_block(ir_home(r->f, in->a), r->b))
        l->root = in->a; /* a pointer from outside */
    struct runner_sum p = loop_sum(r, l, in->a);
    if (p.what != SUM_POINTER)
        return NULL;
    int64_t off = (int64_t)(p.n + (uint64_t)in->imm);
    for (uint32_t i = 0; i < l->ncell; i++)
        if (l->cell[i].off == off)
            return &l->cell[i];
    if (l->ncell == LOOP_CELLS)
        return NULL;
    struct loop_cell *c = &l->cell[l->ncell];
    *c = (struct loop_cell){.off = off, .now = {.what = SUM_CELL, .cell = l->ncell}};
    l->ncell++;
    return c;
}

static struct runner_sum loop_add(struct runner_sum a, struct runner_sum b, bool minus) {
    if (a.what == SUM_NUMBER && b.what == SUM_CELL && !minus) {
        struct runner_sum t = a;
        a = b;
        b = t;
    }
    if (b.what != SUM_NUMBER || (a.what != SUM_CELL && a.what != SUM_NUMBER))
        return (struct runner_sum){.what = SUM_UNKNOWN};
    a.n += minus ? 0 - b.n : b.n;
    return a;
}

/* Follows one instruction of the body; false if the loop does not qualify. */
static bool loop_follow(struct runner *r, struct runner_loop *l, value v) {
    const struct insn *in = ir_at(r->f, v);
    struct runner_sum s = {.what = SUM_UNKNOWN};
    struct loop_cell *c;
    switch ((int)in->op) {
    case OP_PHI: /* the pointer */
        if (in->kind != KIND_PTR || l->root.i != 0)
            return false;
        l->root = v;
        return true;
    case OP_MOVE:
        s = loop_sum(r, l, in->a);
        s.n += (uint64_t)in->imm;
        if (s.what != SUM_POINTER)
            s.what = SUM_UNKNOWN;
        break;
    case OP_ADD:
    case OP_SUB:
        s = loop_add(loop_sum(r, l, in->a), loop_sum(r, l, in->b), in->op == OP_SUB);
        break;
    case OP_LOAD:
        c = loop_cell_of(r, l, in);
        if (!c)
            return false;
        s = c->now;
        break;
    case OP_STORE:
        c = loop_cell_of(r, l, in);
        if (!c)
            return false;
        c->now = loop_sum(r, l, in->b);
        c->written = true;
        return c->now.what != SUM_UNKNOWN;
    case OP_TOUCH:
        return loop_cell_of(r, l, in) != NULL;
    default:
        if (!ir_has(r->f, v, EFF_PURE | EFF_END))
            return false;
    }
    s.body = r->b.i;
    r->sum[v.i] = s;
    return true;
}

/* Is b a loop on itself, whose pointer stays where it is? */
static bool loop_has_shape(const struct runner *r, block b) {
    const struct block_data *d = ir_block(r->f, b);
    if (d->nsucc != 2 || !same_block(d->succ[0], b) || d->npred != 2)
        return false;
    unsigned n = 0;
    IR_FOR_INSNS (r->f, b, v)
        if (n++ == LOOP_INSNS)
            return false;
    return true;
}

static bool loop_stays(const struct runner *r, const struct runner_loop *l, block b) {
    if (!same_block(ir_home(r->f, l->root), b))
        return true;
    value back = *ir_phi_operand(r->f, l->root, ir_pred_slot(r->f, b, b));
    struct runner_sum p = loop_sum(r, l, back);
    return p.what == SUM_POINTER && p.n == 0;
}

/* Fills l; false if block r->b is not such a loop. */
static bool loop_find(struct runner *r, struct runner_loop *l) {
    block b = r->b;
    *l = (struct runner_loop){.root = NO_VALUE};
    if (!loop_has_shape(r, b))
        return false;
    if (!r->sum)
        r->sum = xcalloc(r->f->ninsn, sizeof *r->sum);
    IR_FOR_INSNS (r->f, b, v)
        if (!loop_follow(r, l, v))
            return false;
    if (l->root.i == 0 || !loop_stays(r, l, b))
        return false;
    for (uint32_t i = 0; i < l->ncell; i++)
        if (l->cell[i].written && l->cell[i].now.what == SUM_CELL && l->cell[i].now.cell != i)
            return false;
    struct runner_sum test = loop_sum(r, l, ir_at(r->f, ir_terminator(r->f, b))->a);
    if (test.what != SUM_CELL || ir_wrap(r->f, test.n) == 0)
        return false;
    l->counter = test.cell;
    const struct runner_sum *now = &l->cell[l->counter].now;
    return now->what == SUM_CELL && ir_wrap(r->f, now->n - test.n) == 0;
}

/* The smallest n > 0 with start + n * step = 0, or 0 if there is none (or it is 2^64). */
static uint64_t loop_trips(const struct runner *r, uint64_t start, uint64_t step) {
    unsigned twos = (unsigned)__builtin_ctzll(step);
    if (start & ((UINT64_C(1) << twos) - 1))
        return 0;
    uint64_t n = (start >> twos) * odd_inverse((0 - step) >> twos);
    unsigned bits = r->f->cell_bits - twos;
    if (bits < 64)
        n &= (UINT64_C(1) << bits) - 1;
    return n != 0 || bits == 64 ? n : UINT64_C(1) << bits;
}

/* Runs all rounds but the last, if every cell they access is on the tape. */
static void loop_skip(struct runner *r, const struct runner_loop *l) {
    uint64_t p = r->reg[l->root.i];
    for (uint32_t i = 0; i < l->ncell; i++)
        if (p + (uint64_t)l->cell[i].off >= r->ncell)
            return;
    const struct loop_cell *k = &l->cell[l->counter];
    uint64_t start = r->cell[p + (uint64_t)k->off];
    uint64_t n = loop_trips(r, start, ir_wrap(r->f, k->now.n));
    r->used += l->ncell;
    if (n <= 1)
        return;
    for (uint32_t i = 0; i < l->ncell; i++) {
        const struct loop_cell *c = &l->cell[i];
        uint64_t *cell = &r->cell[p + (uint64_t)c->off];
        if (c->written)
            *cell =
                ir_wrap(r->f, c->now.what == SUM_NUMBER ? c->now.n : *cell + c->now.n * (n - 1));
    }
}

/* ---- translation ---- */

static struct code *emit(struct runner *r, unsigned op, value at) {
    r->code = xgrow(r->code, &r->code_cap, (uint64_t)r->ncode + 1, sizeof *r->code);
    struct code *c = &r->code[r->ncode++];
    *c = (struct code){.op = op, .dst = at.i, .at = at.i};
    return c;
}

static void emit_copy(struct runner *r, uint32_t dst, uint32_t src) {
    struct code *c = emit(r, CODE_COPY, NO_VALUE);
    c->dst = dst;
    c->a = src;
}

/* The phis of `to` take their values all at once: through registers of their own if there are
 * several. */
static void emit_edge(struct runner *r, block from, block to) {
    const struct func *f = r->f;
    uint32_t n = 0;
    IR_FOR_INSNS (f, to, v)
        n += ir_is(f, v, OP_PHI);
    uint32_t i = 0, first = f->ninsn;
    if (n > 1 && r->nreg < first + n) {
        r->nreg = first + n;
        r->reg = xrealloc(r->reg, r->nreg, sizeof *r->reg);
    }
    for (value v = ir_block(f, to)->first; ir_is(f, v, OP_PHI); v = ir_next(f, v)) {
        value with = *ir_phi_operand(f, v, ir_pred_slot(f, from, to));
        emit_copy(r, n > 1 ? first + i++ : v.i, with.i);
    }
    i = 0;
    for (value v = ir_block(f, to)->first; n > 1 && ir_is(f, v, OP_PHI); v = ir_next(f, v))
        emit_copy(r, v.i, first + i++);
    struct code *c = emit(r, CODE_GOTO, NO_VALUE);
    c->a = to.i;
    c->imm = r->ncode - r->start[from.i]; /* roughly what was run of the block */
}

/* Is w computed right behind v, from it? */
static bool follows(const struct func *f, value v, value w, enum op op) {
    return w.i != 0 && same_value(ir_next(f, v), w) && ir_is(f, w, op) &&
           same_value(ir_at(f, w)->a, v);
}

/* load, add, store as one; the last of them, or NO_VALUE. */
static value emit_increase(struct runner *r, value load) {
    const struct func *f = r->f;
    value add = ir_next(f, load);
    if (add.i != load.i + 1 || !follows(f, load, add, OP_ADD) || same_value(ir_at(f, add)->b, load))
        return NO_VALUE;
    value store = ir_next(f, add);
    const struct insn *in = ir_at(f, load), *s = ir_at(f, store);
    if (s->op != OP_STORE || !same_value(s->b, add) || !same_value(s->a, in->a) ||
        s->imm != in->imm)
        return NO_VALUE;
    struct code *c = emit(r, CODE_INCREASE, load);
    c->dst = add.i;
    c->a = in->a.i;
    c->b = ir_at(f, add)->b.i;
    c->imm = in->imm;
    return store;
}

static void emit_plain(struct runner *r, value v, unsigned op) {
    const struct insn *in = ir_at(r->f, v);
    struct code *c = emit(r, op, v);
    c->a = in->a.i;
    c->b = in->b.i;
    c->c = in->c.i;
    c->imm = in->imm;
}

/* Translates v, perhaps with what follows; returns the last instruction that was. */
static value emit_insn(struct runner *r, value v) {
    const struct func *f = r->f;
    value next = ir_next(f, v);
    if (ir_is(f, v, OP_LOAD)) {
        value last = emit_increase(r, v);
        if (last.i)
            return last;
        if (follows(f, v, next, OP_BR) || follows(f, v, next, OP_OUT)) {
            emit_plain(r, v, ir_is(f, next, OP_BR) ? CODE_TEST : CODE_PRINT);
            return next;
        }
    }
    emit_plain(r, v, ir_at(f, v)->op);
    return v;
}

static void translate(struct runner *r, block b) {
    const struct func *f = r->f;
    const struct block_data *d = ir_block(f, b);
    if (r->ncode == 0)
        emit(r, OP_NOP, NO_VALUE); /* index 0 means none */
    r->start[b.i] = r->ncode;
    for (value v = d->first; v.i != 0; v = ir_next(f, v))
        if (!ir_is(f, v, OP_PHI) && !ir_is(f, v, OP_JMP))
            v = emit_insn(r, v);
    uint32_t branch = r->ncode - 1;
    for (unsigned n = 0; n < d->nsucc; n++) {
        if (d->nsucc == 2)
            *(n == 0 ? &r->code[branch].b : &r->code[branch].c) = r->ncode;
        emit_edge(r, b, d->succ[n]);
    }
    struct runner_loop l;
    r->b = b;
    if (loop_find(r, &l)) {
        r->nloop += r->nloop == 0;
        r->loop = xgrow(r->loop, &r->loop_cap, (uint64_t)r->nloop + 1, sizeof *r->loop);
        r->bulk[b.i] = r->nloop;
        r->loop[r->nloop++] = l;
    }
}

/* ---- running ---- */

static const struct code *stop(struct runner *r, enum runner_end end, uint32_t at) {
    r->end = end;
    r->at = (value){at};
    return NULL;
}

/* An access to a cell that is not among the ncell first ones. */
static const struct code *stop_at_cell(struct runner *r, uint64_t cell, uint32_t at) {
    r->off = (int64_t)cell;
    uint64_t tape = r->f->tape_cells ? r->f->tape_cells : INT64_MAX;
    return stop(r, cell >= tape ? RUNNER_OFF_TAPE : RUNNER_LIMIT, at);
}

static bool runner_out(struct runner *r, const char *bytes, size_t n) {
    if (n > r->max_text - r->out.len)
        return false;
    if (n > 0)
        text_add(&r->out, bytes, n);
    return true;
}

static bool runner_out_byte(struct runner *r, uint64_t cell) {
    char byte = (char)(uint8_t)cell;
    return runner_out(r, &byte, 1);
}

static value first_insn(const struct func *f, block b) {
    value v = ir_block(f, b)->first;
    while (ir_is(f, v, OP_PHI))
        v = ir_next(f, v);
    return v;
}

/* Goes on at the start of block b; NULL if there are no steps left for it. */
static const struct code *runner_enter(struct runner *r, uint32_t b) {
    r->entered[b] = r->used;
    if (r->used >= r->steps)
        return stop(r, RUNNER_STEPS, first_insn(r->f, (block){b}).i);
    r->entries++;
    if (r->start[b] == 0)
        translate(r, (block){b});
    if (r->bulk[b])
        loop_skip(r, &r->loop[r->bulk[b]]);
    return &r->code[r->start[b]];
}

static const struct code *runner_scan(struct runner *r, const struct code *c) {
    uint64_t p = r->reg[c->a];
    for (;; p += (uint64_t)(int64_t)(int32_t)c->c, r->used++) {
        uint64_t cell = p + (uint64_t)c->imm;
        if (cell >= r->ncell)
            return stop_at_cell(r, cell, c->at);
        if (r->cell[cell] == 0)
            break;
    }
    r->reg[c->dst] = p;
    return c + 1;
}

/* What is seldom met: the next code, or NULL. */
static const struct code *runner_other(struct runner *r, const struct code *c) {
    uint64_t *reg = r->reg;
    switch ((int)c->op) {
    case OP_TAPE:
        reg[c->dst] = 0;
        return c + 1;
    case OP_SELECT:
        reg[c->dst] = reg[c->a] != 0 ? reg[c->b] : reg[c->c];
        return c + 1;
    case OP_LOOKUP:
        reg[c->dst] = (uint8_t)r->f->text[r->f->string[c->imm].start + (reg[c->a] & 255)];
        return c + 1;
    case OP_SAME:
        reg[c->dst] = reg[c->a] + (uint64_t)c->imm == reg[c->b];
        return c + 1;
    case OP_MUL:
    case OP_AND:
    case OP_OR:
    case OP_XOR:
    case OP_SHL:
    case OP_SHR:
    case OP_EQ:
    case OP_NE:
    case OP_ULT:
        reg[c->dst] = fold_eval(r->f->cell_bits, (enum op)c->op, reg[c->a], reg[c->b], 0);
        return c + 1;
    case OP_TOUCH:
        if (reg[c->a] + (uint64_t)c->imm >= r->ncell)
            return stop_at_cell(r, reg[c->a] + (uint64_t)c->imm, c->at);
        return c + 1;
    case OP_SCAN:
        return runner_scan(r, c);
    case OP_OUTS: {
        const struct ir_string *s = &r->f->string[c->imm];
        return runner_out(r, r->f->text + s->start, s->len) ? c + 1 : stop(r, RUNNER_LIMIT, c->at);
    }
    case OP_RET:
        return stop(r, RUNNER_DONE, c->at);
    case OP_TRAP:
        r->off = (int64_t)(reg[c->a] + (uint64_t)c->imm);
        return stop(r, RUNNER_OFF_TAPE, c->at);
    default: /* in, hash, call */
        return stop(r, RUNNER_INPUT, c->at);
    }
}

static void runner_go(struct runner *r) {
    const uint64_t mask = ir_wrap(r->f, UINT64_MAX), ncell = r->ncell;
    uint64_t *cell = r->cell, *reg = r->reg, at;
    const struct code *c = runner_enter(r, r->f->entry.i);
    reg = r->reg;
    while (c) {
        switch (c->op) {
        case CODE_INCREASE:
            at = reg[c->a] + (uint64_t)c->imm;
            if (at >= ncell) {
                c = stop_at_cell(r, at, c->at);
                continue;
            }
            reg[c->dst - 1] = cell[at];
            reg[c->dst] = cell[at] = (cell[at] + reg[c->b]) & mask;
            break;
        case CODE_TEST:
            at = reg[c->a] + (uint64_t)c->imm;
            if (at >= ncell) {
                c = stop_at_cell(r, at, c->at);
                continue;
            }
            reg[c->dst] = cell[at];
            c = &r->code[cell[at] ? c->b : c->c];
            continue;
        case CODE_PRINT:
        case OP_LOAD:
            at = reg[c->a] + (uint64_t)c->imm;
            if (at >= ncell) {
                c = stop_at_cell(r, at, c->at);
                continue;
            }
            reg[c->dst] = cell[at];
            if (c->op == CODE_PRINT && !runner_out_byte(r, cell[at])) {
                c = stop(r, RUNNER_LIMIT, c->at);
                continue;
            }
            break;
        case OP_STORE:
            at = reg[c->a] + (uint64_t)c->imm;
            if (at >= ncell) {
                c = stop_at_cell(r, at, c->at);
                continue;
            }
            cell[at] = reg[c->b];
            break;
        case OP_OUT:
            if (!runner_out_byte(r, reg[c->a])) {
                c = stop(r, RUNNER_LIMIT, c->at);
                continue;
            }
            break;
        case OP_MOVE:
            reg[c->dst] = reg[c->a] + (uint64_t)c->imm;
            break;
        case OP_ADD:
            reg[c->dst] = (reg[c->a] + reg[c->b]) & mask;
            break;
        case OP_SUB:
            reg[c->dst] = (reg[c->a] - reg[c->b]) & mask;
            break;
        case OP_BR:
            c = &r->code[reg[c->a] ? c->b : c->c];
            continue;
        case CODE_COPY:
            reg[c->dst] = reg[c->a];
            break;
        case CODE_GOTO:
            r->used += (uint64_t)c->imm;
            c = runner_enter(r, c->a);
            reg = r->reg; /* may have grown */
            continue;
        default:
            c = runner_other(r, c);
            continue;
        }
        c++;
    }
}

/* Constants have registers, too, so that operands are all alike. */
static void load_constants(struct runner *r) {
    for (uint32_t i = 0; i < r->f->const_size; i++) {
        value v = {r->f->const_table[i]};
        if (v.i)
            r->reg[v.i] = ir_const_of(r->f, v);
    }
}

void runner_run(struct runner *r) {
    r->nreg = r->f->ninsn;
    r->reg = xalloc(r->nreg, sizeof *r->reg);
    r->cell = xcalloc(r->ncell, sizeof *r->cell);
    r->entered = xalloc(r->f->nblock, sizeof *r->entered);
    r->start = xcalloc(r->f->nblock, sizeof *r->start);
    r->bulk = xcalloc(r->f->nblock, sizeof *r->bulk);
    load_constants(r);
    runner_go(r);
}

void runner_free(struct runner *r) {
    xfree(r->code);
    xfree(r->start);
    xfree(r->bulk);
    xfree(r->loop);
    xfree(r->sum);
    xfree(r->reg);
    xfree(r->cell);
    xfree(r->entered);
    text_free(&r->out);
}
