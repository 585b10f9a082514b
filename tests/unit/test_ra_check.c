/* test_ra_check.c: the allocation checker on small allocations written by hand: right ones, which
 * it must accept, and for each of its rules ones that break just that rule.
 *
 * A function is a list of statements: `mix v2 v0 v1`, with `#5` for the immediate, `s1` for a slot
 * and so on (set_field).  `b 0 > 12 /1` begins a block that block 0 leads to, that leads to blocks
 * 1 and 2, and whose loop ends in block 1; without any, there is one block.  In allocated code a
 * statement begins with the number of the statement it stems from (blocks are not counted), `.` if
 * it is the allocator's own, `+` and a number if it writes a constant again. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/ra.h"
#include "runtime/alloc.h"
#include "runtime/text.h"
#include "tests/unit/fake_target.h"

/* ---- cases ---- */

struct ra_case {
    const char *what, *before, *after;
    const char *error; /* what the message contains; NULL: the allocation is right */
};

static void check_case(const struct ra_case *t) {
    struct mach *before = fake_mach(t->before, false), *after = fake_mach(t->after, true);
    struct text error = {0};
    bool ok = ra_check(before, after, &error);
    if (t->error == NULL)
        cr_expect(ok, "%s: refused: %s", t->what, error.p);
    else
        cr_expect(!ok && strstr(error.p, t->error), "%s: expected `%s`, got `%s`", t->what,
                  t->error, ok ? "nothing" : error.p);
    text_free(&error);
    mach_free(before);
    mach_free(after);
}

#define CHECK_ALL(cases)                                                                           \
    for (unsigned i = 0; i < sizeof(cases) / sizeof *(cases); i++)                                 \
    check_case(&(cases)[i])

/* Where values are. */
static const struct ra_case values[] = {
    {"two values", "const v0; const v1; out v0; out v1; ret v1",
     "0 const r1; 1 const r0; 2 out r1; 3 out r0; 4 ret r0", NULL},
    {"the other value", "const v0; const v1; out v0; ret v1",
     "0 const r1; 1 const r0; 2 out r0; 3 ret r0", "operand 1: register 0 does not hold v0"},
    {"a value overwritten", "const v0; const v1; out v0; ret v1",
     "0 const r0; 1 const r0; 2 out r0; 3 ret r0", "instruction 2: operand 1: register 0"},
    {"nothing was ever put there", "const v0; out v0; ret v0", "0 const r0; 1 out r5; 2 ret r0",
     "register 5 does not hold v0"},
    {"second operand", "const v0; const v1; mix v2 v0 v1; ret v2",
     "0 const r0; 1 const r1; 2 mix r0 r0 r2; 3 ret r0", "operand 2: register 2 does not hold v1"},
    {"operands exchanged", "const v0; const v1; mix v2 v0 v1; ret v2",
     "0 const r0; 1 const r1; 2 mix r0 r1 r0; 3 ret r0", "operand 1: register 1 does not hold v0"},
    {"a late operand that is not there", "const v0; const v1; late v2 v0 v1; ret v2",
     "0 const r0; 1 const r1; 2 late r0 r0 r4; 3 ret r0", "operand 2: register 4 does not hold v1"},
    {"operands that may be exchanged", "const v0; const v1; add v2 v0 v1; ret v2",
     "0 const r0; 1 const r1; 2 add r1 r1 r0; . move r0 r1; 3 ret r0", NULL},
    {"one of them twice", "const v0; const v1; add v2 v0 v1; ret v2",
     "0 const r0; 1 const r1; 2 add r0 r0 r2; 3 ret r0", "register 0 does not hold v1"},
    {"the same operand twice", "const v0; add v1 v0 v0; ret v1",
     "0 const r0; . move r1 r0; 1 add r0 r0 r1; 2 ret r0", NULL},
    {"the result is not an operand any more", "const v0; sub v1 v0 v0; out v0; ret v1",
     "0 const r0; 1 sub r0 r0 r0; 2 out r0; 3 ret r0", "register 0 does not hold v0"},
};

Test(ra_check, values) {
    CHECK_ALL(values);
}

