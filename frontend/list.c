/* list.c: walks ir/ops.def.
 *
 *   add     cell, cell -> cell      pure commutes           a + b, wrapping
 */
#include "frontend/list.h"

#include "ir/ir.h"
#include "runtime/text.h"

/* "cell, cell, offset -> ptr" */
static void list_form(struct text *out, enum op op) {
    static const char *const kind[] = {
        [KIND_NONE] = NULL, [KIND_CELL] = "cell", [KIND_PTR] = "ptr"};
    static const char *const imm[] = {
        [IMM_NONE] = NULL,    [IMM_OFF] = "offset",         [IMM_NUM] = "number",
        [IMM_STR] = "string", [IMM_SCN] = "offset, stride", [IMM_LUP] = "offset, loop"};
    const struct op_info *info = &op_info[op];
    const char *part[] = {kind[info->a], kind[info->b], kind[info->c], imm[info->imm]};
    const char *between = "";
    for (unsigned i = 0; i < sizeof part / sizeof part[0]; i++) {
        if (part[i] == NULL)
            continue;
        text_fmt(out, "%s%s", between, part[i]);
        between = ", ";
    }
    if (info->result != KIND_NONE)
        text_fmt(out, "%s-> %s", *between ? " " : "", kind[info->result]);
}

static void list_effects(struct text *out, enum op op) {
    static const struct {
        enum effect effect;
        const char *name;
    } names[] = {{EFF_PURE, "pure"},    {EFF_COMM, "commutes"}, {EFF_READ, "reads"},
                 {EFF_WRITE, "writes"}, {EFF_TRAP, "traps"},    {EFF_IO, "io"},
                 {EFF_END, "ends"}};
    const char *between = "";
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
        if ((op_info[op].effects & names[i].effect) == 0)
            continue;
        text_fmt(out, "%s%s", between, names[i].name);
        between = " ";
    }
}

void list_ops(struct text *out) {
    struct text form = {0}, effects = {0};
    for (unsigned op = 0; op < OP_COUNT; op++) {
        form.len = effects.len = 0;
        list_form(&form, (enum op)op);
        list_effects(&effects, (enum op)op);
        text_fmt(out, "%-8s%-28s%-16s%s\n", op_info[op].text, form.len ? form.p : "",
                 effects.len ? effects.p : "", op_info[op].meaning);
    }
    text_free(&form);
    text_free(&effects);
}
