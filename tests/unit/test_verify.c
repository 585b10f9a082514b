/* test_verify.c: rules of the IR that no text can break: each is broken here by hand.
 *
 * What text can break has a case in tests/ir/verify. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ir/parse.h"
#include "ir/print.h"
#include "ir/verify.h"
#include "passes/pass_stats.h"
#include "passes/pipeline.h"
#include "runtime/text.h"

/* A guarded loop that sets cell 1 and prints cell 0:
 * b1: 1 tape, 2 load, 3 br | b2: 4 phi, 5 store, 6 load, 7 br | b3: 8 outs, 9 ret */
static const char sample[] = "program cells=8 tape=4096 {\n"
                             "b1:\n"
                             "  %1 = tape\n"
                             "  %2 = load %1\n"
                             "  br %2, b2, b3\n"
                             "b2:\n"
                             "  %3 = phi b1 %2, b2 %4\n"
                             "  store %1 + 1, 7\n"
                             "  %4 = load %1\n"
                             "  br %4, b2, b3\n"
                             "b3:\n"
                             "  outs \"x\"\n"
                             "  ret %1\n"
                             "}\n";

static const block b1 = {1}, b2 = {2}, b3 = {3};

static struct func *make(void) {
    struct ir_parse_error e;
    struct func *f = ir_parse(sample, strlen(sample), &e);
    cr_assert(f != NULL, "%u:%u: %s", e.line, e.col, e.message);
    return f;
}

/* The n-th instruction of a block, counted from 0. */
static value nth(const struct func *f, block b, unsigned n) {
    value v = ir_block(f, b)->first;
    while (n-- > 0)
        v = ir_next(f, v);
    return v;
}

/* f must be wrong for this reason, and must still print.  Frees f. */
static void expect(struct func *f, const char *reason) {
    struct text message = {0}, report = {0};
    struct ir_fault at;
    cr_expect(!ir_check(f, &at, &message), "sound, but should be: %s", reason);
    cr_expect(message.len > 0 && strstr(message.p, reason), "`%s` is not `%s`",
              message.p ? message.p : "", reason);
    cr_expect(!ir_verify(f, &report));
    cr_expect(report.len > 0 && strstr(report.p, "error: "));
    text_free(&message);
    text_free(&report);
    ir_free(f);
}

Test(verify, sample_is_sound) {
    struct func *f = make();
    struct text report = {0};
    cr_expect(ir_verify(f, &report), "%s", report.p);
    text_free(&report);
    ir_free(f);
}

/* No pass is known to break a function, so it is broken before. */
Test(verify, the_pipeline_says_after_which_pass) {
    struct func *f = make();
    struct pipeline_options o = {.passes = "dce,gvn", .verify_each = true};
    struct text error = {0};
    cr_expect(pipeline_run(f, &o, &error), "%s", error.p);
    cr_expect_eq(error.len, 0);
    f->last_block = b2;
    cr_expect(!pipeline_run(f, &o, &error));
    cr_expect(error.len > 0 && strstr(error.p, "the function is broken after pass dce\n"));
    cr_expect(error.len > 0 && strstr(error.p, "last_block"), "%s", error.p);
    text_free(&error);
    ir_free(f);
}

/* Goes on for ever, so `prerun` runs it for as long as it may. */
static const char endless[] = "program cells=8 tape=4096 {\n"
                              "b1:\n"
                              "  %1 = tape\n"
                              "  jmp b2\n"
                              "b2:\n"
                              "  %2 = load %1\n"
                              "  %3 = xor %2, 6\n"
                              "  store %1, %3\n"
                              "  %4 = or %3, 1\n"
                              "  br %4, b2, b3\n"
                              "b3:\n"
                              "  ret %1\n"
                              "}\n";

static double thread_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

/* Nearly all of the time goes into one pass, and is said to. */
Test(verify, the_pipeline_tells_how_long_a_pass_takes) {
    struct ir_parse_error e;
    struct func *f = ir_parse(endless, strlen(endless), &e);
    cr_assert(f != NULL, "%u:%u: %s", e.line, e.col, e.message);
    struct pass_stats *stats = pass_stats_new(true);
    struct pipeline_options o = {.passes = "prerun", .prerun_steps = 5000000, .stats = stats};
    struct text error = {0}, times = {0};
    double before = thread_ms();
    cr_assert(pipeline_run(f, &o, &error), "%s", error.p);
    double all = thread_ms() - before;
    pass_stats_print_times(stats, &times);
    cr_assert(times.len > 0 && strstr(times.p, "ms  prerun (1 runs"));
    double said = strtod(times.p, NULL);
    cr_expect(said > all / 2 && said < all + 1, "%g ms of %g", said, all);
    text_free(&error);
    text_free(&times);
    pass_stats_free(stats);
    ir_free(f);
}

