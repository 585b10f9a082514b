/* test_ir_parse.c: what is wrong with an IR text, and where: every error the reader knows. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir/ir.h"
#include "ir/parse.h"
#include "runtime/text.h"

struct bad {
    const char *text, *error; /* "line:column: message"; NULL: it is right */
};

static void check(const char *text, const char *want) {
    struct ir_parse_error e = {0};
    struct func *f = ir_parse(text, strlen(text), &e);
    char got[300] = "";
    if (f == NULL)
        snprintf(got, sizeof got, "%u:%u: %s", e.line, e.col, e.message);
    cr_expect_str_eq(got, want ? want : "", "`%s`, not `%s`, of:\n%s", got, want ? want : "", text);
    ir_free(f);
}

/* One line, the fifth, of a function. */
static const struct bad lines[] = {
    {"  %3 = add %2, 1", NULL},
    {"  %3 = add %2, 1 ; a comment", NULL},
    {"  %3 = add %2, 1 @12", NULL},
    {"  %3 = add %2, 1 2", "5:18: unexpected text at the end of the line"},
    {"  %3 = add %2 1", "5:15: expected `,`"},
    {"  %3 = add %2,", "5:15: expected a value or a number"},
    {"  %3 = add %2, x", "5:16: expected a value or a number"},
    {"  %3 = add %2, %9", "5:16: %9 is not defined"},
    {"  %3 = add %2, -128", NULL},
    {"  %3 = add %2, 255", NULL},
    {"  %3 = add %2, 256", "5:16: the constant does not fit a cell of 8 bits"},
    {"  %3 = add %2, -129", "5:16: the constant does not fit a cell of 8 bits"},
    {"  %3 = add %2, 18446744073709551616", "5:16: a number is too large"},
    {"  %3 = add %2, 1 @x", "5:19: expected a source offset"},
    {"  %3 = add %2, 1 @4294967294", NULL},
    {"  %3 = add %2, 1 @4294967295", "5:19: a source offset is too large"},
    {"  %3 add %2, 1", "5:6: expected `=`"},
    {"  %0 = add %2, 1", "5:3: values count from 1"},
    {"  %2 = add %2, 1", "5:3: %2 is defined twice"},
    {"  % = add %2, 1", "5:4: expected a value's number"},
    {"  %4294967296 = add %2, 1", "5:4: a value's number is too large"},
    {"  add %2, 1", "5:3: the result of `add` needs a name"},
    {"  %3 = store %1, 1", "5:3: `store` has no result"},
    {"  %3 = frob %2", "5:8: unknown operation"},
    {"  %3 = adder %2, 1", "5:8: unknown operation"},
    {"  %3 = const 1", "5:8: `const` is not written as an instruction"},
    {"  %3 = ", "5:8: expected an operation"},
    {"  %3 = load %1 + 5 no_trap(dom)", NULL},
    {"  %3 = load %1 - 5 no_trap(range)", NULL},
    {"  %3 = load %1 + 5 no_trap(why)", "5:20: unexpected text at the end of the line"},
    {"  %3 = move %1 + 5 no_trap(dom)", "5:32: `move` cannot trap"},
    {"  %3 = load %1 +", "5:17: expected an offset"},
    {"  %3 = load %1 + 9223372036854775808", "5:18: an offset is too large"},
    {"  %3 = scan %1, step 2", NULL},
    {"  %3 = scan %1 + 4, step -2", NULL},
    {"  %3 = scan %1", "5:15: expected `,`"},
    {"  %3 = scan %1, 2", "5:17: expected `step`"},
    {"  %3 = scan %1, step", "5:21: expected a stride"},
    {"  %3 = scan %1, step 2147483647", NULL},
    {"  %3 = scan %1, step 2147483648", "5:22: a stride is too large"},
    {"  %3 = call %1, loop 4", NULL},
    {"  %3 = call %1 + 2, loop 4, left 3", NULL},
    {"  %3 = call %1", "5:15: expected `,`"},
    {"  %3 = call %1, 4", "5:17: expected `loop`"},
    {"  %3 = call %1, loop x", "5:22: expected the number of a loop"},
    {"  %3 = call %1, loop -1", "5:22: loops are numbered from 0"},
    {"  %3 = call %1, loop 4, right 3", "5:25: expected `left`"},
    {"  %3 = call %1, loop 4, left x", "5:30: expected a distance"},
    {"  %3 = call %1, loop 4, left -1", "5:30: a distance to the left is not negative"},
    {"  outs \"a\\n\\x4a\\\\\\\"\"", NULL},
    {"  outs a", "5:8: expected a string"},
    {"  outs", "5:7: expected a string"},
    {"  outs \"a", "5:10: the string does not end on its line"},
    {"  outs \"\\q\"", "5:9: unknown escape in a string"},
    {"  outs \"\\x4\"", "5:9: unknown escape in a string"},
    {"  outs \"\\xg4\"", "5:9: unknown escape in a string"},
    {"  outs \"\\x4g\"", "5:9: unknown escape in a string"},
    {"b1:", "5:1: b1 is defined twice"},
    {"b0:", "5:1: blocks count from 1"},
    {"b2", "5:3: expected `:`"},
    {"b2: x", "5:5: unexpected text at the end of the line"},
    {"  jmp", "5:6: expected a block"},
    {"  jmp x", "5:7: expected a block"},
    {"  jmp b9", "5:7: block b9 does not exist"},
    {"  br %2, b1, b1", "5:14: the two targets are the same block"},
    {"  br %2 b1, b1", "5:9: expected `,`"},
    {"  br %2, b1", "5:12: expected `,`"},
    {"  ret %1", "6:3: an instruction behind the end of the block"},
    {"  %3 = phi b1", "5:14: expected a value or a number"},
    {"  %3 = phi b7 %1", "5:12: block b7 does not exist"},
    {"  %3 = phi b1 %1", "5:12: these are not the predecessors of the block"},
    {"  %3 = lookup %2, \"a\"", NULL},
    {"  %3 = lookup %2", "5:17: expected `,`"},
    {"}", "6:3: unexpected text behind the function"},
};

