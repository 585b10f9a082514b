/* wrong_passes.c: one pass for each kind of mistake that filetest must notice.
 *
 * tests/must-fail holds the cases; filetest --must-fail runs them. */
#include "tests/wrong_passes.h"

#include <string.h>

/* The first instruction with this operation, or NO_VALUE. */
static value wrong_find(const struct func *f, enum op op) {
    IR_FOR_BLOCKS (f, b) {
        IR_FOR_INSNS (f, b, v) {
            if (ir_is(f, v, op))
                return v;
        }
    }
    return NO_VALUE;
}

/* Writes another byte than it should. */
static bool wrong_value(struct func *f, struct pass_env *env) {
    (void)env;
    value out = wrong_find(f, OP_OUT);
    if (out.i == 0 || ir_is_const(f, ir_at(f, out)->a))
        return false;
    value seven = ir_const(f, 7);
    ir_at(f, out)->a = seven;
    return true;
}

/* Uses a pointer as a cell. */
static bool wrong_broken(struct func *f, struct pass_env *env) {
    (void)env;
    value out = wrong_find(f, OP_OUT), tape = wrong_find(f, OP_TAPE);
    if (out.i == 0 || tape.i == 0)
        return false;
    ir_at(f, out)->a = tape;
    return true;
}

/* Never comes to rest. */
static bool wrong_restless(struct func *f, struct pass_env *env) {
    (void)env;
    value tape = wrong_find(f, OP_TAPE);
    if (tape.i == 0)
        return false;
    ir_before(f, ir_terminator(f, f->entry), OP_MOVE, tape, NO_VALUE, 1, NO_SRC);
    return true;
}

/* Changes something and says it did not. */
static bool wrong_silent(struct func *f, struct pass_env *env) {
    (void)wrong_restless(f, env);
    return false;
}

/* Adds an access where the source has none. */
static bool wrong_trap(struct func *f, struct pass_env *env) {
    (void)env;
    value load = wrong_find(f, OP_LOAD);
    if (load.i == 0 || ir_at(f, load)->imm != 0)
        return false;
    ir_before(f, load, OP_LOAD, ir_at(f, load)->a, NO_VALUE, -2, NO_SRC);
    ir_at(f, load)->src = 1;
    return true;
}

/* Takes a store away. */
static bool wrong_store(struct func *f, struct pass_env *env) {
    (void)env;
    value store = wrong_find(f, OP_STORE);
    if (store.i == 0)
        return false;
    ir_remove(f, store);
    return true;
}

/* Loses output where the run leaves the tape. */
static bool wrong_order(struct func *f, struct pass_env *env) {
    (void)env;
    value load = wrong_find(f, OP_LOAD), out = wrong_find(f, OP_OUT);
    if (load.i == 0 || out.i == 0 || !same_value(ir_next(f, out), load))
        return false;
    ir_move_before(f, load, out);
    return true;
}

const struct pass_info *wrong_pass_find(struct name name) {
    static const struct pass_info table[] = {
        {"wrong-value", wrong_value, 0, PLAIN, ""},
        {"wrong-broken", wrong_broken, 0, PLAIN, ""},
        {"wrong-restless", wrong_restless, 0, PLAIN, ""},
        {"wrong-silent", wrong_silent, 0, PLAIN, ""},
        {"wrong-trap", wrong_trap, 0, PLAIN, ""},
        {"wrong-store", wrong_store, 0, PLAIN, ""},
        {"wrong-order", wrong_order, 0, PLAIN, ""},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (name_is(name, table[i].name))
            return &table[i];
    return NULL;
}
