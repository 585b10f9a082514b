/* inbounds.c: marks the accesses that cannot leave the tape.
 *
 *   b1: %2 = load %1 + 4                b1: %2 = load %1 + 4
 *       store %1 - 1, %2                    store %1 - 1, %2
 *       br %2, b2, b3           =>          br %2, b2, b3
 *   b2: %3 = load %1 + 2                b2: %3 = load %1 + 2 no_trap(dom)
 *
 * How this is known is described in bounds.h.  A TOUCH that is known to succeed does nothing and is
 * removed.
 *
 * A mark may rest on another access, which a later pass is free to remove or to move.  So the
 * driver takes all marks away before each pass but those that passes.def names as KEEPS_MARKS, and
 * this one runs whenever marks are wanted: before `if-convert`, which asks for them, and at the
 * end, for the code.  Tests: tests/ir/inbounds. */
#include "passes/bounds.h"
#include "passes/pass.h"

struct inbounds {
    struct func *f;
    struct pass_env *env;
    bool changed;
};

static void inbounds_mark(void *context, value v, bool inside, bool fixed) {
    struct inbounds *s = context;
    struct func *f = s->f;
    if (!inside || ir_at(f, v)->trap != MAY_TRAP || !pass_may(s->env))
        return;
    s->changed = true;
    if (ir_is(f, v, OP_TOUCH)) {
        pass_count(s->env, "touches", 1);
        ir_remove(f, v);
        return;
    }
    pass_count(s->env, fixed ? "range" : "dominated", 1);
    ir_at(f, v)->trap = fixed ? NO_TRAP_RANGE : NO_TRAP_DOM;
}

bool pass_inbounds(struct func *f, struct pass_env *env) {
    struct inbounds s = {.f = f, .env = env};
    bounds_walk(f, inbounds_mark, &s);
    return s.changed;
}