Test(ir_parse, lines) {
    for (unsigned i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct text t = {0};
        text_fmt(&t, "unit cells=8 {\nb1:\n  %%1 = tape\n  %%2 = load %%1\n%s\n  ret %%1\n}\n",
                 lines[i].text);
        check(t.p, lines[i].error);
        text_free(&t);
    }
}

/* Whole texts. */
static const struct bad texts[] = {
    {"unit cells=8 {\nb1:\n  %1 = tape\n  ret %1\n}\n", NULL},
    {"; first\n\nunit cells=64 tape=10 strict {\nb1:\n  %1 = tape\n  ret %1\n}\n; last\n", NULL},
    {"unit cells=8 {\r\nb1:\r\n  %1 = tape\r\n  ret %1\r\n}\r\n", NULL},
    {"", "1:1: expected `program` or `unit`"},
    {"; nothing\n", "2:1: expected `program` or `unit`"},
    {"units cells=8 {\n}\n", "1:1: expected `program` or `unit`"},
    {"unit {\n}\n", "1:6: expected `cells=`"},
    {"unit cells=9 {\n}\n", "1:12: cells have 8, 16, 32 or 64 bits"},
    {"unit cells= {\n}\n", "1:13: expected a cell width"},
    {"unit cells=8 tape= {\n}\n", "1:19: expected a tape size"},
    {"unit cells=8 x {\n}\n", "1:14: expected `{`"},
    {"unit cells=8 {\n", "2:1: expected a label"},
    {"unit cells=8 {\nb1:\n  %1 = tape\n  ret %1\n", "5:1: expected `}`"},
    {"unit cells=8 {\n}\n", "2:1: expected a label"},
    {"unit cells=8 {\n  %1 = tape\n}\n", "2:1: expected a label"},
    {"unit cells=8 {\nb1:\n  %1 = tape\n  jmp b2\nb2 from b2:\n  ret %1\n}\n",
     "5:9: these are not the predecessors of the block"},
    {"unit cells=8 {\nb1:\n  %1 = tape\n  jmp b2\nb2 from:\n  ret %1\n}\n",
     "5:8: expected a block"},
    {"unit cells=8 {\nb1:\n  %1 = tape\n  jmp b2\nb2 from b1, x:\n  ret %1\n}\n",
     "5:13: expected a block"},
    {"unit cells=8 {\nb1:\n  %1 = tape\n  %2 = load %1\n  br %2, b2, b3\nb2:\n  br %2, b3, b4\n"
     "b3:\n  jmp b4\nb4:\n  br %2, b3, b5\nb5:\n  ret %1\n}\n",
     "11:10: the block has a third predecessor"},
};

Test(ir_parse, texts) {
    for (unsigned i = 0; i < sizeof texts / sizeof *texts; i++)
        check(texts[i].text, texts[i].error);
}

/* Nothing behind the end of the text is looked at, wherever it is cut off. */
Test(ir_parse, cut_off) {
    static const char whole[] = "unit cells=8 {\nb1:\n  %1 = tape\n  outs \"\\x41b\"\n"
                                "  %2 = call %1 + 2, loop 4, left 3 @12\n  %3 = scan %2, step -1\n"
                                "  %4 = load %3 no_trap(dom)\n  br %4, b2, b3\nb2 from b1:\n"
                                "  jmp b3\nb3 from b2, b1:\n  ret %3\n}";
    for (size_t len = 0; len < sizeof whole; len++) {
        char *copy = strndup(whole, len);
        struct ir_parse_error e;
        struct func *f = ir_parse(copy, len, &e);
        cr_expect_eq(f != NULL, len == sizeof whole - 1, "%zu bytes", len);
        ir_free(f);
        free(copy);
    }
}
