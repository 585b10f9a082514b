/* tier_unit.c: cuts a hot loop out of the program, to be compiled on its own.
 *
 *   [>[-]>[ long, never entered ]>[->+<]<<<-]    =>    [>[-]>(call 17)>[->+<]<<<-]
 *
 * Loops inside it that have run come along; so do small ones in any case, as a call would be longer
 * and would hide what they do.  The others are called: those that have not run, which may never
 * do, or made a round in no more than each 16th of the unit's; and those that are large.  They are
 * units of their own when they get hot.  So the work of compiling follows what runs, not what is
 * there.
 * Brackets are matched by links in the operations themselves, as the parser does it: no recursion.
 */
#include "runtime/tiers_int.h"

#include "runtime/alloc.h"

#define SMALL       16      /* operations of a loop that is never called */
#define LARGE       6000    /* operations of an inner loop that always is */
#define RARE        16      /* rounds of the unit for one of an inner loop that is called */
#define MOST        200000  /* operations of a unit */
#define LONGEST_WAY 4000000 /* operations that are looked at to see whether a loop is balanced */

/* The parts of a cut. */
struct cut {
    struct tiers *t;
    struct bf_op *out;
    uint32_t n, cap;
    uint32_t *left; /* as program.left; set for calls only */
    uint32_t left_cap;
    uint32_t open; /* index in out[] of the innermost open bracket, whose arg links outwards */
    uint32_t depth, max_depth;
    uint32_t inside; /* number of the innermost loop that has one */
    struct part {
        uint32_t loop, at; /* its number, and where it opens in out[] */
    } * part;              /* loops that come along */
    uint32_t npart, part_cap;
    bool calls_long;
    uint64_t rounds; /* of the unit's loop */
};

/* The way through a loop, taken once: where the pointer is at least, seen from the start. */
struct way {
    int64_t at, low; /* low: the leftmost cell looked at */
    int64_t *stack;  /* of `at` before the loops that are open */
    uint32_t n, cap;
    bool balanced; /* each loop leaves the pointer where it was */
    bool forward;  /* none leaves it further left */
};

static void way_step(struct way *w, const struct bf_op *op) {
    if (tiers_plain(op->kind) == BF_MOVE) {
        w->at += op->arg;
        return;
    }
    w->forward &= op->kind != BF_HASH;
    if (w->at < w->low)
        w->low = w->at;
    if (tiers_is_open(op->kind)) {
        w->stack = xgrow(w->stack, &w->cap, (uint64_t)w->n + 1, sizeof *w->stack);
        w->stack[w->n++] = w->at;
    } else if (tiers_is_close(op->kind)) {
        int64_t before = w->stack[--w->n];
        w->balanced &= before == w->at;
        w->forward &= before <= w->at;
        w->at = before; /* it may not have run */
    }
}

/* What is known of where the loop goes; once for each loop. */
static const struct tier_loop *measured(struct tiers *t, uint32_t loop) {
    struct tier_loop *l = &t->loop[loop];
    if (l->balanced != BALANCE_UNKNOWN)
        return l;
    struct way w = {.balanced = l->close - l->open <= LONGEST_WAY};
    w.forward = w.balanced;
    for (uint32_t i = l->open; i <= l->close && (w.balanced || w.forward); i++)
        way_step(&w, &t->op[i]);
    xfree(w.stack);
    l->balanced = w.balanced ? BALANCED : UNBALANCED;
    l->left = w.forward && w.low > -INT32_MAX ? (uint32_t)(1 - w.low) : 0;
    return l;
}

static void put(struct cut *c, uint32_t kind, int32_t arg, uint32_t src) {
    c->out = xgrow(c->out, &c->cap, (uint64_t)c->n + 1, sizeof *c->out);
    c->out[c->n++] = (struct bf_op){.kind = kind, .arg = arg, .src = src};
}

static void put_call(struct cut *c, uint32_t loop) {
    struct tiers *t = c->t;
    const struct tier_loop *l = measured(t, loop);
    put(c, l->balanced == BALANCED ? BF_CALL_BALANCED : BF_CALL, (int32_t)loop, t->op[l->open].src);
    c->left = xgrow(c->left, &c->left_cap, c->n, sizeof *c->left);
    c->left[c->n - 1] = l->left;
}

