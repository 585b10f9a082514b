/* test_isel.c: x86-64 instruction selection on random functions.
 *
 * Each function is executed three times: by a direct reading of its IR, by the simulator on the
 * selected code, and by the simulator on the allocated code.  Output, final pointer and tape must
 * agree.  The mix of operations is such that every rule of rules.def fires, and that is checked. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "backend/ra.h"
#include "backend/x64/isel.h"
#include "runtime/alloc.h"
#include "runtime/text.h"
#include "tests/unit/x64_sim.h"

#define CELLS     2048
#define START     (CELLS / 2)
#define MAX_STEPS 20000

static uint64_t seed;

static uint32_t rnd(uint32_t n) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % n;
}

/* ---- random functions ---- */

struct gen {
    struct func *f;
    block b;
    value cell[64], ptr[16];
    unsigned ncell, nptr;
    unsigned nloop; /* each has a counter cell of its own, far from the others */
};

static int64_t rnd_number(void) {
    static const int64_t n[] = {0,         1,          -1,
                                2,         3,          4,
                                5,         6,          8,
                                9,         10,         12,
                                7,         16,         40,
                                127,       128,        129,
                                255,       256,        65535,
                                65536,     -128,       INT32_MAX,
                                INT32_MIN, UINT32_MAX, INT64_C(0x123456789abcdef),
                                INT64_MIN};
    return n[rnd(rnd(2) ? 14 : sizeof n / sizeof *n)];
}

static value num(struct gen *g, int64_t n) {
    return ir_const(g->f, (uint64_t)n);
}
static value any_cell(struct gen *g) {
    if (g->ncell == 0 || rnd(4) == 0)
        return num(g, rnd_number());
    /* Recent values more often, so that there are chains to fold. */
    unsigned k = rnd(2) ? rnd(g->ncell < 3 ? g->ncell : 3) : rnd(g->ncell);
    return g->cell[g->ncell - 1 - k];
}
static value any_ptr(struct gen *g) {
    return g->ptr[rnd(g->nptr)];
}
static value put(struct gen *g, enum op op, value a, value b, int64_t imm) {
    value v = ir_append(g->f, g->b, op, a, b, imm, rnd(1000));
    if (op_info[op].result == KIND_CELL && g->ncell < 64)
        g->cell[g->ncell++] = v;
    if (op_info[op].result == KIND_PTR && g->nptr < 16)
        g->ptr[g->nptr++] = v;
    return v;
}

/* store p + k, op(load p + k, something) and the like. */
static void gen_rmw(struct gen *g) {
    static const enum op ops[] = {OP_ADD, OP_ADD, OP_SUB, OP_AND, OP_OR, OP_XOR, OP_SHL, OP_SHR};
    value p = any_ptr(g), other = any_cell(g);
    int64_t k = rnd(9) - INT64_C(4);
    enum op op = ops[rnd(8)];
    if (rnd(6) == 0)
        other = num(g, -1);
    if (op == OP_ADD && rnd(4) == 0 && !ir_is_const(g->f, other))
        other = rnd(2) ? put(g, OP_MUL, other, num(g, -1), 0) : put(g, OP_SUB, num(g, 0), other, 0);
    value load = put(g, OP_LOAD, p, NO_VALUE, k);
    if (rnd(4) == 0)
        put(g, OP_STORE, any_ptr(g), any_cell(g), rnd(9) - INT64_C(4));
    bool swap = rnd(4) == 0;
    if (op == OP_SUB && swap && rnd(2))
        other = num(g, 0);
    if ((op == OP_SHL || op == OP_SHR) && !ir_is_const(g->f, other))
        other = num(g, rnd(8));
    value v = swap && op != OP_SHL && op != OP_SHR ? put(g, op, other, load, 0)
                                                   : put(g, op, load, other, 0);
    if (rnd(4))
        g->ncell = g->ncell > 2 ? g->ncell - 2 : 0; /* mostly nobody else uses them */
    put(g, OP_STORE, p, v, k);
}