/* What the allocator inserts. */
static const struct ra_case moves[] = {
    {"a move", "const v0; const v1; out v1; ret v0",
     "0 const r0; . move r4 r0; 1 const r0; 2 out r0; . move r0 r4; 3 ret r0", NULL},
    {"a move from elsewhere", "const v0; const v1; out v1; ret v0",
     "0 const r0; . move r4 r0; 1 const r0; 2 out r0; . move r0 r5; 3 ret r0",
     "operand 1: register 0 does not hold v0"},
    {"a move leaves its source as it is", "const v0; out v0; ret v0",
     "0 const r0; . move r4 r0; 1 out r4; 2 ret r0", NULL},
    {"a swap", "const v0; const v1; out v0; ret v1",
     "0 const r0; 1 const r1; . swap r0 r1; 2 out r1; 3 ret r0", NULL},
    {"a swap moves both", "const v0; const v1; out v1; ret v0",
     "0 const r0; 1 const r1; . swap r0 r1; 2 out r1; . swap r0 r1; 3 ret r0",
     "register 1 does not hold v1"},
    {"a swap moves both ways", "const v0; const v1; out v0; ret v0",
     "0 const r0; 1 const r1; . swap r0 r1; 2 out r0; 3 ret r0", "register 0 does not hold v0"},
    {"spilled and reloaded", "const v0; const v1; out v1; ret v0",
     "0 const r0; . spill r0 s1; 1 const r0; 2 out r0; . reload r0 s1; 3 ret r0", NULL},
    {"reloaded from another slot", "const v0; const v1; out v1; ret v0",
     "0 const r0; . spill r0 s1; 1 const r0; 2 out r0; . reload r0 s0; 3 ret r0",
     "register 0 does not hold v0"},
    {"a slot written again", "const v0; const v1; out v1; ret v0",
     "0 const r0; . spill r0 s1; 1 const r0; . spill r0 s1; 2 out r0; . reload r0 s1; 3 ret r0",
     "register 0 does not hold v0"},
    {"slots and registers are different places", "const v0; const v1; out v1; ret v0",
     "0 const r1; . spill r1 s0; 1 const r1; 2 out r1; . move r0 r0; 3 ret r0",
     "register 0 does not hold v0"},
    {"spilled to a slot that does not exist", "const v0; ret v0",
     "0 const r0; . spill r0 s2; 1 ret r0", "instruction 1: slot 2 does not exist"},
    {"reloaded from a slot that does not exist", "const v0; ret v0",
     "0 const r0; . reload r3 s2; 1 ret r0", "slot 2 does not exist"},
    {"a slot left of the first", "const v0; ret v0", "0 const r0; . spill r0 s-1; 1 ret r0",
     "slot -1 does not exist"},
    {"an instruction of its own", "const v0; ret v0", "0 const r0; . out r0; 1 ret r0",
     "the allocator may not insert out"},
};

Test(ra_check, moves) {
    CHECK_ALL(moves);
}

/* Constants written again. */
static const struct ra_case constants[] = {
    {"a constant again", "const v0 #5; const v1 #6; out v1; ret v0",
     "0 const r0 #5; 1 const r0 #6; 2 out r0; +0 const r0 #5; 3 ret r0", NULL},
    {"another constant again", "const v0 #5; const v1 #6; out v1; ret v0",
     "0 const r0 #5; 1 const r0 #6; 2 out r0; +1 const r0 #6; 3 ret r0",
     "register 0 does not hold v0"},
    {"again with another number", "const v0 #5; ret v0", "0 const r1 #5; +0 const r0 #4; 1 ret r0",
     "not a copy of a constant"},
    {"again with another size", "const v0 #5; ret v0", "0 const r1 #5; +0 const r0 #5 z4; 1 ret r0",
     "not a copy of a constant"},
    {"again with another displacement", "const v0 #5; ret v0",
     "0 const r1 #5; +0 const r0 #5 d1; 1 ret r0", "not a copy of a constant"},
    {"again by another instruction", "const v0 #5; ret v0",
     "0 const r1 #5; +0 move r0 r1 #5; 1 ret r0", "not a copy of a constant"},
    {"again, no constant", "const v0; mix v1 v0 v0; ret v1",
     "0 const r0; 1 mix r1 r0 r0; +1 mix r0 r0 r0; 2 ret r0", "not a copy of a constant"},
    {"again overwrites", "const v0 #5; const v1 #6; out v0; ret v1",
     "0 const r1 #5; 1 const r0 #6; +0 const r0 #5; 2 out r0; 3 ret r0",
     "register 0 does not hold v1"},
};