static void put_open(struct cut *c, uint32_t src) {
    put(c, BF_OPEN, (int32_t)c->open, src);
    c->open = c->n - 1;
    if (++c->depth > c->max_depth)
        c->max_depth = c->depth;
}

/* Closes the innermost bracket.  A large inner loop becomes a call after all. */
static void put_close(struct cut *c, const struct bf_op *close) {
    uint32_t open = c->open;
    c->open = (uint32_t)c->out[open].arg;
    c->depth--;
    if (close->kind == T0_CLOSE)
        c->inside = c->t->loop[close->arg].parent;
    if (close->kind == T0_CLOSE && open != 0 && c->n - open > LARGE) {
        c->n = open;
        while (c->npart > 0 && c->part[c->npart - 1].at >= open)
            c->npart--;
        put_call(c, (uint32_t)close->arg);
        return;
    }
    put(c, BF_CLOSE, (int32_t)open, close->src);
    c->out[open].arg = (int32_t)(c->n - 1);
}

/* Does the loop run so rarely that it is not worth compiling with what is around it?  Those that
 * were hot by themselves are not asked: only tier 0 counts. */
static bool is_rare(const struct cut *c, uint32_t loop) {
    const struct tier_loop *l = &c->t->loop[loop];
    return l->close - l->open > SMALL && l->state == TIER_COLD && l->cover == NO_LOOP &&
           tiers_rounds(c->t, loop) < c->rounds / RARE;
}

/* The bracket at op[i]; returns where to go on. */
static uint32_t cut_open(struct cut *c, uint32_t i) {
    const struct bf_op *op = &c->t->op[i];
    uint32_t close = (uint32_t)op->arg;
    if (op->kind == BF_OPEN && close - i > SMALL) {
        put_call(c, tiers_number(c->t, i, c->inside));
        return close + 1;
    }
    if (op->kind == T0_OPEN) {
        uint32_t loop = (uint32_t)c->t->op[close].arg;
        const struct tier_loop *l = &c->t->loop[loop];
        if ((l->state == TIER_COMPILED || l->state == TIER_REQUESTED) &&
            tiers_is_long(c->t, loop)) {
            put_call(c, loop);
            c->calls_long = true;
            return close + 1;
        }
        if (is_rare(c, loop)) {
            put_call(c, loop);
            return close + 1;
        }
        c->inside = loop;
        c->part = xgrow(c->part, &c->part_cap, (uint64_t)c->npart + 1, sizeof *c->part);
        c->part[c->npart++] = (struct part){loop, c->n};
    }
    put_open(c, op->src);
    return i + 1;
}

bool tier_unit_cut(struct tiers *t, uint32_t loop, struct tier_request *r) {
    struct cut c = {.t = t, .inside = loop, .rounds = tiers_rounds(t, loop)};
    uint32_t i = t->loop[loop].open, close = t->loop[loop].close;
    put_open(&c, t->op[i++].src);
    while (i <= close && c.n < MOST) {
        const struct bf_op *op = &t->op[i];
        if (tiers_is_open(op->kind)) {
            i = cut_open(&c, i);
            continue;
        }
        if (tiers_is_close(op->kind))
            put_close(&c, op);
        else
            put(&c, tiers_plain(op->kind), op->arg, op->src);
        i++;
    }
    *r = (struct tier_request){.loop = loop};
    for (uint32_t k = 0; k < c.npart && c.n < MOST; k++)
        t->loop[c.part[k].loop].cover = loop;
    xfree(c.part);
    t->loop[loop].is_long = c.calls_long;
    if (c.n >= MOST) {
        xfree(c.out);
        xfree(c.left);
        return false;
    }
    put(&c, BF_END, 0, 0);
    r->program =
        (struct program){.op = c.out, .nop = c.n, .max_depth = c.max_depth, .left = c.left};
    for (uint32_t k = 0; k < c.n; k++)
        r->ncalls += c.out[k].kind == BF_CALL || c.out[k].kind == BF_CALL_BALANCED;
    return true;
}