static void gen_select(struct gen *g) {
    value c = any_cell(g), yes = any_cell(g), no = any_cell(g);
    value v = put(g, OP_SELECT, c, yes, 0);
    ir_at(g->f, v)->c = no;
}

static void gen_far(struct gen *g) {
    int64_t far = INT64_C(1) << 33;
    value p = put(g, OP_MOVE, any_ptr(g), NO_VALUE, far);
    g->nptr--;
    if (rnd(3) == 0) {
        value s = ir_append(g->f, g->b, OP_SCAN, p, NO_VALUE, -far, 7);
        ir_at(g->f, s)->stride = 1;
        put(g, OP_OUT, put(g, OP_LOAD, s, NO_VALUE, 1 - far), NO_VALUE, 0);
    } else {
        put(g, OP_STORE, p, any_cell(g), rnd(5) - far);
    }
}

/* a + b * 2, 4 or 8 */
static void gen_scaled(struct gen *g) {
    value other = any_cell(g);
    int64_t power = 1 + rnd(3);
    value b = rnd(2) ? put(g, OP_SHL, any_cell(g), num(g, power), 0)
                     : put(g, OP_MUL, any_cell(g), num(g, INT64_C(1) << power), 0);
    g->ncell -= g->ncell > 0;
    put(g, OP_ADD, rnd(2) ? b : other, rnd(2) ? b : other, 0);
}

static void gen_scan(struct gen *g) {
    value s = put(g, OP_SCAN, any_ptr(g), NO_VALUE, rnd(5) - INT64_C(2));
    ir_at(g->f, s)->stride = (int32_t)rnd(2) ? 1 + (int32_t)rnd(3) : -1 - (int32_t)rnd(3);
}

static void gen_call(struct gen *g) {
    value c = put(g, OP_CALL, any_ptr(g), NO_VALUE, rnd(2));
    ir_at(g->f, c)->loop = rnd(100);
}

static void gen_op(struct gen *g) {
    static const enum op arith[] = {OP_ADD, OP_ADD, OP_ADD, OP_SUB, OP_MUL, OP_MUL, OP_AND,
                                    OP_OR,  OP_XOR, OP_SHL, OP_SHR, OP_EQ,  OP_NE,  OP_ULT};
    switch (rnd(16)) {
    case 0:
    case 1:
    case 2:
        put(g, OP_LOAD, any_ptr(g), NO_VALUE, rnd(17) - INT64_C(8));
        break;
    case 3:
    case 4:
        put(g, OP_STORE, any_ptr(g), any_cell(g), rnd(17) - INT64_C(8));
        break;
    case 5:
        put(g, OP_MOVE, any_ptr(g), NO_VALUE, rnd(9) - INT64_C(4));
        break;
    case 6:
    case 7:
        gen_rmw(g);
        break;
    case 8:
        if (rnd(3))
            gen_select(g);
        else
            gen_scaled(g);
        break;
    case 9:
        if (rnd(4) == 0)
            gen_scan(g);
        else if (rnd(4) == 0)
            gen_far(g);
        else if (rnd(3) == 0)
            put(g, OP_IN, any_cell(g), NO_VALUE, 0);
        else if (rnd(3) == 0)
            put(g, rnd(2) ? OP_HASH : OP_TOUCH, any_ptr(g), NO_VALUE, rnd(3));
        else if (rnd(3) == 0)
            put(g, OP_SAME, any_ptr(g), any_ptr(g), rnd(3));
        else if (rnd(3) == 0)
            gen_call(g);
        else if (g->f->cell_bits == 8 && rnd(2) == 0)
            put(g, OP_LOOKUP, any_cell(g), NO_VALUE, 1);
        else
            put(g, OP_OUTS, NO_VALUE, NO_VALUE, 0);
        break;
    case 10:
        put(g, OP_OUT, any_cell(g), NO_VALUE, 0);
        break;
    default:
        put(g, arith[rnd(14)], any_cell(g), any_cell(g), 0);
        break;
    }
}