Test(ra_check, constants) {
    CHECK_ALL(constants);
}

/* Instructions must be those of before, in their order. */
static const struct ra_case instructions[] = {
    {"another immediate", "const v0 #5; ret v0", "0 const r0 #6; 1 ret r0",
     "instruction 0 was changed"},
    {"another operation", "const v0; const v1; mix v2 v0 v1; ret v2",
     "0 const r0; 1 const r1; 2 late r0 r0 r1; 3 ret r0", "instruction 2 was changed"},
    {"another size", "const v0; ret v0", "0 const r0 z1; 1 ret r0", "instruction 0 was changed"},
    {"another condition", "const v0; ret v0", "0 const r0 c1; 1 ret r0", "0 was changed"},
    {"may trap", "const v0; ret v0", "0 const r0 t1; 1 ret r0", "0 was changed"},
    {"another displacement", "const v0; ret v0", "0 const r0 d8; 1 ret r0", "0 was changed"},
    {"another extra", "const v0; ret v0", "0 const r0 a1; 1 ret r0", "0 was changed"},
    {"another position", "const v0 p3; ret v0 p4", "0 const r0 p3; 1 ret r0 p5",
     "instruction 1 was changed"},
    {"an instruction left out", "const v0; out v0; ret v0", "0 const r0; 2 ret r0",
     "instruction 1 is missing"},
    {"the last one left out", "const v0; out v0; ret v0", "0 const r0; 1 out r0",
     "instruction 2 is missing"},
    {"in another order", "const v0; out v0 #1; out v0 #2; ret v0",
     "0 const r0; 2 out r0 #2; 1 out r0 #1; 3 ret r0", "instruction 1 is missing"},
    {"twice", "const v0; out v0; ret v0", "0 const r0; 1 out r0; 1 out r0; 2 ret r0",
     "instruction 1 is out of place"},
    {"one of another block", "b > 1; const v0; jump; b 0 >; out v0; ret v0",
     "b > 1; 0 const r0; 2 out r0; 1 jump; b 0 >; 2 out r0; 3 ret r0",
     "instruction 2 is out of place"},
    {"one of an earlier block", "b > 1; const v0; jump; b 0 >; out v0; ret v0",
     "b > 1; 0 const r0; 1 jump; b 0 >; 0 const r0; 2 out r0; 3 ret r0",
     "instruction 0 is out of place"},
};

Test(ra_check, instructions) {
    CHECK_ALL(instructions);
}

/* Registers that an operand may not be in. */
static const struct ra_case registers[] = {
    {"no register", "const v0; ret v0", "0 const r8; 1 ret r0", "operand 0 is not a register"},
    {"a use in no register", "const v0; out v0; ret v0", "0 const r0; 1 out r8; 2 ret r0",
     "operand 1 is not a register"},
    {"not allocatable", "const v0; ret v0", "0 const r7; . move r0 r7; 1 ret r0",
     "operand 0 is in register 7, which it must not be in"},
    {"a fixed use elsewhere", "const v0; ret v0", "0 const r1; 1 ret r1",
     "operand 1 is in register 1, which it must not be in"},
    {"a fixed definition elsewhere", "const v0; call v1 v0; ret v1",
     "0 const r1; 1 call r3 r1; . move r0 r3; 2 ret r0", "operand 0 is in register 3"},
    {"a fixed late use elsewhere", "const v0; const v1; shift v2 v0 v1; ret v2",
     "0 const r0; 1 const r2; 2 shift r0 r0 r2; 3 ret r0", "operand 2 is in register 2"},
    {"fixed operands", "const v0; const v1; shift v2 v0 v1; ret v2",
     "0 const r0; 1 const r1; 2 shift r0 r0 r1; 3 ret r0", NULL},
    {"a tied operand elsewhere", "const v0; const v1; sub v2 v0 v1; ret v2",
     "0 const r1; 1 const r2; 2 sub r0 r1 r2; 3 ret r0", "tied operands are in registers 0 and 1"},
    {"a definition over a late use", "const v0; const v1; late v2 v0 v1; ret v2",
     "0 const r1; 1 const r0; 2 late r0 r1 r0; 3 ret r0", "operands 2 and 0 share register 0"},
    {"a definition over an early use", "const v0; const v1; mix v2 v0 v1; ret v2",
     "0 const r1; 1 const r0; 2 mix r0 r1 r0; 3 ret r0", NULL},
    {"two uses in one register", "const v0; late v1 v0 v0; ret v1",
     "0 const r1; 1 late r0 r1 r1; 2 ret r0", NULL},
    {"a temporary over a use", "const v0; temp v1 v0 v2; ret v1",
     "0 const r1; 1 temp r0 r1 r1; 2 ret r0", "operands 2 and 1 share register 1"},
    {"a temporary over a definition", "const v0; temp v1 v0 v2; ret v1",
     "0 const r1; 1 temp r0 r1 r0; 2 ret r0", "operands 2 and 0 share register 0"},
    {"a temporary of its own", "const v0; temp v1 v0 v2; ret v1",
     "0 const r1; 1 temp r0 r1 r2; 2 ret r0", NULL},
    {"a late use in a clobbered register", "const v0; const v1; div v2 v0 v1; ret v2",
     "0 const r0; 1 const r2; 2 div r0 r0 r2; 3 ret r0",
     "operand 2 is in register 2, which the instruction destroys"},
    {"a late use elsewhere", "const v0; const v1; div v2 v0 v1; ret v2",
     "0 const r0; 1 const r3; 2 div r0 r0 r3; 3 ret r0", NULL},
};

