/* eval.c: the meaning of the IR, one case for each operation.
 *
 * A cell value is kept wrapped to the width; a pointer is a cell index, of which only accesses ask
 * whether it lies on the tape.  This file is meant to be read: nothing here is clever.
 */
#include "ir/eval.h"

#include <string.h>

#include "runtime/alloc.h"

struct machine {
    const struct func *f;
    struct eval *e;
    uint64_t *reg; /* the value of each value */
    uint64_t fuel;
    block from, b; /* the block entered last, and the one before */
    bool running;
};

static uint64_t reg(const struct machine *m, value v) {
    return ir_is_const(m->f, v) ? ir_const_of(m->f, v) : m->reg[v.i];
}

static void stop(struct machine *m, enum eval_end end, value at) {
    m->e->end = end;
    m->e->end_value = at;
    m->running = false;
}

static void stop_wrong(struct machine *m, value at, const char *wrong) {
    stop(m, EVAL_WRONG, at);
    m->e->wrong = wrong;
}

static void stop_off_tape(struct machine *m, value at, uint64_t cell) {
    stop(m, EVAL_OFF_TAPE, at);
    m->e->end_src = ir_at(m->f, at)->src;
    m->e->end_cell = (int64_t)cell;
}

static bool burn(struct machine *m, value at) {
    if (m->fuel == 0) {
        stop(m, EVAL_NO_FUEL, at);
        return false;
    }
    m->fuel--;
    return true;
}

/* ---- the tape ---- */

/* Is `cell` on the tape?  If not, the run ends: the access may trap, or its mark is wrong. */
static bool on_tape(struct machine *m, value at, uint64_t cell) {
    if (cell < m->e->ncell) /* unsigned: negative cells are large */
        return true;
    if (ir_at(m->f, at)->trap == MAY_TRAP)
        stop_off_tape(m, at, cell);
    else
        stop_wrong(m, at, "an access marked no_trap left the tape");
    return false;
}

/* The cell an operation with pointer a and an offset means. */
static uint64_t address(const struct machine *m, const struct insn *in) {
    return reg(m, in->a) + (uint64_t)in->imm;
}

static void do_load(struct machine *m, value v, const struct insn *in) {
    uint64_t cell = address(m, in);
    if (on_tape(m, v, cell))
        m->reg[v.i] = m->e->cell[cell];
}

static void write_cell(struct machine *m, uint64_t cell, uint64_t v) {
    m->e->cell[cell] = v;
    if (cell < m->e->low)
        m->e->low = cell;
    if (cell >= m->e->high)
        m->e->high = cell + 1;
}

static void do_store(struct machine *m, value v, const struct insn *in) {
    uint64_t cell = address(m, in);
    if (!on_tape(m, v, cell))
        return;
    write_cell(m, cell, reg(m, in->b));
}

static void do_scan(struct machine *m, value v, const struct insn *in) {
    uint64_t p = reg(m, in->a);
    while (on_tape(m, v, p + (uint64_t)in->imm) && burn(m, v)) {
        if (m->e->cell[p + (uint64_t)in->imm] == 0) {
            m->reg[v.i] = p;
            return;
        }
        p += (uint64_t)(int64_t)in->stride;
    }
}

/* ---- input and output ---- */

static uint64_t do_in(struct machine *m, uint64_t old) {
    struct eval *e = m->e;
    if (e->nread < e->ninput)
        return e->input[e->nread++];
    switch (e->eof) {
    case EOF_UNCHANGED:
        return old;
    case EOF_ZERO:
        return 0;
    case EOF_MINUS_ONE:
        return ir_wrap(m->f, UINT64_MAX);
    }
    return old;
}

static void do_outs(struct machine *m, const struct insn *in) {
    const struct ir_string *s = &m->f->string[in->imm];
    if (s->len > 0)
        text_add(&m->e->output, m->f->text + s->start, s->len);
}

/* What `#` shows depends on the pointer and the cells around it; both become part of the output. */
static void do_hash(struct machine *m, const struct insn *in) {
    int64_t p = (int64_t)address(m, in);
    text_fmt(&m->e->output, "#%lld:", (long long)p);
    for (int64_t i = p - 16; i <= p + 16; i++)
        if (i >= 0 && (uint64_t)i < m->e->ncell)
            text_fmt(&m->e->output, " %llu", (unsigned long long)m->e->cell[i]);
}

/* The evaluator has no program whose loops it could run.  What it does instead depends on all that
 * a loop may look at, changes what it may change, and leaves the pointer at a 0: where it was (even
 * loop numbers) or one cell further. */
static void do_call(struct machine *m, value v, const struct insn *in) {
    uint64_t p = address(m, in), ncell = m->e->ncell, sum = in->loop;
    uint64_t low = in->left == 0 || p + 1 <= in->left ? 0 : p + 1 - in->left;
    text_fmt(&m->e->output, "@%u:", in->loop);
    for (uint64_t i = low; i < ncell; i++)
        sum = sum * 31 + m->e->cell[i] * (i + 1);
    text_fmt(&m->e->output, "%lld,%llu", (long long)p, (unsigned long long)ir_wrap(m->f, sum));
    uint64_t end = p + in->loop % 2;
    for (uint64_t i = p - 2; i != p + 3; i++)
        if (i < ncell && i >= low)
            write_cell(m, i, i == end ? 0 : ir_wrap(m->f, m->e->cell[i] * 3 + in->loop));
    m->reg[v.i] = end;
}

/* ---- control ---- */