static void gen_ops(struct gen *g, unsigned n) {
    while (n-- > 0)
        gen_op(g);
}

static value gen_phi(struct gen *g, block b, enum kind kind, value a, value v) {
    value phi = ir_phi(g->f, b, kind, a, v);
    if (kind == KIND_CELL && g->ncell < 64)
        g->cell[g->ncell++] = phi;
    if (kind == KIND_PTR && g->nptr < 16)
        g->ptr[g->nptr++] = phi;
    return phi;
}

/* if (c) { ... } else { ... }, or without else. */
static void gen_branch(struct gen *g) {
    struct func *f = g->f;
    block yes = ir_block_new(f, NO_BLOCK), join = ir_block_new(f, NO_BLOCK);
    bool two = rnd(2);
    block no = two ? ir_block_new(f, NO_BLOCK) : join;
    unsigned ncell = g->ncell, nptr = g->nptr;
    ir_br(f, g->b, any_cell(g), yes, no, 5);
    value c[2], p[2];
    for (unsigned n = 0; n < 2; n++) {
        bool here = n == 0 || two;
        if (here) {
            g->b = n == 0 ? yes : no;
            gen_ops(g, rnd(6));
        }
        c[n] = any_cell(g);
        p[n] = any_ptr(g);
        if (here)
            ir_jmp(f, g->b, join, 6);
        g->ncell = ncell;
        g->nptr = nptr;
    }
    /* Without an else the edge from the branch came first. */
    bool swap = !two;
    g->b = join;
    gen_phi(g, join, KIND_CELL, c[swap], c[!swap]);
    gen_phi(g, join, KIND_PTR, p[swap], p[!swap]);
}

/* A loop of a few rounds, counted in a register or in a cell; its exit test often follows the
 * count closely, as in compiled programs. */
static void gen_loop(struct gen *g) {
    struct func *f = g->f;
    bool memory = rnd(2);
    int64_t where = 100 + 8 * (int64_t)g->nloop++;
    value base = g->ptr[0], rounds = num(g, 1 + rnd(4));
    if (memory)
        put(g, OP_STORE, base, rounds, where);
    block body = ir_block_new(f, NO_BLOCK), exit = ir_block_new(f, NO_BLOCK);
    unsigned ncell = g->ncell, nptr = g->nptr;
    value acc_in = any_cell(g), p_in = any_ptr(g);
    ir_jmp(f, g->b, body, 1);
    g->b = body;
    value count = memory ? NO_VALUE : ir_phi(f, body, KIND_CELL, rounds, NO_VALUE);
    value acc = gen_phi(g, body, KIND_CELL, acc_in, NO_VALUE);
    value p = gen_phi(g, body, KIND_PTR, p_in, NO_VALUE);
    gen_ops(g, rnd(6));
    if (rnd(3) == 0)
        gen_branch(g);
    value old = memory ? ir_append(f, g->b, OP_LOAD, base, NO_VALUE, where, 3) : count;
    value left = rnd(2) ? ir_append(f, g->b, OP_ADD, old, num(g, -1), 0, 3)
                        : ir_append(f, g->b, OP_SUB, old, num(g, 1), 0, 3);
    if (memory)
        ir_append(f, g->b, OP_STORE, base, left, where, 3);
    if (rnd(2))
        gen_ops(g, rnd(3));
    value test = rnd(4) ? left : ir_append(f, g->b, OP_NE, left, num(g, 0), 0, 3);
    value acc_out = any_cell(g), p_out = any_ptr(g);
    ir_br(f, g->b, test, body, exit, 4);
    if (count.i)
        ir_at(f, count)->b = left;
    ir_at(f, acc)->b = acc_out;
    ir_at(f, p)->b = p_out;
    g->ncell = ncell;
    g->nptr = nptr;
    g->b = exit;
    gen_phi(g, exit, KIND_CELL, acc_out, NO_VALUE);
}