Test(ra_check, registers) {
    CHECK_ALL(registers);
}

/* What instructions destroy. */
static const struct ra_case destroyed[] = {
    {"by a clobber", "const v0; const v1; out v0; out v1; ret v0",
     "0 const r0; 1 const r3; 2 out r0; 3 out r3; 4 ret r0", "register 3 does not hold v1"},
    {"an early use may be destroyed", "const v0; const v1; out v1; ret v0",
     "0 const r0; 1 const r3; 2 out r3; 3 ret r0", NULL},
    {"by a clobber of several", "const v0; const v1; call v2 v0; out v1; ret v2",
     "0 const r1; 1 const r2; 2 call r0 r1; 3 out r2; 4 ret r0", "register 2 does not hold v1"},
    {"a neighbour is not destroyed", "const v0; const v1; call v2 v0; out v1; ret v2",
     "0 const r1; 1 const r3; 2 call r0 r1; 3 out r3; 4 ret r0", NULL},
    {"the result is not destroyed by its own clobber", "const v0; call v1 v0; ret v1",
     "0 const r1; 1 call r0 r1; 2 ret r0", NULL},
    {"by a temporary", "const v0; const v1; temp v2 v0 v3; out v1; ret v2",
     "0 const r1; 1 const r2; 2 temp r0 r1 r2; 3 out r2; 4 ret r0", "register 2 does not hold v1"},
    {"by a temporary that stands first", "const v0; const v1; first v2 v0; out v1; ret v0",
     "0 const r0; 1 const r2; 2 first r2 r0; 3 out r2; 4 ret r0", "register 2 does not hold v1"},
    {"by a definition", "const v0; const v1; mix v2 v0 v1; out v0; ret v2",
     "0 const r0; 1 const r1; 2 mix r0 r0 r1; 3 out r0; 4 ret r0", "register 0 does not hold v0"},
    {"slots stay", "const v0; call v1 v0; out v0; ret v1",
     "0 const r1; . spill r1 s0; 1 call r0 r1; . reload r4 s0; 2 out r4; 3 ret r0", NULL},
};

Test(ra_check, destroyed) {
    CHECK_ALL(destroyed);
}