/* ---- header and layout ---- */

Test(verify, cell_width) {
    struct func *f = make();
    f->cell_bits = 24;
    expect(f, "cells of 24 bits");
}

Test(verify, no_entry) {
    struct func *f = make();
    f->entry = NO_BLOCK;
    expect(f, "no entry block");
}

Test(verify, layout_out_of_range) {
    struct func *f = make();
    f->block[3].next = (block){99};
    expect(f, "leads to block 99");
}

Test(verify, layout_circle) {
    struct func *f = make();
    f->block[3].next = b2;
    expect(f, "runs in a circle");
}

Test(verify, layout_back_link) {
    struct func *f = make();
    f->block[3].prev = b1;
    expect(f, "does not link back");
}

Test(verify, layout_last) {
    struct func *f = make();
    f->last_block = b2;
    expect(f, "last_block");
}

Test(verify, layout_lost_block) {
    struct func *f = make();
    f->block[2].next = NO_BLOCK;
    f->last_block = b2;
    expect(f, "neither in the layout nor dead");
}

Test(verify, layout_dead_block) {
    struct func *f = make();
    f->block[2].dead = true;
    expect(f, "a dead block");
}

/* ---- lists of instructions ---- */

Test(verify, list_out_of_range) {
    struct func *f = make();
    f->next[nth(f, b3, 1).i] = 1000;
    expect(f, "leads to instruction 1000");
}

Test(verify, list_circle) {
    struct func *f = make();
    f->next[nth(f, b2, 3).i] = nth(f, b2, 0).i;
    expect(f, "stands in two places");
}

Test(verify, list_home) {
    struct func *f = make();
    f->home[nth(f, b2, 1).i] = b3;
    expect(f, "home is another block");
}

Test(verify, list_back_link) {
    struct func *f = make();
    f->prev[nth(f, b2, 2).i] = nth(f, b2, 0).i;
    expect(f, "does not link back");
}

Test(verify, list_last) {
    struct func *f = make();
    f->block[2].last = nth(f, b2, 2);
    expect(f, "not the end of its list");
}

Test(verify, list_lost_instruction) {
    struct func *f = make();
    value phi = nth(f, b2, 0), store = nth(f, b2, 1), load = nth(f, b2, 2);
    f->next[phi.i] = load.i;
    f->prev[load.i] = phi.i;
    expect(ir_clone(f), "not in the list of its home");
    f->home[store.i] = NO_BLOCK;
    expect(f, "stands in no block");
}

Test(verify, unsettled_copy) {
    struct func *f = make();
    ir_replace(f, nth(f, b2, 0), nth(f, b1, 1));
    expect(f, "`copy`) stands in no block");
}

Test(verify, unknown_operation) {
    for (unsigned op = OP_COUNT; op <= UINT8_MAX; op++) {
        struct func *f = make();
        ir_at(f, nth(f, b2, 1))->op = (uint8_t)op;
        expect(f, "has no operation");
    }
}

/* ---- constants ---- */

Test(verify, constant_wider_than_a_cell) {
    struct func *f = make();
    ir_at(f, ir_const(f, 7))->imm = 0x107;
    expect(f, "wider than a cell");
}

Test(verify, constant_twice) {
    struct func *f = make();
    value nine = ir_const(f, 9);
    ir_at(f, nine)->imm = 7;
    expect(f, "the constant 7 exists twice");
}

Test(verify, constant_twice_with_others_between) {
    struct func *f = make();
    ir_const(f, 200);
    ir_at(f, ir_const(f, 9))->imm = 7;
    expect(f, "the constant 7 exists twice");
}

Test(verify, constant_not_in_the_table) {
    struct func *f = make();
    f->nconst--;
    expect(f, "not in the table");
}

Test(verify, constant_table_holds_another) {
    struct func *f = make();
    for (uint32_t i = 0; i < f->const_size; i++)
        if (f->const_table[i] != 0)
            f->const_table[i] = nth(f, b1, 0).i;
    expect(f, "which is none");
}

Test(verify, constant_of_another_kind) {
    struct func *f = make();
    ir_at(f, ir_const(f, 7))->kind = KIND_PTR;
    expect(f, "is not a cell");
}

Test(verify, constant_in_a_block) {
    struct func *f = make();
    ir_append(f, b3, OP_NOP, NO_VALUE, NO_VALUE, 0, NO_SRC);
    expect(f, "`nop` in a block");
}