static struct func *gen_func(unsigned cell_bits) {
    struct gen g = {.f = ir_new(cell_bits)};
    g.b = ir_block_new(g.f, NO_BLOCK);
    put(&g, OP_TAPE, NO_VALUE, NO_VALUE, 0);
    ir_string(g.f, "text", 4);
    char table[256];
    for (unsigned i = 0; i < 256; i++)
        table[i] = (char)(i * i + 3 * i + 7);
    ir_string(g.f, table, 256);
    unsigned parts = 1 + rnd(4);
    while (parts-- > 0) {
        gen_ops(&g, 1 + rnd(8));
        unsigned what = rnd(4);
        if (what == 0)
            gen_branch(&g);
        else if (what == 1)
            gen_loop(&g);
    }
    if (rnd(10) == 0)
        ir_trap(g.f, g.b, any_ptr(&g), 3, 9);
    else
        ir_ret(g.f, g.b, any_ptr(&g), 9);
    return g.f;
}

/* ---- a direct reading of the IR ---- */

struct run {
    uint8_t tape[CELLS * 8];
    uint8_t out[SIM_OUT];
    unsigned nout, nin;
    bool trapped, bad; /* bad: left the tape or ran too long; such functions are of no use */
    int64_t result;    /* pointer as a byte distance from the start of the tape */
};

uint64_t sim_input(unsigned n, uint64_t old) {
    return n % 5 == 4 ? old : n * 37 % 256;
}

struct eval {
    const struct func *f;
    struct run *run;
    uint64_t *v;
    unsigned size;
};

static uint64_t get(const struct eval *e, value v) {
    return ir_is_const(e->f, v) ? ir_const_of(e->f, v) : e->v[v.i];
}

static uint8_t *cell_at(const struct eval *e, uint64_t p, int64_t k) {
    static uint8_t nowhere[8];
    uint64_t at = p + (uint64_t)k * e->size;
    if (at <= sizeof e->run->tape - 8 && at / e->size < CELLS)
        return e->run->tape + at;
    e->run->bad = true;
    return memset(nowhere, 0, sizeof nowhere);
}

static uint64_t load(const struct eval *e, uint64_t p, int64_t k) {
    uint64_t v = 0;
    memcpy(&v, cell_at(e, p, k), e->size);
    return v;
}

static void eval_out(const struct eval *e, uint64_t v) {
    if (e->run->nout < SIM_OUT)
        e->run->out[e->run->nout++] = (uint8_t)v;
}

static uint64_t eval_pure(const struct eval *e, const struct insn *i) {
    unsigned bits = e->f->cell_bits;
    uint64_t a = i->a.i ? get(e, i->a) : 0, b = i->b.i ? get(e, i->b) : 0;
    switch ((enum op)i->op) {
    case OP_ADD:
        return a + b;
    case OP_SUB:
        return a - b;
    case OP_MUL:
        return a * b;
    case OP_AND:
        return a & b;
    case OP_OR:
        return a | b;
    case OP_XOR:
        return a ^ b;
    case OP_SHL:
        return a << b % bits;
    case OP_SHR:
        return a >> b % bits;
    case OP_EQ:
        return a == b;
    case OP_NE:
        return a != b;
    case OP_ULT:
        return a < b;
    case OP_SELECT:
        return a ? b : get(e, i->c);
    case OP_LOOKUP:
    case OP_NOP:
    case OP_COPY:
    case OP_CONST:
    case OP_TAPE:
    case OP_PHI:
    case OP_MOVE:
    case OP_SAME:
    case OP_LOAD:
    case OP_STORE:
    case OP_TOUCH:
    case OP_SCAN:
    case OP_IN:
    case OP_OUT:
    case OP_OUTS:
    case OP_HASH:
    case OP_CALL:
    case OP_JMP:
    case OP_BR:
    case OP_RET:
    case OP_TRAP:
    case OP_COUNT:
        break;
    }
    return 0;
}