/* Moves of before. */
static const struct ra_case program_moves[] = {
    {"kept", "const v0; move v1 v0; out v0; ret v1", "0 const r1; 1 move r0 r1; 2 out r1; 3 ret r0",
     NULL},
    {"kept, the copy used for the source", "const v0; move v1 v0; out v0; ret v1",
     "0 const r1; 1 move r0 r1; 2 out r0; 3 ret r1", "which it must not be in"},
    {"kept, both names in both registers", "const v0; move v1 v0; out v0; out v1; ret v1",
     "0 const r1; 1 move r0 r1; 2 out r0; 3 out r0; 4 ret r0", NULL},
    {"dropped", "const v0; move v1 v0; out v0; ret v1", "0 const r0; 2 out r0; 3 ret r0", NULL},
    {"dropped at the end of a block", "b > 1; const v0; move v1 v0; b 0 >; ret v1",
     "b > 1; 0 const r0; b 0 >; 2 ret r0", NULL},
    {"dropped, then the register is another's", "const v0; move v1 v0; const v2; out v2; ret v1",
     "0 const r0; 2 const r0; 3 out r0; 4 ret r0", "register 0 does not hold v1"},
    {"dropped, spilled before", "const v0; move v1 v0; const v2; out v2; ret v1",
     "0 const r0; . spill r0 s0; 2 const r0; 3 out r0; . reload r0 s0; 4 ret r0", NULL},
    {"dropped, of a value that is nowhere", "const v0; const v1; move v2 v0; ret v2",
     "0 const r0; 1 const r0; 3 ret r0", "register 0 does not hold v2"},
};

Test(ra_check, program_moves) {
    CHECK_ALL(program_moves);
}

#define DIAMOND                                                                                    \
    "b > 12; const v0; const v1; branch v0; jump; b 0 > 3; const v2; jump; b 0 > 3; const v3; "    \
    "jump; b 12 >; "

/* A loop whose body has two phis, v2 and v3, that change places each time round. */
#define LOOP                                                                                       \
    "b > 1; const v0; const v1; jump; b 01 > 12 /1; phi v2 v0 v3; phi v3 v1 v2; out v2; "          \
    "branch v3; jump; b 1 >; ret v2"

