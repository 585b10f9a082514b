/* test_walk.c: walks (ir/walk.h): what is recognized as one, and the interpreter's way of running
 * them against the evaluator's reading of the same loop, cell by cell.
 *
 * Runs start everywhere on a tape of one page, so that walks end at once, after some rounds, or by
 * leaving the tape on either side in the middle of a round. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "backend/ra.h"
#include "backend/vm/interp.h"
#include "ir/eval.h"
#include "ir/parse.h"
#include "ir/verify.h"
#include "runtime/alloc.h"
#include "runtime/text.h"

#define MAX_CELLS 4096

static uint64_t seed = 1;

static uint32_t rnd(uint32_t n) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % n;
}

/* ---- recognition ---- */

/* The walk that b2 of this text is, in words; "" if it is none. */
static void describe(const char *body, struct text *out) {
    struct text t = {0};
    text_fmt(&t, "unit cells=8 {\nb1:\n  %%1 = tape\n  jmp b2\n%s}\n", body);
    struct ir_parse_error error;
    struct func *f = ir_parse(t.p, t.len, &error);
    cr_assert(f, "line %u: %s\n%s", error.line, error.message, t.p);
    struct text why = {0};
    cr_assert(ir_verify(f, &why), "%s", why.p);
    block head = ir_block(f, ir_block(f, f->entry)->succ[0])->npred == 2
                     ? ir_block(f, f->entry)->succ[0]
                     : NO_BLOCK;
    uint32_t *uses = ir_use_counts(f);
    struct walk w;
    if (head.i && walk_find(f, head, uses, &w)) {
        text_fmt(out, "step %d test %d cells %d..%d:", w.step, w.test, w.low, w.high);
        for (unsigned i = 0; i < w.nop; i++)
            text_fmt(out, " [%d] %s %lld*[%d] + %lld;", w.op[i].dst, w.op[i].keep ? "+=" : "=",
                     (long long)(int8_t)w.op[i].factor, w.op[i].src,
                     (long long)(int8_t)w.op[i].add);
    }
    text_char(out, '\0');
    xfree(uses);
    ir_free(f);
    text_free(&t);
    text_free(&why);
}

static void expect(const char *body, const char *what) {
    struct text got = {0};
    describe(body, &got);
    cr_expect_str_eq(got.p, what, "%s\n%s", got.p, body);
    text_free(&got);
}

#define HEAD "b2:\n  %2 = phi b1 %1, b2 %9\n"
#define TAIL "  %9 = move %2 + 9\n  %10 = load %9\n  br %10, b2, b3\nb3:\n  ret %9\n"

Test(walk, recognized) {
    expect(HEAD TAIL, "step 9 test 9 cells 0..9:");
    expect(HEAD "  store %2 + 3, 7\n" TAIL, "step 9 test 9 cells 0..9: [3] = 0*[3] + 7;");
    expect(HEAD "  %3 = load %2 - 1\n  %4 = add %3, -2\n  store %2 - 1, %4\n" TAIL,
           "step 9 test 9 cells -1..9: [-1] += 0*[-1] + -2;");
    expect(HEAD "  %3 = load %2 + 1\n  %4 = load %2 + 2\n  %5 = mul %3, 3\n  %6 = add %5, %4\n"
                "  store %2 + 2, %6\n  store %2 + 1, 0\n" TAIL,
           "step 9 test 9 cells 0..9: [2] += 3*[1] + 0; [1] = 0*[1] + 0;");
    /* A value stored is found where it was stored; copies; differences. */
    expect(HEAD "  %3 = load %2 + 1\n  %4 = load %2 + 2\n  %5 = sub %4, %3\n  store %2 + 2, %5\n"
                "  store %2 + 3, %5\n" TAIL,
           "step 9 test 9 cells 0..9: [2] += -1*[1] + 0; [3] = 1*[2] + 0;");
    /* Several cells into one. */
    expect(HEAD "  %3 = load %2 + 1\n  %4 = load %2 + 2\n  %5 = add %4, %3\n  %6 = add %5, 1\n"
                "  store %2 + 3, %6\n" TAIL,
           "step 9 test 9 cells 0..9: [3] = 1*[1] + 1; [3] += 1*[2] + 0;");
    expect(HEAD "  %3 = load %2 + 1\n  %4 = load %2 + 2\n  %5 = shl %3, 1\n  %6 = add %4, %5\n"
                "  store %2 + 1, %6\n" TAIL,
           "step 9 test 9 cells 0..9: [1] = 2*[1] + 0; [1] += 1*[2] + 0;");
    /* The test may be of what the round has just written. */
    expect(HEAD "  %3 = load %2 + 9\n  %4 = add %3, -1\n  store %2 + 9, %4\n"
                "  %9 = move %2 + 9\n  br %4, b2, b3\nb3:\n  ret %9\n",
           "step 9 test 9 cells 0..9: [9] += 0*[9] + -1;");
}

