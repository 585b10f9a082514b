/* test_mach.c: dumps of machine code, letter by letter. */
#include <criterion/criterion.h>
#include <string.h>

#include "runtime/alloc.h"
#include "runtime/text.h"
#include "tests/unit/fake_target.h"

static void check_dump(const struct mach *m, const char *want) {
    struct text out = {0};
    mach_print(&out, m);
    cr_expect_str_eq(out.p, want);
    text_free(&out);
}

static const char *rule_name(unsigned rule) {
    return rule == 1 ? "first" : "second";
}

/* Blocks say where they come from and how far a loop goes; instructions, from where in the IR and
 * the source they are. */
Test(mach, before_allocation) {
    struct mach *m = fake_mach("b > 1; const v0 #-5; jump; b 01 > 12 /1; phi v1 v0 v2 p3; "
                               "mix v2 v1 v0 d8 a3 p1 t1; branch v2; jump; b 1 >; out _; ret v2",
                               false);
    struct target t = fake_target;
    t.rule_name = rule_name;
    m->target = &t;
    m->cell_bits = 8;
    m->block[0].ir_block = 4;
    m->block[1].depth = 2;
    m->insn[3].rule = 2;
    m->insn[3].ir = 17;
    m->insn[4].ir = 6;
    check_dump(m, "; fake, 8-bit cells, 3 blocks, 3 virtual registers\n"
                  "b0:                                         ; ir b4, depth 0\n"
                  "  const        v0 imm -5\n"
                  "  jump         b1\n"
                  "b1:                                         ; depth 2, from b0 b1, loop to b1\n"
                  "  phi          v1 = v0, v2                  ; @3\n"
                  "  mix          v2 = v1, v0 disp 8 aux 3     ; rule second  %17 @1 may trap\n"
                  "  branch       v2 b1                        ; %6\n"
                  "  jump         b2\n"
                  "b2:                                         ; depth 0, from b1\n"
                  "  out          _\n"
                  "  ret          v2\n");
    m->insn[3].imm = 1234567890123456789;
    m->insn[3].disp = -2000000000;
    t.rule_name = NULL;
    struct text out = {0};
    mach_print(&out, m);
    cr_expect(strstr(out.p, "  mix          v2 = v1, v0 disp -2000000000 imm 1234567890123456789 "
                            "aux 3 ; %17 @1 may trap\n"),
              "%s", out.p);
    text_free(&out);
    mach_free(m);
}

/* Registers by the target's names, slots instead of virtual registers; a column too far right. */
Test(mach, after_allocation) {
    struct mach *m =
        fake_mach("b > 1; 0 const r0 #5 p70000; 1 jump; b 0 >; . spill r0 s1; 3 ret r9", true);
    m->cell_bits = 64;
    check_dump(m, "; fake, 64-bit cells, 2 blocks, 2 spill slots\n"
                  "b0:                                         ; depth 0\n"
                  "  const        r0 imm 5                     ; @70000\n"
                  "  jump         b1\n"
                  "b1:                                         ; depth 0, from b0\n"
                  "  spill        r0 disp 1\n"
                  "  ret          ?\n");
    struct target t = fake_target;
    t.reg_name = NULL;
    m->target = &t;
    struct text out = {0};
    mach_print_reg(&out, m, 4, 8);
    mach_print_reg(&out, m, NO_REG, 8);
    cr_expect_str_eq(out.p, "r4_");
    text_free(&out);
    mach_free(m);
}

Test(mach, room) {
    struct mach *m = mach_new(&fake_target);
    mach_reserve(m, 100);
    cr_assert_eq(m->insn_cap, 100);
    mach_reserve(m, 50);
    cr_assert_eq(m->insn_cap, 100, "room is never given back");
    struct minsn *before = m->insn;
    for (unsigned i = 0; i < 100; i++)
        cr_assert_eq(mach_push(m, (struct minsn){.imm = i}), i);
    cr_assert(m->insn == before || ALLOC_MOVES);
    cr_assert_eq(mach_push(m, (struct minsn){.imm = 100}), 100);
    for (unsigned i = 0; i <= 100; i++)
        cr_assert_eq(m->insn[i].imm, i);
    mach_free(m);
    mach_free(NULL);
}