/* Joins and loops. */
static const struct ra_case joins[] = {
    {"held on both ways", DIAMOND "ret v1",
     "b > 12; 0 const r1; 1 const r0; 2 branch r1; 3 jump; b 0 > 3; 4 const r2; 5 jump; b 0 > 3; "
     "6 const r2; 7 jump; b 12 >; 8 ret r0",
     NULL},
    {"lost on the first way", DIAMOND "ret v1",
     "b > 12; 0 const r1; 1 const r0; 2 branch r1; 3 jump; b 0 > 3; 4 const r0; 5 jump; b 0 > 3; "
     "6 const r2; 7 jump; b 12 >; 8 ret r0",
     "block 3, instruction 8: operand 1: register 0 does not hold v1"},
    {"lost on the second way", DIAMOND "ret v1",
     "b > 12; 0 const r1; 1 const r0; 2 branch r1; 3 jump; b 0 > 3; 4 const r2; 5 jump; b 0 > 3; "
     "6 const r0; 7 jump; b 12 >; 8 ret r0",
     "register 0 does not hold v1"},
    {"in different registers", DIAMOND "ret v1",
     "b > 12; 0 const r1; 1 const r0; 2 branch r1; 3 jump; b 0 > 3; 4 const r2; . move r3 r0; "
     ". move r0 r2; 5 jump; b 0 > 3; 6 const r2; 7 jump; b 12 >; 8 ret r0",
     "register 0 does not hold v1"},
    {"a phi of two values in one register", DIAMOND "phi v4 v2 v3; ret v4",
     "b > 12; 0 const r1; 1 const r0; 2 branch r1; 3 jump; b 0 > 3; 4 const r0; 5 jump; b 0 > 3; "
     "6 const r0; 7 jump; b 12 >; 9 ret r0",
     NULL},
    {"a phi whose first value is elsewhere", DIAMOND "phi v4 v2 v3; ret v4",
     "b > 12; 0 const r1; 1 const r0; 2 branch r1; 3 jump; b 0 > 3; 4 const r2; 5 jump; b 0 > 3; "
     "6 const r0; 7 jump; b 12 >; 9 ret r0",
     "register 0 does not hold v4"},
    {"a phi whose second value is elsewhere", DIAMOND "phi v4 v2 v3; ret v4",
     "b > 12; 0 const r1; 1 const r0; 2 branch r1; 3 jump; b 0 > 3; 4 const r0; 5 jump; b 0 > 3; "
     "6 const r2; 7 jump; b 12 >; 9 ret r0",
     "register 0 does not hold v4"},
    {"a phi with its operands the wrong way round", DIAMOND "phi v4 v1 v3; ret v4",
     "b > 12; 0 const r1; 1 const r2; 2 branch r1; 3 jump; b 0 > 3; 4 const r0; 5 jump; b 0 > 3; "
     "6 const r0; 7 jump; b 12 >; 9 ret r0",
     "register 0 does not hold v4"},
    {"moved on an edge of its own", DIAMOND "phi v4 v1 v3; ret v4",
     "b > 12; 0 const r1; 1 const r2; 2 branch r1; 3 jump; b 0 > 4; 4 const r0; 5 jump; b 0 > 3; "
     "6 const r0; 7 jump; b 42 >; 9 ret r0; b 1 > 3; . move r0 r2; . jump",
     NULL},
    {"an edge block that does not move it", DIAMOND "phi v4 v1 v3; ret v4",
     "b > 12; 0 const r1; 1 const r2; 2 branch r1; 3 jump; b 0 > 4; 4 const r0; 5 jump; b 0 > 3; "
     "6 const r0; 7 jump; b 42 >; 9 ret r0; b 1 > 3; . jump",
     "register 0 does not hold v4"},
    {"phis that change places", LOOP,
     "b > 1; 0 const r0; 1 const r1; 2 jump; b 02 > 23 /2; 5 out r0; 6 branch r1; 7 jump; "
     "b 1 > 1; . swap r0 r1; . jump; b 1 >; 8 ret r0",
     NULL},
    {"phis that stay", LOOP,
     "b > 1; 0 const r0; 1 const r1; 2 jump; b 01 > 12 /1; 5 out r0; 6 branch r1; 7 jump; "
     "b 1 >; 8 ret r0",
     "register 0 does not hold v2"},
    {"phis moved one after the other", LOOP,
     "b > 1; 0 const r0; 1 const r1; 2 jump; b 02 > 23 /2; 5 out r0; 6 branch r1; 7 jump; "
     "b 1 > 1; . move r0 r1; . move r1 r0; . jump; b 1 >; 8 ret r0",
     "block 1, instruction 3: operand 1: register 0 does not hold v2"},
    {"lost in a loop",
     "b > 1; const v0; const v1; jump; b 01 > 12 /1; out v0; const v2; branch v2; jump; b 1 >; "
     "ret v1",
     "b > 1; 0 const r1; 1 const r0; 2 jump; b 01 > 12 /1; 3 out r1; 4 const r1; 5 branch r1; "
     "6 jump; b 1 >; 7 ret r0",
     "block 1, instruction 3: operand 1: register 1 does not hold v0"},
    {"lost two blocks before the end of the loop",
     "b > 1; const v0; jump; b 03 > 2 /3; out v0; jump; b 1 > 3; const v2; jump; b 2 > 14; "
     "branch v2; jump; b 3 >; const v3; ret v3",
     "b > 1; 0 const r1; 1 jump; b 03 > 2 /3; 2 out r1; 3 jump; b 1 > 3; 4 const r1; 5 jump; "
     "b 2 > 14; 6 branch r1; 7 jump; b 3 >; 8 const r0; 9 ret r0",
     "block 1, instruction 2: operand 1: register 1 does not hold v0"},
    {"needed through inner and outer loops",
     "b > 1; const v0; const v1; jump; b 04 > 2 /4; out v0; jump; b 13 > 3 /3; const v2; jump; "
     "b 2 > 24; branch v2; jump; b 3 > 15; out v1; branch v2; jump; b 4 >; ret v1",
     "b > 1; 0 const r1; 1 const r0; 2 jump; b 04 > 2 /4; 3 out r1; 4 jump; b 13 > 3 /3; "
     "5 const r2; 6 jump; b 2 > 24; 7 branch r2; 8 jump; b 3 > 15; 9 out r0; 10 branch r2; "
     "11 jump; b 4 >; 12 ret r0",
     NULL},
    {"lost behind the inner loop",
     "b > 1; const v0; const v1; jump; b 04 > 2 /4; out v0; jump; b 13 > 3 /3; const v2; jump; "
     "b 2 > 24; branch v2; jump; b 3 > 15; const v3; branch v3; jump; b 4 >; ret v1",
     "b > 1; 0 const r1; 1 const r0; 2 jump; b 04 > 2 /4; 3 out r1; 4 jump; b 13 > 3 /3; "
     "5 const r2; 6 jump; b 2 > 24; 7 branch r2; 8 jump; b 3 > 15; 9 const r1; 10 branch r1; "
     "11 jump; b 4 >; 12 ret r0",
     "block 1, instruction 3: operand 1: register 1 does not hold v0"},
};