#define SIDE                                                                                       \
    "b2:\n  %2 = phi b1 %1, b5 %9\n  %3 = load %2 + 1\n  br %3, b4, b5\nb4:\n  %4 = load %2 + "    \
    "10\n"                                                                                         \
    "  %5 = add %4, %3\n  store %2 + 10, %5\n"
#define JOIN "  jmp b5\nb5:\n  %9 = move %2 - 9\n  %10 = load %9\n  br %10, b2, b3\nb3:\n  ret %9\n"

Test(walk, detours) {
    expect(SIDE "  store %2 + 1, 0\n" JOIN,
           "step -9 test -9 cells -9..10: [10] += 1*[1] + 0; [1] = 0*[1] + 0;");
    expect(SIDE "  %6 = mul %3, 2\n  store %2 + 1, %6\n" JOIN,
           "step -9 test -9 cells -9..10: [10] += 1*[1] + 0; [1] += 1*[1] + 0;");
    /* Changes something when %3 is 0. */
    expect(SIDE "  store %2 + 1, 1\n" JOIN, "");
    expect(SIDE "  %6 = load %2 + 3\n  %7 = add %6, 1\n  store %2 + 3, %7\n" JOIN, "");
    expect(SIDE "  store %2 + 3, 0\n" JOIN, "");
}

Test(walk, not_recognized) {
    /* Something else than the pointer is used behind the loop. */
    expect(HEAD "  %3 = load %2 + 1\n  store %2 + 2, %3\n  %9 = move %2 + 9\n  %10 = load %9\n"
                "  br %10, b2, b3\nb3:\n  store %9, %3\n  ret %9\n",
           "");
    expect(HEAD "  %9 = move %2 + 9\n  %10 = load %9\n  br %10, b2, b3\nb3:\n  ret %2\n", "");
    /* No step; no sum; input; another pointer; a value carried round. */
    expect(HEAD "  %9 = move %2\n  %10 = load %9\n  br %10, b2, b3\nb3:\n  ret %9\n", "");
    expect(HEAD "  %3 = load %2 + 1\n  %4 = mul %3, %3\n  store %2 + 1, %4\n" TAIL, "");
    expect(HEAD "  %3 = in 0\n  store %2 + 1, %3\n" TAIL, "");
    expect(HEAD "  store %1, 3\n" TAIL, "");
    expect("b2:\n  %2 = phi b1 %1, b2 %9\n  %3 = phi b1 0, b2 %4\n  %4 = add %3, 1\n"
           "  store %2, %4\n" TAIL,
           "");
    /* The test is of no cell: of what one held before it was changed. */
    expect(HEAD "  %3 = load %2 + 9\n  store %2 + 9, 0\n  %9 = move %2 + 9\n  br %3, b2, b3\nb3:\n"
                "  ret %9\n",
           "");
    expect(HEAD "  store %2 + 4294967296, 3\n" TAIL, "");
}

/* ---- running ---- */

static uint64_t get(const struct tape *t, uint64_t at) {
    uint64_t x = 0;
    memcpy(&x, t->base + at * t->cell_bytes, t->cell_bytes);
    return x;
}