static void go(struct machine *m, block to) {
    m->from = m->b;
    m->b = to;
}

/* All phis of a block take their new values at once: none sees another's. */
static value enter_block(struct machine *m) {
    const struct func *f = m->f;
    value v = ir_block(f, m->b)->first;
    if (!ir_is(f, v, OP_PHI))
        return v;
    unsigned slot = ir_pred_slot(f, m->from, m->b);
    uint64_t few[32], *next = few;
    size_t n = 0, room = 32;
    for (; ir_is(f, v, OP_PHI); v = ir_next(f, v)) {
        if (n == room) {
            uint64_t *more = xalloc(2 * room, sizeof *more);
            memcpy(more, next, n * sizeof *more);
            if (next != few)
                xfree(next);
            next = more;
            room *= 2;
        }
        next[n++] = reg(m, *ir_phi_operand(f, v, slot));
    }
    n = 0;
    for (value phi = ir_block(f, m->b)->first; !same_value(phi, v); phi = ir_next(f, phi))
        m->reg[phi.i] = next[n++];
    if (next != few)
        xfree(next);
    return v;
}

/* ---- one instruction ---- */

static void step(struct machine *m, value v) {
    const struct func *f = m->f;
    const struct insn *in = ir_at(f, v);
    const struct block_data *d = ir_block(f, m->b);
    unsigned mask = f->cell_bits - 1;
    uint64_t result = 0;
    switch ((enum op)in->op) {
    case OP_NOP:
    case OP_COPY:
    case OP_CONST:
    case OP_PHI:
    case OP_COUNT:
        stop_wrong(m, v, "an operation that is not executed");
        return;
    case OP_TAPE:
        result = (uint64_t)m->e->pointer;
        break;
    case OP_ADD:
        result = ir_wrap(f, reg(m, in->a) + reg(m, in->b));
        break;
    case OP_SUB:
        result = ir_wrap(f, reg(m, in->a) - reg(m, in->b));
        break;
    case OP_MUL:
        result = ir_wrap(f, reg(m, in->a) * reg(m, in->b));
        break;
    case OP_AND:
        result = reg(m, in->a) & reg(m, in->b);
        break;
    case OP_OR:
        result = reg(m, in->a) | reg(m, in->b);
        break;
    case OP_XOR:
        result = reg(m, in->a) ^ reg(m, in->b);
        break;
    case OP_SHL:
        result = ir_wrap(f, reg(m, in->a) << (reg(m, in->b) & mask));
        break;
    case OP_SHR:
        result = reg(m, in->a) >> (reg(m, in->b) & mask);
        break;
    case OP_EQ:
        result = reg(m, in->a) == reg(m, in->b);
        break;
    case OP_NE:
        result = reg(m, in->a) != reg(m, in->b);
        break;
    case OP_ULT:
        result = reg(m, in->a) < reg(m, in->b);
        break;
    case OP_SELECT:
        result = reg(m, in->a) != 0 ? reg(m, in->b) : reg(m, in->c);
        break;
    case OP_LOOKUP:
        result = (uint8_t)f->text[f->string[in->imm].start + (reg(m, in->a) & 255)];
        break;
    case OP_MOVE:
        result = address(m, in);
        break;
    case OP_SAME:
        result = address(m, in) == reg(m, in->b);
        break;
    case OP_LOAD:
        do_load(m, v, in);
        return;
    case OP_STORE:
        do_store(m, v, in);
        return;
    case OP_TOUCH:
        (void)on_tape(m, v, address(m, in));
        return;
    case OP_SCAN:
        do_scan(m, v, in);
        return;
    case OP_IN:
        result = do_in(m, reg(m, in->a));
        break;
    case OP_OUT:
        text_char(&m->e->output, (char)(uint8_t)reg(m, in->a));
        return;
    case OP_OUTS:
        do_outs(m, in);
        return;
    case OP_HASH:
        do_hash(m, in);
        return;
    case OP_CALL:
        do_call(m, v, in);
        return;
    case OP_JMP:
        go(m, d->succ[0]);
        return;
    case OP_BR:
        go(m, d->succ[reg(m, in->a) != 0 ? 0 : 1]);
        return;
    case OP_RET:
        stop(m, EVAL_DONE, v);
        m->e->pointer = (int64_t)reg(m, in->a);
        return;
    case OP_TRAP:
        if (address(m, in) < m->e->ncell)
            stop_wrong(m, v, "a trap whose cell is on the tape");
        else
            stop_off_tape(m, v, address(m, in));
        return;
    }
    m->reg[v.i] = result;
}

void ir_eval(const struct func *f, struct eval *e) {
    struct machine m = {.f = f, .e = e, .fuel = e->fuel, .b = f->entry, .running = true};
    m.reg = xcalloc(f->ninsn, sizeof *m.reg);
    e->output = (struct text){0};
    e->nread = 0;
    e->low = UINT64_MAX;
    e->high = 0;
    e->wrong = NULL;
    while (m.running) {
        block here = m.b;
        for (value v = enter_block(&m); m.running && v.i != 0; v = ir_next(f, v))
            if (burn(&m, v))
                step(&m, v);
        if (m.running && !ir_block(f, here)->nsucc)
            stop_wrong(&m, ir_block(f, here)->last, "a block without an end");
    }
    e->steps = e->fuel - m.fuel;
    xfree(m.reg);
}

const char *ir_eval_end_name(enum eval_end end) {
    static const char *const name[] = {"done", "off the tape", "out of fuel", "wrong"};
    return name[end];
}