Test(ra_check, joins) {
    CHECK_ALL(joins);
}

/* The graphs must be the same but for blocks on edges. */
static const struct ra_case graphs[] = {
    {"a block left out", "b > 1; const v0; jump; b 0 >; ret v0", "b >; 0 const r0; 2 ret r0",
     "do not match"},
    {"a block too many", "b >; const v0; ret v0", "b > 1; 0 const r0; b 0 >; 1 ret r0",
     "do not match"},
    {"branches exchanged", DIAMOND "ret v1",
     "b > 21; 0 const r1; 1 const r0; 2 branch r1; 3 jump; b 0 > 3; 4 const r2; 5 jump; b 0 > 3; "
     "6 const r2; 7 jump; b 12 >; 8 ret r0",
     "do not match"},
    {"predecessors exchanged", DIAMOND "ret v1",
     "b > 12; 0 const r1; 1 const r0; 2 branch r1; 3 jump; b 0 > 3; 4 const r2; 5 jump; b 0 > 3; "
     "6 const r2; 7 jump; b 21 >; 8 ret r0",
     "do not match"},
    {"a successor left out", DIAMOND "ret v1",
     "b > 1; 0 const r1; 1 const r0; 2 branch r1; 3 jump; b 0 > 3; 4 const r2; 5 jump; b 0 > 3; "
     "6 const r2; 7 jump; b 12 >; 8 ret r0",
     "do not match"},
    {"a predecessor left out", DIAMOND "ret v1",
     "b > 12; 0 const r1; 1 const r0; 2 branch r1; 3 jump; b 0 > 3; 4 const r2; 5 jump; b 0 > 3; "
     "6 const r2; 7 jump; b 1 >; 8 ret r0",
     "do not match"},
    {"an edge block that leads elsewhere", DIAMOND "ret v1",
     "b > 42; 0 const r1; 1 const r0; 2 branch r1; 3 jump; b 4 > 3; 4 const r2; 5 jump; b 0 > 3; "
     "6 const r2; 7 jump; b 12 >; 8 ret r0; b 0 > 2; . jump",
     "do not match"},
    {"an edge block that comes from elsewhere", DIAMOND "ret v1",
     "b > 42; 0 const r1; 1 const r0; 2 branch r1; 3 jump; b 4 > 3; 4 const r2; 5 jump; b 0 > 3; "
     "6 const r2; 7 jump; b 12 >; 8 ret r0; b 2 > 1; . jump",
     "do not match"},
};

Test(ra_check, graphs) {
    CHECK_ALL(graphs);
}

/* More names than fit the first tables: none is lost or taken for another. */
Test(ra_check, many_names) {
    enum { COUNT = 300, LAST = COUNT - 2 }; /* register 5 has the names up to LAST */
    for (unsigned wrong = 0; wrong < 2; wrong++) {
        struct mach *before = fake_mach("const v0", false);
        struct mach *after = fake_mach("0 const r0", true);
        char text[64];
        for (unsigned n = 1; n < COUNT; n++) {
            snprintf(text, sizeof text, "move v%u v%u", n, n - 1);
            fake_add(before, text);
            snprintf(text, sizeof text, "%u move r%u r%u", n, n == LAST ? 5 : n % 3,
                     n - 1 == LAST ? 5 : (n - 1) % 3);
            fake_add(after, text);
        }
        for (unsigned n = 0; n <= LAST + wrong; n++) {
            snprintf(text, sizeof text, "out v%u", n);
            fake_add(before, text);
            snprintf(text, sizeof text, "%u out r5", COUNT + n);
            fake_add(after, text);
        }
        struct text error = {0};
        bool ok = ra_check(before, after, &error);
        cr_assert(ok == !wrong, "%s", error.p);
        cr_assert(ok || strstr(error.p, "register 5 does not hold v299"), "%s", error.p);
        text_free(&error);
        mach_free(before);
        mach_free(after);
    }
}