/* ---- edges ---- */

Test(verify, successors_and_terminator) {
    struct func *f = make();
    f->block[1].nsucc = 1;
    f->block[1].succ[1] = NO_BLOCK;
    expect(f, "a block with 1 successors ends in `br`");
}

Test(verify, successor_does_not_know) {
    struct func *f = make();
    f->block[1].succ[1] = b2;
    expect(f, "successor");
}

Test(verify, same_successors) {
    struct func *f = make();
    f->block[1].succ[1] = b2;
    f->block[3].pred[0] = b2;
    f->block[3].npred = 1;
    f->block[3].pred[1] = NO_BLOCK;
    expect(f, "the two successors are the same block");
}

Test(verify, successor_out_of_range) {
    struct func *f = make();
    f->block[1].succ[0] = (block){77};
    expect(f, "no block of the layout");
}

Test(verify, predecessor_out_of_range) {
    struct func *f = make();
    f->block[2].pred[1] = (block){77};
    expect(f, "no block of the layout");
}

Test(verify, predecessor_does_not_lead_here) {
    struct func *f = make();
    f->block[2].pred[1] = b3;
    expect(f, "does not lead here");
}

Test(verify, too_many_predecessors) {
    struct func *f = make();
    f->block[3].npred = 3;
    expect(f, "more than two edges");
}

Test(verify, unused_slots_are_clear) {
    struct func *f = make();
    f->block[3].succ[0] = b1;
    expect(f, "an unused successor");
    f = make();
    f->block[1].pred[0] = b2;
    expect(f, "an unused predecessor");
}

/* ---- instructions ---- */

Test(verify, terminator_in_the_middle) {
    struct func *f = make();
    ir_at(f, nth(f, b3, 0))->op = OP_JMP;
    expect(f, "stands before the end of its block");
}

Test(verify, operand_missing) {
    struct func *f = make();
    ir_at(f, nth(f, b2, 1))->b = NO_VALUE;
    expect(f, "operand 2 is missing");
}

Test(verify, operand_out_of_range) {
    struct func *f = make();
    ir_at(f, nth(f, b2, 1))->b = (value){12345};
    expect(f, "operand 2 is missing");
}

Test(verify, operand_removed) {
    struct func *f = make();
    ir_remove(f, nth(f, b1, 1));
    expect(f, "operand 1 stands in no block");
}

Test(verify, result_kind) {
    struct func *f = make();
    ir_at(f, nth(f, b1, 1))->kind = KIND_PTR;
    expect(f, "the result is a pointer; `load` gives a cell");
}

Test(verify, phi_kind) {
    struct func *f = make();
    ir_at(f, nth(f, b2, 0))->kind = KIND_NONE;
    expect(f, "neither a cell nor a pointer");
}

Test(verify, phi_of_one_predecessor) {
    struct func *f = make();
    value v = nth(f, b1, 1);
    block to = ir_split_edge(f, b1, 1);
    ir_phi(f, to, KIND_CELL, v, v);
    expect(f, "where there is one predecessor");
}

Test(verify, string_out_of_range) {
    struct func *f = make();
    ir_at(f, nth(f, b3, 0))->imm = 5;
    expect(f, "string 5 does not exist");
}

Test(verify, string_too_long) {
    struct func *f = make();
    f->string[0].len = 100;
    expect(f, "longer than its text");
}

Test(verify, unknown_mark) {
    struct func *f = make();
    ir_at(f, nth(f, b1, 1))->trap = 9;
    expect(f, "unknown mark 9");
}

Test(verify, mark_on_what_cannot_trap) {
    struct func *f = make();
    ir_at(f, nth(f, b3, 0))->trap = NO_TRAP_DOM;
    expect(f, "which cannot trap");
}

/* A report of a large function shows the block at fault only. */
Test(verify, report_of_a_large_function_is_short) {
    struct func *f = make();
    value tape = nth(f, b1, 0);
    for (unsigned i = 0; i < 2000; i++)
        ir_append(f, b1, OP_LOAD, tape, NO_VALUE, i, NO_SRC);
    ir_at(f, nth(f, b2, 1))->b = NO_VALUE;
    struct text report = {0};
    cr_expect(!ir_verify(f, &report));
    cr_expect(report.len < 400, "%zu bytes", report.len);
    cr_expect(strstr(report.p, "  store %1 + 1, none\n  ; ^ error: operand 2 is missing\n") !=
              NULL);
    text_free(&report);
    ir_free(f);
}
