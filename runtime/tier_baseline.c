/* tier_baseline.c: cuts a hot loop out of the program for baseline code.
 *
 *   [>[-]>[ never entered ]<<-]    =>    OPEN 3, MOVE, CLEAR .., MOVE, CALL 4, MOVE, ADD, CLOSE 3
 *
 * Operations stay what tier 0 made of them; a move is one again, whatever was behind it.  Loops
 * that were never entered are called, so the work follows what runs, not what is there; but for
 * those that would not be loops.  Large loops that have machine code are called, too: what was made
 * for one is not made again for each loop around it.  Loops are looked at by their links: no
 * recursion.
 */
#include "runtime/tiers_int.h"

#define MOST  12000 /* operations: a millisecond of the running thread */
#define LARGE 300   /* operations: a loop with machine code is called, not written down again */

struct cut {
    struct tiers *t;
    struct bf_op *out;
    uint32_t n, cap;
    uint32_t inside; /* number of the innermost open loop */
};

static void put(struct cut *c, uint32_t kind, int32_t arg, uint32_t src) {
    c->out = xgrow(c->out, &c->cap, (uint64_t)c->n + 1, sizeof *c->out);
    c->out[c->n++] = (struct bf_op){.kind = kind, .arg = arg, .src = src};
}

/* The loop at op[i] that is done at once. */
static void put_simple(struct cut *c, uint32_t kind, uint32_t i) {
    const struct bf_op *op = c->t->op;
    uint32_t open = c->n, close = (uint32_t)op[i].arg;
    put(c, kind, (int32_t)(open + (close - i)), op[i].src);
    while (++i < close)
        put(c, tiers_plain(op[i].kind), op[i].arg, op[i].src);
    put(c, BF_CLOSE, (int32_t)open, op[close].src);
}

/* Has the loop at op[i], which has a number, machine code that is worth a call? */
static bool has_code(const struct cut *c, uint32_t i) {
    uint32_t close = (uint32_t)c->t->op[i].arg, loop = (uint32_t)c->t->op[close].arg;
    const struct tier_loop *l = &c->t->loop[loop];
    bool code = l->state == TIER_COMPILED || (l->baseline != NULL && l->state != TIER_COLD);
    return code && c->n > 0 && close - i > LARGE;
}

/* The bracket at op[i]; returns where to go on. */
static uint32_t put_open(struct cut *c, uint32_t i) {
    const struct bf_op *op = &c->t->op[i];
    uint32_t close = (uint32_t)op->arg, kind = op->kind;
    bool entered = kind != BF_OPEN;
    if (!entered)
        kind = tier0_kind(c->t->op, i);
    if (kind != T0_OPEN) {
        put_simple(c, kind, i);
    } else if (entered && !has_code(c, i)) {
        c->inside = (uint32_t)c->t->op[close].arg;
        put(c, T0_OPEN, (int32_t)c->inside, op->src);
        return i + 1;
    } else {
        put(c, BF_CALL, (int32_t)tiers_number(c->t, i, c->inside), op->src);
    }
    return close + 1;
}

bool tier_baseline_cut(struct tiers *t, uint32_t loop, struct tier_request *r) {
    struct cut c = {.t = t, .inside = t->loop[loop].parent};
    uint32_t i = t->loop[loop].open, close = t->loop[loop].close;
    while (i <= close && c.n < MOST) {
        const struct bf_op *op = &t->op[i];
        if (tiers_is_open(op->kind)) {
            i = put_open(&c, i);
            continue;
        }
        put(&c, tiers_plain(op->kind), op->arg, op->src);
        if (op->kind == T0_CLOSE)
            c.inside = t->loop[op->arg].parent;
        i++;
    }
    if (i <= close) {
        xfree(c.out);
        return false;
    }
    put(&c, BF_END, 0, 0);
    *r =
        (struct tier_request){.program = {.op = c.out, .nop = c.n}, .loop = loop, .baseline = true};
    return true;
}