/* Under --strict, each access has its touch, and the exact one is reported. */
static void touch_all(struct func *f) {
    f->strict = true;
    IR_FOR_BLOCKS (f, b) {
        IR_FOR_INSNS (f, b, v) {
            const struct insn in = *ir_at(f, v);
            if (in.op == OP_LOAD || in.op == OP_STORE)
                ir_before(f, v, OP_TOUCH, in.a, NO_VALUE, in.imm, in.src);
        }
    }
}

/* A random loop; its shape is nearly always that of a walk. */
static struct func *random_loop(unsigned bits, int64_t start) {
    struct func *f = ir_new(bits);
    block entry = ir_block_new(f, NO_BLOCK), body = ir_block_new(f, entry);
    block out = ir_block_new(f, body);
    f->entry = entry;
    uint32_t src = 1;
    value p = ir_append(f, entry, OP_TAPE, NO_VALUE, NO_VALUE, 0, src++);
    p = ir_append(f, entry, OP_MOVE, p, NO_VALUE, start, src++);
    value phi = ir_phi(f, body, KIND_PTR, p, p), all[24];
    unsigned n = 0, nop = rnd(7);
    int64_t step = rnd(5) == 0 ? 1 + rnd(40) : 1 + rnd(4);
    block b = body;
    ir_jmp(f, entry, body, src++);
    for (unsigned i = 0; i < nop; i++) {
        value guard = NO_VALUE;
        block side = b, join = b;
        int64_t at = rnd(9) - INT64_C(4), from = rnd(9) - INT64_C(4);
        if (rnd(4) == 0) {
            guard = ir_append(f, b, OP_LOAD, phi, NO_VALUE, from, src++);
            side = ir_block_new(f, b);
            join = ir_block_new(f, side);
            ir_br(f, b, guard, side, join, src++);
        }
        value old = ir_append(f, side, OP_LOAD, phi, NO_VALUE, at, src++);
        value x = guard.i ? guard : ir_append(f, side, OP_LOAD, phi, NO_VALUE, from, src++);
        if (!guard.i && n > 0 && rnd(3) == 0)
            x = all[rnd(n)];
        static const int factors[] = {1, 1, 1, -1, 2, 3, -7, 128};
        value y = ir_append(f, side, OP_MUL, x, ir_const(f, (uint64_t)factors[rnd(8)]), 0, src++);
        if (guard.i || rnd(3) != 0)
            y = ir_append(f, side, rnd(4) ? OP_ADD : OP_SUB, old, y, 0, src++);
        if (!guard.i && rnd(2) == 0)
            y = ir_append(f, side, OP_ADD, y, ir_const(f, rnd(2) ? UINT64_MAX : rnd(300)), 0,
                          src++);
        if (!guard.i && rnd(4) == 0)
            y = ir_const(f, rnd(3));
        ir_append(f, side, OP_STORE, phi, y, at, src++);
        if (guard.i && rnd(2) == 0)
            ir_append(f, side, OP_STORE, phi, ir_const(f, 0), from, src++);
        if (guard.i) {
            ir_jmp(f, side, join, src++);
            b = join;
        } else if (b.i == body.i && !ir_is_const(f, y)) {
            all[n++] = y;
        }
    }
    /* A run of stores, up or down; the longer ones are too much for a walk. */
    unsigned run = rnd(5) ? 0 : 1 + rnd(14);
    int64_t low = rnd(9) - INT64_C(4), down = rnd(2) ? run - 1 : 0;
    value what = ir_const(f, rnd(2) ? 0 : rnd(UINT32_MAX));
    for (unsigned i = 0; i < run; i++)
        ir_append(f, b, OP_STORE, phi, what, low + (down ? down - i : i), src++);
    value next = ir_append(f, b, OP_MOVE, phi, NO_VALUE, rnd(2) ? step : -step, src++);
    value cond = ir_append(f, b, OP_LOAD, next, NO_VALUE, rnd(3) ? 0 : rnd(5) - INT64_C(2), src++);
    ir_br(f, b, cond, body, out, src++);
    ir_at(f, phi)->b = next;
    ir_ret(f, out, next, src++);
    if (rnd(3) == 0)
        touch_all(f);
    return f;
}

