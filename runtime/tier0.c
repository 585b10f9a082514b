/* tier0.c: runs the array of operations, from the first moment on.
 *
 * A loop is looked at when it is entered for the first time, and its opening bracket becomes what
 * the loop is:
 *
 *   [-]  [->+<]  [>>]     T0_CLEAR, T0_MULTIPLY, T0_SCAN: done at once from now on
 *   any other             T0_OPEN ... T0_CLOSE, with a number and counters (tiers_int.h)
 *
 * so what never runs costs nothing but its parsing.  This is what Brunthaler calls quickening
 * ("Efficient Interpretation Using Quickening", DLS 2010).  In the same way a move becomes a
 * superinstruction when it is met (Ertl and Gregg, "The Structure and Performance of Efficient
 * Interpreters", JILP 2003):
 *
 *   MOVE 3, ADD 1         T0_MOVE_ADD 3, ADD 1: does both and goes on behind them
 *
 * Four of ten operations are moves; the second one stays as it is, for whoever reads the program,
 * and says where a run left the tape.
 *
 * A loop that has used up its budget of rounds asks tiers.c what to do, at its head, where a unit
 * can take over.
 * Every access is checked; tier0_loop.h is compiled once for each cell width, and once more for
 * --profile, with counters for simple loops, too, and a note of where it is.
 */
#include <string.h>

#include "runtime/tiers_int.h"

#define CLEVER 40 /* operations up to which a loop is looked at closely */

/* ---- first entry ---- */

/* Is op[open] .. op[close] a loop of ADD and MOVE that comes home and counts its cell by one? */
static bool tier0_is_multiply(const struct bf_op *op, uint32_t open, uint32_t close) {
    int64_t at = 0, home = 0;
    for (uint32_t i = open + 1; i < close; i++) {
        if (op[i].kind == BF_MOVE)
            at += op[i].arg;
        else if (op[i].kind != BF_ADD)
            return false;
        else if (at == 0)
            home += op[i].arg;
    }
    return at == 0 && (home == 1 || home == -1);
}

enum tier_kind tier0_kind(const struct bf_op *op, uint32_t open) {
    uint32_t close = (uint32_t)op[open].arg;
    if (close == open + 2 && op[open + 1].kind == BF_ADD && (op[open + 1].arg & 1) != 0)
        return T0_CLEAR;
    if (close == open + 2 && op[open + 1].kind == BF_MOVE)
        return T0_SCAN;
    if (close - open < CLEVER && tier0_is_multiply(op, open, close))
        return T0_MULTIPLY;
    return T0_OPEN;
}

/* Gives the loop a number if it is nothing simple, or if loops are counted. */
static void tier0_quicken(struct tiers *t, uint32_t open, uint32_t parent) {
    enum tier_kind kind = tier0_kind(t->op, open);
    if (t->profile != NULL || kind == T0_OPEN)
        tiers_number(t, open, parent);
    t->op[open].kind = kind;
}

/* ---- running ---- */

static void tier0_off_tape(struct tiers *t, const struct bf_op *op, const uint8_t *p) {
    struct rt *rt = t->rt;
    int64_t bytes = (int64_t)((uintptr_t)p - (uintptr_t)rt->tape.base);
    rt->end = RUN_OFF_TAPE;
    rt->end_src = op->src;
    rt->end_cell = bytes / (int64_t)rt->tape.cell_bytes; /* exact: pointers are whole cells apart */
}

static inline uint64_t tier0_get(const uint8_t *p, unsigned width) {
    uint64_t v = 0;
    memcpy(&v, p, width);
    return v;
}

static inline void tier0_set(uint8_t *p, unsigned width, uint64_t v) {
    memcpy(p, &v, width);
}

/* The number of the loop that opens at op, which has one. */
static inline uint32_t tier0_number(const struct tiers *t, const struct bf_op *op) {
    return (uint32_t)t->op[op->arg].arg;
}

int64_t tier0_step(const struct bf_op *open) {
    int64_t at = 0, step = 0;
    for (const struct bf_op *op = open + 1; op->kind == BF_ADD || op->kind == BF_MOVE; op++) {
        at += op->kind == BF_MOVE ? op->arg : 0;
        step += op->kind == BF_ADD && at == 0 ? op->arg : 0;
    }
    return step;
}

/* What a move becomes in front of an operation of this kind. */
static const uint8_t tier0_fused[T0_COUNT] = {
    [BF_ADD] = T0_MOVE_ADD,     [BF_MOVE] = BF_MOVE, /* as there were too many for one operation */
    [BF_IN] = BF_MOVE,          [BF_OUT] = BF_MOVE,
    [BF_OPEN] = T0_MOVE_OPEN,   [BF_HASH] = BF_MOVE,
    [BF_END] = BF_MOVE,         [T0_OPEN] = T0_MOVE_ENTER,
    [T0_CLOSE] = T0_MOVE_CLOSE, [T0_CLEAR] = T0_MOVE_CLEAR,
    [T0_SCAN] = T0_MOVE_SCAN,   [T0_MULTIPLY] = T0_MOVE_MULTIPLY,
};

#define COUNTS 0
#define WIDTH  1
#include "runtime/tier0_loop.h"
#define WIDTH 2
#include "runtime/tier0_loop.h"
#define WIDTH 4
#include "runtime/tier0_loop.h"
#define WIDTH 8
#include "runtime/tier0_loop.h"
#undef COUNTS
#define COUNTS 1
#define WIDTH  1
#include "runtime/tier0_loop.h"
#define WIDTH 2
#include "runtime/tier0_loop.h"
#define WIDTH 4
#include "runtime/tier0_loop.h"
#define WIDTH 8
#include "runtime/tier0_loop.h"
#undef COUNTS

uint8_t *tier0_run(struct tiers *t, uint32_t loop, uint8_t *p) {
    bool counts = t->profile != NULL;
    switch (t->rt->tape.cell_bytes) {
    case 1:
        return counts ? tier0_loop_1_1(t, loop, p) : tier0_loop_1_0(t, loop, p);
    case 2:
        return counts ? tier0_loop_2_1(t, loop, p) : tier0_loop_2_0(t, loop, p);
    case 4:
        return counts ? tier0_loop_4_1(t, loop, p) : tier0_loop_4_0(t, loop, p);
    default:
        return counts ? tier0_loop_8_1(t, loop, p) : tier0_loop_8_0(t, loop, p);
    }
}
