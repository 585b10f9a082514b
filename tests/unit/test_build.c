/* test_build.c: IR from programs: the simplified form means what the plain one does, and is as
 * short as build_local.c says. */
#include <criterion/criterion.h>
#include <string.h>

#include "ir/build.h"
#include "ir/parse.h"
#include "ir/print.h"
#include "ir/validate.h"
#include "ir/verify.h"
#include "runtime/text.h"
#include "tests/unit/parsed.h"

#define CELLS 4096

static struct func *built(const struct program *p, unsigned bits, bool eof_unchanged, bool simplify,
                          uint32_t open) {
    struct build_options o = {.cell_bits = bits,
                              .eof_unchanged = eof_unchanged,
                              .tape_cells = CELLS,
                              .simplify = simplify};
    struct func *f = open ? ir_build_loop(p, open, &o) : ir_build_program(p, &o);
    struct text why = {0};
    cr_assert(ir_verify(f, &why), "%s", why.p);
    return f;
}

static void compare(const char *code, unsigned bits, bool eof_unchanged, uint32_t open) {
    struct program p = parsed(code);
    struct func *plain = built(&p, bits, eof_unchanged, false, open);
    struct func *simple = built(&p, bits, eof_unchanged, true, open);
    struct text why = {0};
    cr_assert(ir_same_meaning(plain, simple, 12, bits, &why), "%s at %u bits: %s", code, bits,
              why.p);
    cr_assert_leq(simple->ninsn, plain->ninsn + 1, "%s", code);
    ir_free(plain);
    ir_free(simple);
    program_free(&p);
}

static const char *const programs[] = {
    "",
    "+-",
    "<",
    "<+",
    "<+-",
    ">+>++<+[->>+<<]>.",
    ",[.,]",
    ",>,<.>.<,+.",
    "+[>+]<[<]>.",
    "++[>++[>++<-]<-]>>.",
    "[comment +++.]+.",
    "+[-][dead .]>+[-[-]]<.",
    ",[->+>[-]<<]>[>]<.",
    "+>,[<+>-]#<.#",
    "+[[>]+<[-<]>,]",
    ">>>>>>>>,[<<<<,[>>>>->,<<<<<-]>>>>]<<<<<<<<.",
    "+[,.+[-]]",
    ",+.+.>+.<+[>.<-].",
};

Test(build, simplified_means_the_same) {
    for (unsigned n = 0; n < sizeof programs / sizeof *programs; n++)
        for (unsigned bits = 8; bits <= 64; bits *= 2)
            for (int eof = 0; eof < 2; eof++)
                compare(programs[n], bits, eof != 0, 0);
}

Test(build, units_begin_with_their_loop) {
    compare("+[>,[->+<]<-]", 8, true, 1);
    compare("+[>,[->+<]<-]", 8, true, 4);
    compare("+>[>]>[-]", 8, true, 2);
}

/* Pointers that go beyond what a block remembers. */
Test(build, far_moves) {
    struct text t = {0};
    for (int n = 0; n < 1500; n++)
        text_put(&t, ">");
    text_put(&t, "+++.");
    for (int n = 0; n < 1400; n++)
        text_put(&t, "<");
    text_put(&t, "+[-");
    for (int n = 0; n < 1400; n++)
        text_put(&t, ">");
    text_put(&t, ".[-]");
    for (int n = 0; n < 1400; n++)
        text_put(&t, "<");
    text_put(&t, "]");
    compare(t.p, 8, true, 0);
    text_free(&t);
}

static void expect(const char *code, const char *want) {
    struct program p = parsed(code);
    struct func *f = built(&p, 8, true, true, 0);
    struct text got = {0};
    struct ir_print_options o = {0};
    ir_print(&got, f, &o);
    const char *body = strchr(got.p, '\n') + 1; /* behind the header */
    cr_assert_str_eq(body, want, "%s", code);
    text_free(&got);
    ir_free(f);
    program_free(&p);
}

Test(build, one_load_and_store_a_cell) {
    expect("+>++<+", "b1:\n"
                     "  %1 = tape\n"
                     "  %2 = load %1 @0\n"
                     "  %3 = add %2, 2 @0\n"
                     "  store %1, %3 @0\n"
                     "  %4 = load %1 + 1 @2\n"
                     "  %5 = add %4, 2 @2\n"
                     "  store %1 + 1, %5 @2\n"
                     "  ret %1\n"
                     "}\n");
}