static uint64_t rounds, walks, left, fills, fused;

static void count_words(const struct vm_code *c) {
    for (uint32_t i = 0; i < c->n; i++) {
        fused += c->word[i].op > VM_FUSED_BEGIN;
        fills += c->word[i].op < VM_FUSED_BEGIN && c->word[i].op % VM_OP_COUNT == VM_FILL;
    }
}

/* Runs f both ways on the same random tape. */
static void compare(struct func *f, struct tape *t, const struct ra_options *ra, bool threaded) {
    static uint64_t cell[MAX_CELLS];
    uint64_t n = tape_cells(t);
    struct text why = {0};
    cr_assert(ir_verify(f, &why), "%s", why.p);
    unsigned zeros = 2 + rnd(20);
    for (uint64_t i = 0; i < n; i++) {
        uint64_t x = rnd(zeros) == 0 ? 0 : rnd(4) ? rnd(3) : (uint64_t)rnd(UINT32_MAX) << rnd(33);
        memcpy(t->base + i * t->cell_bytes, &x, t->cell_bytes);
        cell[i] = get(t, i);
    }
    struct eval e = {.cell = cell, .ncell = n, .fuel = 200000};
    ir_eval(f, &e);
    struct mach *m = vm_select(f), *a = ra_allocate(m, ra, &(struct ra_stats){0});
    cr_assert(ra_check(m, a, &why), "%s", why.p);
    static struct rt rt;
    rt_io_init(&rt, -1, -1, EOF_UNCHANGED);
    rt.tape = *t;
    if (e.end == EVAL_DONE || e.end == EVAL_OFF_TAPE) {
        struct vm_code *c = vm_decode(a);
        walks += c->nwalk;
        count_words(c);
        rounds++;
        vm_execute(c, &rt, t->base, threaded ? VM_THREADED : VM_SWITCH);
        vm_code_free(c);
        cr_assert_eq(rt.end, e.end == EVAL_DONE ? RUN_DONE : RUN_OFF_TAPE);
        if (e.end == EVAL_DONE)
            cr_assert_eq(rt.end_pointer, e.pointer);
        else
            left++;
        if (e.end == EVAL_OFF_TAPE && f->strict)
            cr_assert(rt.end_src == e.end_src && rt.end_cell == e.end_cell);
        for (uint64_t i = 0; i < n && e.end == EVAL_DONE; i++)
            cr_assert_eq(get(t, i), cell[i], "cell %d", (int)i);
    }
    text_free(&e.output);
    text_free(&why);
    mach_free(m);
    mach_free(a);
    ir_free(f);
}

Test(walk, runs_as_written) {
    for (unsigned bits = 8; bits <= 64; bits *= 2) {
        struct tape t;
        cr_assert(tape_map(&t, 1, bits / 8, 0, true));
        int64_t n = (int64_t)tape_cells(&t);
        for (unsigned i = 0; i < 5000; i++) {
            int64_t start = rnd(4) ? rnd((uint32_t)n) : rnd(2) ? rnd(20) : n - 1 - rnd(20);
            struct ra_options ra = {.max_regs = rnd(3) ? 0 : 3, .seed = rnd(3) ? 0 : rnd(1000)};
            compare(random_loop(bits, start), &t, &ra, rnd(2));
        }
        tape_unmap(&t);
    }
    cr_expect_gt(walks, rounds / 2, "%d walks in %d runs", (int)walks, (int)rounds);
    cr_expect_gt(fills, 500, "%d runs of stores were filled", (int)fills);
    cr_expect_gt(fused, rounds, "%d sequences", (int)fused);
    cr_expect_gt(left, 500, "%d runs left the tape", (int)left);
    printf("%d runs, %d walks, %d left the tape\n", (int)rounds, (int)walks, (int)left);
}