static void eval_insn(struct eval *e, value v) {
    const struct insn *i = ir_at(e->f, v);
    uint64_t a = i->a.i ? get(e, i->a) : 0;
    switch ((enum op)i->op) {
    case OP_TAPE:
        e->v[v.i] = START * e->size;
        break;
    case OP_LOOKUP:
        e->v[v.i] = (uint8_t)e->f->text[e->f->string[i->imm].start + (a & 255)];
        break;
    case OP_MOVE:
        e->v[v.i] = a + (uint64_t)i->imm * e->size;
        break;
    case OP_SAME:
        e->v[v.i] = a + (uint64_t)i->imm * e->size == get(e, i->b);
        break;
    case OP_LOAD:
        e->v[v.i] = load(e, a, i->imm);
        break;
    case OP_STORE: {
        uint64_t b = get(e, i->b);
        memcpy(cell_at(e, a, i->imm), &b, e->size);
        break;
    }
    case OP_TOUCH:
        cell_at(e, a, i->imm);
        break;
    case OP_SCAN:
        while (load(e, a, i->imm) != 0)
            a += (uint64_t)((int64_t)i->stride * e->size);
        e->v[v.i] = a;
        break;
    case OP_IN:
        e->v[v.i] = ir_wrap(e->f, sim_input(e->run->nin++, a));
        break;
    case OP_OUT:
        eval_out(e, a);
        break;
    case OP_OUTS:
        eval_out(e, (uint64_t)i->imm);
        break;
    case OP_HASH:
        eval_out(e, '#');
        break;
    case OP_CALL: /* as the simulator does */
        e->v[v.i] = a + (uint64_t)i->imm * e->size;
        eval_out(e, i->loop);
        break;
    case OP_ADD:
    case OP_SUB:
    case OP_MUL:
    case OP_AND:
    case OP_OR:
    case OP_XOR:
    case OP_SHL:
    case OP_SHR:
    case OP_EQ:
    case OP_NE:
    case OP_ULT:
    case OP_SELECT:
        e->v[v.i] = ir_wrap(e->f, eval_pure(e, i));
        break;
    case OP_RET:
    case OP_TRAP:
        e->run->result = (int64_t)(a + (uint64_t)i->imm * e->size);
        e->run->trapped = i->op == OP_TRAP;
        break;
    case OP_NOP:
    case OP_COPY:
    case OP_CONST:
    case OP_PHI:
    case OP_JMP:
    case OP_BR:
    case OP_COUNT:
        break;
    }
}

static void eval_phis(struct eval *e, block from, block to) {
    unsigned slot = ir_pred_slot(e->f, from, to), n = 0;
    uint64_t in[64];
    IR_FOR_INSNS (e->f, to, v) {
        if (ir_is(e->f, v, OP_PHI))
            in[n++] = get(e, slot == 0 ? ir_at(e->f, v)->a : ir_at(e->f, v)->b);
    }
    n = 0;
    IR_FOR_INSNS (e->f, to, v) {
        if (ir_is(e->f, v, OP_PHI))
            e->v[v.i] = in[n++];
    }
}

static void eval(const struct func *f, struct run *run) {
    struct eval e = {f, run, xcalloc(f->ninsn, 8), f->cell_bits / 8};
    block b = f->entry;
    for (unsigned steps = 0; !run->bad; steps++) {
        IR_FOR_INSNS (f, b, v) {
            eval_insn(&e, v);
            if (run->bad)
                break;
        }
        const struct block_data *d = ir_block(f, b);
        if (d->nsucc == 0 || run->bad)
            break;
        block to = d->succ[d->nsucc == 2 && get(&e, ir_at(f, d->last)->a) == 0];
        eval_phis(&e, b, to);
        b = to;
        run->bad = steps > 500;
    }
    xfree(e.v);
}

/* ---- comparing ---- */