Test(build, balanced_loops_need_no_phi) {
    expect(">[->+<]", "b1:\n"
                      "  %1 = tape\n"
                      "  %2 = load %1 + 1 @1\n"
                      "  br %2, b2, b3 @1\n"
                      "b2:\n"
                      "  %3 = load %1 + 1 @2\n"
                      "  %4 = add %3, -1 @2\n"
                      "  store %1 + 1, %4 @2\n"
                      "  %5 = load %1 + 2 @4\n"
                      "  %6 = add %5, 1 @4\n"
                      "  store %1 + 2, %6 @4\n"
                      "  br %4, b2, b3 @6\n"
                      "b3:\n"
                      "  %7 = move %1 + 1 @5\n"
                      "  ret %7\n"
                      "}\n");
}

/* A loop that only counts its cell, by an odd number, is a 0, whatever stands around it. */
Test(build, loops_that_only_clear_are_not_built) {
    expect(",[-]++>[+++]", "b1:\n"
                           "  %1 = tape\n"
                           "  %2 = load %1 @0\n"
                           "  %3 = in %2 @0\n"
                           "  store %1, 2 @0\n"
                           "  %4 = move %1 + 1 @6\n"
                           "  %5 = load %1 + 1 @7\n"
                           "  store %1 + 1, 0 @7\n"
                           "  ret %4\n"
                           "}\n");
}

/* What the first of two loops leaves behind, the second never sees. */
Test(build, loops_on_zero_are_not_built) {
    expect(",[--][.]", "b1:\n"
                       "  %1 = tape\n"
                       "  %2 = load %1 @0\n"
                       "  %3 = in %2 @0\n"
                       "  store %1, %3 @0\n"
                       "  br %3, b2, b3 @1\n"
                       "b2:\n"
                       "  %4 = load %1 @2\n"
                       "  %5 = add %4, -2 @2\n"
                       "  store %1, %5 @2\n"
                       "  br %5, b2, b3 @4\n"
                       "b3:\n"
                       "  ret %1\n"
                       "}\n");
}

/* ---- functions built anew without what is gone ---- */

/* One of each kind of constant part and mark. */
static const char everything[] = "program cells=8 tape=4096 {\n"
                                 "b1:\n"
                                 "  %1 = tape\n"
                                 "  store %1 + 3 no_trap(range), 7 @1\n"
                                 "  %2 = scan %1 + 1, step -3 @2\n"
                                 "  %3 = call %2 + 2, loop 5, left 4 @3\n"
                                 "  %4 = load %3 - 1 @4\n"
                                 "  br %4, b2, b3 @4\n"
                                 "b2:\n"
                                 "  %5 = phi b1 %4, b2 %7\n"
                                 "  %6 = phi b1 3, b2 %5\n"
                                 "  %7 = select %6, %5, 9\n"
                                 "  outs \"ab\"\n"
                                 "  touch %3 + 6 @5\n"
                                 "  br %7, b2, b3\n"
                                 "b3:\n"
                                 "  %8 = move %3 - 8\n"
                                 "  ret %8\n"
                                 "}\n";

static struct text printed(const struct func *f) {
    struct text t = {0};
    ir_print(&t, f, NULL);
    return t;
}

Test(build, compacted_as_it_was) {
    struct ir_parse_error e;
    struct func *f = ir_parse(everything, strlen(everything), &e);
    cr_assert(f != NULL, "%u:%u: %s", e.line, e.col, e.message);
    struct text before = printed(f), why = {0};
    cr_assert_str_eq(before.p, everything);
    value tape = ir_block(f, f->entry)->first;
    for (int64_t n = 0; n < 9; n++)
        ir_remove(f, ir_before(f, ir_next(f, tape), OP_MOVE, tape, NO_VALUE, n, NO_SRC));
    uint32_t ninsn = f->ninsn;
    ir_compact(f);
    cr_assert_eq(f->ninsn, ninsn - 9);
    cr_assert_eq(f->ndead, 0);
    cr_assert(ir_verify(f, &why), "%s", why.p);
    struct text after = printed(f);
    cr_assert_str_eq(after.p, before.p);
    text_free(&before);
    text_free(&after);
    ir_free(f);
}
