/* test_validate.c: what a comparison of two functions says where they differ. */
#include <criterion/criterion.h>
#include <string.h>

#include "ir/parse.h"
#include "ir/validate.h"
#include "runtime/text.h"

static struct func *parse(const char *text) {
    struct ir_parse_error e;
    struct func *f = ir_parse(text, strlen(text), &e);
    cr_assert(f != NULL, "%u:%u: %s", e.line, e.col, e.message);
    return f;
}

/* A run on ninit cells, after which cell 0 is another one; *why is the report. */
static void differ(const uint64_t *cell, uint64_t ninit, struct text *why) {
    struct func *a = parse("unit cells=8 {\nb1:\n  %1 = tape\n  ret %1\n}\n");
    struct func *b = parse("unit cells=8 {\nb1:\n  %1 = tape\n  store %1, 7\n  ret %1\n}\n");
    struct ir_trial t = {.ncell = 80, .cell = cell, .ninit = ninit, .fuel = 100};
    cr_assert(!ir_same_in_trial(a, b, &t, why));
    ir_free(a);
    ir_free(b);
}

static void expect_tape(const uint64_t *cell, uint64_t ninit, const char *line) {
    struct text why = {0};
    differ(cell, ninit, &why);
    const char *tape = why.len > 0 ? strstr(why.p, "    tape:") : NULL;
    cr_assert(tape != NULL, "%s", why.p);
    cr_expect_str_eq(tape, line);
    text_free(&why);
}

/* The cells of the run up to the last that is not 0, and none from before the first. */
Test(validate, tapes_in_reports) {
    static const uint64_t cell[] = {5, 0, 0, 0, 259, 0};
    expect_tape(cell, 6, "    tape: 5 0 0 0 3\n");
    expect_tape(cell, 4, "    tape: 5\n");
    expect_tape(cell + 2, 2, "    tape:\n");
    expect_tape(NULL, 0, "    tape:\n");
}

Test(validate, long_tapes_in_reports) {
    uint64_t cell[101];
    for (unsigned i = 0; i < 101; i++)
        cell[i] = 1;
    struct text why = {0};
    differ(cell, 101, &why);
    size_t ones = 0;
    const char *tape = strstr(why.p, "tape:");
    cr_assert(tape != NULL, "%s", why.p);
    for (const char *p = tape; (p = strstr(p, " 1")) != NULL; p++)
        ones++;
    cr_expect_eq(ones, 100);
    cr_expect(strstr(why.p, " 1 ...\n"));
    text_free(&why);
    differ(cell, 100, &why);
    cr_expect(!strstr(why.p, "..."));
    text_free(&why);
}

/* Are both the same on an empty tape?  Else the report says `why`. */
static void expect_same(const char *before, const char *after, const char *why) {
    struct func *a = parse(before), *b = parse(after);
    struct ir_trial t = {.ncell = 80, .fuel = 100};
    struct text said = {0};
    cr_expect_eq(ir_same_in_trial(a, b, &t, &said), why == NULL, "%s", said.p ? said.p : "");
    if (why != NULL)
        cr_expect(said.p != NULL && strstr(said.p, why), "%s", said.p ? said.p : "");
    text_free(&said);
    ir_free(a);
    ir_free(b);
}

/* A trap whose cell is on the tape is wrong, but for a run that left the tape before, unnoticed. */
Test(validate, traps_on_the_tape) {
    static const char trap[] = "unit cells=8 {\nb1:\n  %1 = tape\n  trap %1 + 3\n}\n";
    expect_same("unit cells=8 {\nb1:\n  %1 = tape\n  store %1 - 9, 1\n  ret %1\n}\n", trap, NULL);
    expect_same("unit cells=8 {\nb1:\n  %1 = tape\n  ret %1\n}\n", trap, "contradicts itself");
    expect_same("unit cells=8 {\nb1:\n  jmp b2\nb2:\n  jmp b2\n}\n", trap, "contradicts itself");
}