static void fill_tape(uint8_t *tape, unsigned size, uint64_t with) {
    memset(tape, 0, CELLS * 8);
    uint64_t keep = seed;
    seed = with;
    for (unsigned k = START - 30; k < START + 30; k++) {
        uint64_t v = rnd(4) ? (uint64_t)rnd_number() : 0;
        memcpy(tape + k * size, &v, size);
    }
    seed = keep;
}

static const char *dump(const struct mach *m) {
    static struct text t;
    t.len = 0;
    mach_print(&t, m);
    return t.p;
}

/* Runs m as `want` was run; complains if anything differs. */
static void compare(const struct mach *m, const struct run *want, uint64_t with, const char *what) {
    static struct rt rt;
    static uint8_t tape[CELLS * 8];
    unsigned size = m->cell_bits / 8;
    fill_tape(tape, size, with);
    rt.tape = (struct tape){.base = tape, .bytes = CELLS * size, .cell_bytes = size};
    struct sim s = {.tape = tape,
                    .tape_bytes = CELLS * size,
                    .rt = &rt,
                    .garbage = with + 1,
                    .steps = MAX_STEPS};
    sim_run(&s, m, (uint64_t)(uintptr_t)(tape + START * size));
    bool same = s.end == (want->trapped ? SIM_TRAPPED : SIM_RETURNED) &&
                (int64_t)(s.result - (uint64_t)(uintptr_t)tape) == want->result &&
                s.nout == want->nout && memcmp(s.out, want->out, s.nout) == 0 &&
                s.nin == want->nin && memcmp(tape, want->tape, CELLS * size) == 0;
    if (!same)
        cr_log_error("%s", dump(m));
    cr_assert(same, "%s: function %llx goes wrong (ended %d)", what, (unsigned long long)with,
              (int)s.end);
}

static uint64_t hits[X64_RULE_COUNT];

static void check_allocated(const struct mach *m, const struct run *want, uint64_t with) {
    static const unsigned regs[] = {0, 3, 6};
    for (unsigned n = 0; n < 3; n++) {
        struct ra_options opt = {.max_regs = regs[n], .seed = with % 3 == 0 ? (uint32_t)with : 0};
        struct ra_stats stats = {0};
        struct mach *a = ra_allocate(m, &opt, &stats);
        struct text error = {0};
        cr_assert(ra_check(m, a, &error), "%s\n%s", error.p, dump(a));
        compare(a, want, with, "allocated");
        mach_free(a);
    }
}

static void check_function(unsigned bits, uint64_t with, unsigned *used) {
    static struct run want;
    seed = with;
    struct func *f = gen_func(bits);
    memset(&want, 0, sizeof want);
    fill_tape(want.tape, bits / 8, with);
    eval(f, &want);
    if (!want.bad) {
        struct isel_options opt = {.check_bounds = with % 4 == 0};
        struct mach *m = x64_select(f, &opt);
        x64_count_rules(m, hits);
        compare(m, &want, with, "selected");
        check_allocated(m, &want, with);
        mach_free(m);
        ++*used;
    }
    ir_free(f);
}

static void check_width(unsigned bits) {
    unsigned used = 0, all = 2500;
    for (unsigned n = 0; n < all; n++)
        check_function(bits, n * UINT64_C(0x9e3779b97f4a7c15) + bits, &used);
    cr_expect(used > all / 2, "only %u of %u functions were of use", used, all);
}

Test(isel, cells_of_8_bits) {
    check_width(8);
}
Test(isel, cells_of_16_bits) {
    check_width(16);
}
Test(isel, cells_of_32_bits) {
    check_width(32);
}
Test(isel, cells_of_64_bits) {
    check_width(64);
}

Test(isel, every_rule_fires) {
    unsigned used = 0;
    for (unsigned n = 0; n < 6000; n++)
        check_function(8u << n % 4, n * UINT64_C(0x9e3779b97f4a7c15) + 99, &used);
    for (unsigned r = 1; r < X64_RULE_COUNT; r++)
        cr_expect(hits[r] > 0, "rule %s was never used", x64_rule_name(r));
}
