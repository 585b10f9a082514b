/* flatten.c: an iteration that takes many branches becomes straight code.
 *
 *   h: %2 = phi b1 %1, b9 %9          h: ...        the first iteration, and those in which the
 *      %3 = load %2                   ...           unexpected happens, as before
 *      br %3, b3, b4                  b9: br %8, s1, b10
 *   b3: ... br ..., b5, b6     =>     s1: %20 = phi b9 %9, s2 %29
 *   ...                                   %21 = load %20 ...
 *   b9: %9 = move %2 - 3                  br %25, h, s2          (is it unexpected?)
 *      %8 = load %9                   s2: %26 = select %21, ...
 *      br %8, h, b10                      store %20 + 2, %26 ...
 *                                         br %28, s1, b10
 *
 * Brainfuck has no other test than a loop's, so that decisions become nests of loops and pointers
 * that walk off and come back; to a processor they are branches it cannot predict.  All ways
 * through the body are followed at compile time (explore.h).  Those that end alike are put
 * together: what they leave in a cell is selected by the decisions; and where decisions depend on
 * one 8-bit cell (the key), all 256 values are tried, and the results become arithmetic on it.  The
 * few ways that are not worth it, or end elsewhere, are left to the old code: s1 asks for them
 * before anything was stored.  (Hyperblock formation: Mahlke et al., MICRO 1992; there, too, rare
 * ways are left out, though by profile.)
 *
 * Traps: s1 loads only what each iteration of the old code accesses whatever way it takes, or lies
 * between such cells; or what lies between cells that the iteration before, old or new, accessed.
 * So the first iteration stays as it is where that is needed.
 *
 * Relies on: rotated loops.  Linear: each loop is followed within fixed bounds.
 * Tests: tests/ir/flatten. */
#include <string.h>

#include "passes/bounds.h"
#include "passes/explore.h"
#include "passes/pass.h"
#include "passes/synth.h"
#include "runtime/alloc.h"

#define MAX_COST      32 /* instructions of the straight code */
#define LOOKUP_COST   3
#define MIN_DECISIONS 6 /* on four ways */
#define MIN_PLAIN     8 /* without a key: a branch or two are cheaper than both their sides */

/* A use of a value outside the loop it was made in; chained by value. */
struct far_use {
    value user;
    unsigned operand;
    uint32_t next;
};

struct candidate {
    uint32_t loop;
    value root;     /* the root when the old code goes back to the head */
    int64_t lo, hi; /* cells that must be known to be on the tape; none if lo > hi */
    bool proven;
};

struct flatten {
    struct func *f;
    struct pass_env *env;
    struct cfg cfg;
    struct cells cells;
    struct explore e;
    struct synth synth;
    struct far_use *far_use;
    uint32_t nfar, far_cap;
    uint32_t *far_of; /* per value, of nvalue: its first far use */
    uint32_t nvalue;
    struct candidate *candidate;
    uint32_t ncandidate, candidate_cap;
    uint32_t *taken; /* per loop: 1 + the candidate that it, or a loop around it, is */
    bool changed;

    /* The loop at hand. */
    struct outcome result;
    bool keyed;
    unsigned cost;
    uint64_t decisions; /* on four average ways */
    bool *needed;       /* per expression */
    uint32_t needed_cap;
    value *made; /* per expression: its value in the straight code */
    uint32_t made_cap;
};

/* ---- far uses ---- */

static void note_far_uses(struct flatten *t, value v, block b) {
    for (unsigned k = 0; k < IR_MAX_OPERANDS; k++) {
        value *o = ir_operand(t->f, v, k);
        if (!o || ir_is_const(t->f, *o))
            continue;
        uint32_t l = t->cfg.loops.of[ir_home(t->f, *o).i];
        if (l == 0 || cfg_in_loop(&t->cfg.loops, l, b))
            continue;
        t->far_use = xgrow(t->far_use, &t->far_cap, (uint64_t)t->nfar + 1, sizeof *t->far_use);
        t->far_use[t->nfar] = (struct far_use){v, k, t->far_of[o->i]};
        t->far_of[o->i] = t->nfar++;
    }
}

static void find_far_uses(struct flatten *t) {
    t->nfar = 1;
    for (uint32_t i = 0; i < t->cfg.rpo.n; i++)
        IR_FOR_INSNS (t->f, t->cfg.rpo.order[i], v)
            note_far_uses(t, v, t->cfg.rpo.order[i]);
}

/* The values of loop n that are used behind it, and what its head's phis become. */
static bool find_outs(struct flatten *t, uint32_t n) {
    struct explore *e = &t->e;
    for (unsigned i = 1; i <= e->nvalue; i++)
        for (uint32_t u = t->far_of[e->values[i].i]; u; u = t->far_use[u].next)
            if (!cfg_in_loop(&t->cfg.loops, n, ir_home(t->f, t->far_use[u].user)) &&
                !explore_add_out(e, e->values[i]))
                return false;
    unsigned back = ir_pred_slot(t->f, e->latch, e->head);
    IR_FOR_INSNS (t->f, e->head, v) {
        if (!ir_is(t->f, v, OP_PHI))
            break;
        value next = ir_resolve(t->f, *ir_phi_operand(t->f, v, back));
        if (ir_at(t->f, v)->kind == KIND_CELL && !ir_is_const(t->f, next) &&
            explore_local(e, next) && !explore_add_out(e, next))
            return false;
    }
    return true;
}

/* ---- what it would cost ---- */

static bool is_stored(struct explore *e, const struct outcome *o, unsigned c) {
    return !same_node(o->slot[SLOT_CELL + c], expr_leaf(&e->x, OP_LOAD, (node){0}, e->cell[c]));
}

static void need_slots(struct flatten *t, bool bad) {
    struct explore *e = &t->e;
    const struct outcome *o = &t->result;
    t->needed = xgrow(t->needed, &t->needed_cap, (uint64_t)e->x.n + EXPLORE_CELLS, sizeof(bool));
    memset(t->needed, 0, e->x.n + EXPLORE_CELLS);
    t->needed[o->slot[SLOT_BAD].i] = true;
    for (unsigned s = SLOT_EXIT; s < SLOT_COUNT && !bad; s++) {
        bool unchanged = s >= SLOT_CELL && s < SLOT_OUT &&
                         (s - SLOT_CELL >= e->ncell || !is_stored(e, o, s - SLOT_CELL));
        if (o->slot[s].i && !unchanged)
            t->needed[o->slot[s].i] = true;
    }
    for (uint32_t i = e->x.n; i-- > 1;) {
        const struct expr *x = &e->x.at[i];
        if (t->needed[i] && x->op != OP_CONST && x->op != OP_LOAD && x->op != OP_COPY) {
            t->needed[x->a.i] = true;
            t->needed[x->b.i] = true;
            t->needed[x->c.i] = true;
        }
    }
}

static unsigned count_cost(struct flatten *t) {
    struct explore *e = &t->e;
    unsigned n = 0;
    need_slots(t, false);
    for (uint32_t i = 1; i < e->x.n; i++) {
        enum op op = (enum op)e->x.at[i].op;
        if (t->needed[i])
            n += op == OP_CONST || op == OP_COPY ? 0 : op == OP_LOOKUP ? LOOKUP_COST : 1;
    }
    for (unsigned c = 0; c < e->ncell; c++)
        n += is_stored(e, &t->result, c);
    return n;
}

/* Is straight code of this cost worth it?  What is saved are decisions. */
static bool is_worth(const struct flatten *t, unsigned cost, unsigned times) {
    return cost <= times * MAX_COST && cost <= 2 * times * t->decisions;
}

/* ---- following a loop ---- */

/* The cell whose content the first decision asks about. */
static bool find_key(struct explore *e) {
    if (e->f->cell_bits != 8 || e->nway == 0 || e->way[0].ndecision == 0)
        return false;
    const struct expr *x = expr_at(&e->x, e->way[0].decision[0].cond);
    while (x->op != OP_LOAD) {
        if (x->op != OP_ADD && x->op != OP_MUL && x->op != OP_EQ && x->op != OP_NE)
            return false;
        if (!expr_is_const(&e->x, x->b))
            return false;
        x = expr_at(&e->x, x->a);
    }
    e->key_off = x->imm;
    return true;
}

/* All ways in one tree. */
static bool follow_plain(struct flatten *t) {
    struct explore *e = &t->e;
    e->keyed = false;
    explore_forget_cells(e);
    enum followed all = explore_follow(e);
    t->decisions = 0;
    if (all == CANNOT_FOLLOW)
        return false;
    t->decisions = 4 * e->decisions / e->followed;
    explore_agree(e);
    return all == ALL_FOLLOWED && e->have_delta && explore_cells(e) && explore_plausible(e) &&
           explore_merge(e, &t->result);
}

/* The tree for one value of the key. */
static bool follow_key(struct flatten *t, unsigned v) {
    struct explore *e = &t->e;
    e->key = v;
    bool ok = explore_follow(e) == ALL_FOLLOWED;
    explore_agree(e);
    if (!ok || !explore_cells(e))
        return false;
    t->synth.alive[v] = explore_merge(e, &t->synth.at[v]);
    return true;
}

/* Some values tell, before all are tried: does knowing the key save a third of the decisions, are
 * there steps enough for the others, and can the result be cheap enough, which costs at least what
 * it costs for these few? */
static bool sample_keys(struct flatten *t, unsigned plain_cost) {
    static const uint8_t sample[] = {5, 9, 3, 48, 2, 1, 0, 255};
    uint64_t decisions = 0, ways = 0, before = t->e.steps;
    for (unsigned i = 0; i < sizeof sample; i++) {
        if (!follow_key(t, sample[i]))
            return false;
        decisions += t->e.decisions;
        ways += t->e.followed;
        if (4 * decisions / ways > t->decisions || /* not even with good luck */
            (before - t->e.steps) * (256 / (i + 1)) > t->e.steps)
            return false;
    }
    if (6 * decisions / ways > t->decisions)
        return false;
    if (!synth_some(&t->synth, &t->e, &t->result))
        return false;
    unsigned cost = count_cost(t);
    return cost < plain_cost && is_worth(t, cost, 1);
}

/* A tree for each value of the key. */
static bool follow_keyed(struct flatten *t, unsigned plain_cost) {
    struct explore *e = &t->e;
    explore_forget_cells(e);
    synth_begin(&t->synth);
    e->keyed = true;
    bool ok = sample_keys(t, plain_cost);
    for (unsigned v = 0; v < 256 && ok; v++)
        ok = follow_key(t, v);
    e->keyed = false;
    return ok && explore_plausible(e) && synth_finish(&t->synth, e, &t->result);
}

/* Follows the loop in the cheaper of the two forms; `early`: unless one suffices to see whether it
 * is worth it. */
static bool choose_form(struct flatten *t, bool early) {
    struct explore *e = &t->e;
    unsigned plain_cost = follow_plain(t) ? count_cost(t) : UINT32_MAX;
    t->cost = plain_cost;
    t->keyed = false;
    if (t->decisions < MIN_DECISIONS || !e->have_delta || !find_key(e) ||
        (early && plain_cost < 2 * MAX_COST))
        return plain_cost != UINT32_MAX;
    if (follow_keyed(t, plain_cost))
        t->cost = count_cost(t);
    t->keyed = t->cost < plain_cost;
    if (t->keyed || plain_cost == UINT32_MAX)
        return t->keyed;
    t->cost = plain_cost;
    return plain_cost <= MAX_COST && follow_plain(t);
}

/* ---- safety ---- */

struct range {
    int64_t lo, hi;
};

static void range_add(struct range *r, int64_t off) {
    r->lo = off < r->lo ? off : r->lo;
    r->hi = off > r->hi ? off : r->hi;
}

static bool range_has(const struct range *r, int64_t off) {
    return r->lo <= off && off <= r->hi;
}

/* Finds the cells that the straight code accesses and this iteration of the old code might not
 * have; false if the iteration before does not vouch for them. */
static bool find_unproven(struct flatten *t, struct candidate *c) {
    struct explore *e = &t->e;
    struct range certain = {INT64_MAX, INT64_MIN}, alive = certain, all = certain, open = certain;
    for (unsigned k = 0; k < e->ncell; k++) {
        if (e->certain[k])
            range_add(&certain, e->cell[k]);
        if (e->certain[k] || e->alive[k])
            range_add(&alive, e->cell[k]);
    }
    for (unsigned early = 0; early < 2; early++) {
        need_slots(t, early != 0);
        for (unsigned k = 0; k < e->ncell; k++) {
            uint32_t load = expr_leaf(&e->x, OP_LOAD, (node){0}, e->cell[k]).i;
            bool stored = !early && is_stored(e, &t->result, k);
            if (!t->needed[load] && !stored)
                continue;
            range_add(&all, e->cell[k]);
            if (!range_has(early ? &certain : &alive, e->cell[k]))
                range_add(&open, e->cell[k]);
        }
    }
    c->lo = open.lo;
    c->hi = open.hi;
    return open.lo > open.hi ||
           (cells_add(open.lo, e->delta) >= all.lo && cells_add(open.hi, e->delta) <= all.hi);
}

/* ---- candidates ---- */

/* Does the form that was chosen pay?  Without a key straight code that costs all that is allowed
 * for the decisions was slower than they are.  `early`: perhaps, as another form may be found. */
static bool pays(const struct flatten *t, bool early) {
    if (t->keyed || early)
        return t->decisions >= MIN_DECISIONS && is_worth(t, t->cost, t->keyed ? 1 : 2);
    return t->decisions >= MIN_PLAIN && is_worth(t, t->cost + 1, 1);
}

/* The root as it is when the old code goes back to the head. */
static value root_at_latch(const struct explore *e) {
    if (!explore_local(e, e->root))
        return e->root;
    return *ir_phi_operand(e->f, e->root, ir_pred_slot(e->f, e->latch, e->head));
}

static void consider(struct flatten *t, uint32_t n) {
    struct explore *e = &t->e;
    struct candidate c = {.loop = n};
    if (explore_begin(e, n) && find_outs(t, n) && choose_form(t, true) && pays(t, true) &&
        find_unproven(t, &c)) {
        c.proven = c.lo > c.hi;
        c.root = root_at_latch(e);
        t->candidate =
            xgrow(t->candidate, &t->candidate_cap, (uint64_t)t->ncandidate + 1, sizeof c);
        t->candidate[t->ncandidate++] = c;
        t->taken[n] = t->ncandidate;
    }
    explore_end(e);
}

/* At the end of b: is it the latch of a candidate? */
static void prove_at_end(void *context, struct bounds *s, block b) {
    struct flatten *t = context;
    uint32_t l = t->cfg.loops.of[b.i];
    if (!l || !t->taken[l])
        return;
    struct candidate *c = &t->candidate[t->taken[l] - 1];
    block head = t->cfg.loops.loop[c->loop].head;
    const struct block_data *d = ir_block(t->f, b);
    if (c->loop == l && d->nsucc == 2 &&
        (same_block(d->succ[0], head) || same_block(d->succ[1], head)))
        c->proven |= bounds_knows(s, c->root, c->lo, c->hi);
}

/* ---- the straight code ---- */

struct straight {
    struct flatten *t;
    block head, latch, first, second, join;
    bool whole;                                  /* the old code is not needed */
    value root;                                  /* the pointer its iterations start with */
    value phi[EXPLORE_PHIS], next[EXPLORE_PHIS]; /* and the old ones' operands from the latch */
    unsigned nphi;
};

static int64_t straight_table(struct flatten *t, int64_t table) {
    return ir_string(t->f, (const char *)t->e.x.table[table], 256);
}

static value straight_make(struct straight *s, block b, node n) {
    struct flatten *t = s->t;
    const struct expr x = *expr_at(&t->e.x, n);
    if (t->made[n.i].i)
        return t->made[n.i];
    value v = {(uint32_t)x.imm};
    if (x.op == OP_CONST) {
        v = ir_const(t->f, (uint64_t)x.imm);
    } else if (x.op == OP_LOAD) {
        uint32_t src = NO_SRC;
        for (unsigned k = 0; k < t->e.ncell; k++)
            if (t->e.cell[k] == x.imm)
                src = t->e.src[k];
        v = ir_append(t->f, b, OP_LOAD, s->root, NO_VALUE, x.imm, src);
    } else if (x.op != OP_COPY) {
        value a = t->made[x.a.i], c = x.b.i ? t->made[x.b.i] : NO_VALUE;
        int64_t imm = x.op == OP_LOOKUP ? straight_table(t, x.imm) : 0;
        v = ir_append(t->f, b, (enum op)x.op, a, c, imm, NO_SRC);
        if (x.c.i)
            ir_at(t->f, v)->c = t->made[x.c.i];
    }
    return t->made[n.i] = v;
}

/* Makes all that is needed, loads in the order of their first accesses. */
static void straight_values(struct straight *s, block b, bool bad) {
    struct flatten *t = s->t;
    struct explore *e = &t->e;
    for (unsigned k = 0; k < e->ncell; k++)
        expr_leaf(&e->x, OP_LOAD, (node){0}, e->cell[k]);
    need_slots(t, bad);
    for (unsigned k = 0; k < e->ncell; k++) {
        node load = expr_leaf(&e->x, OP_LOAD, (node){0}, e->cell[k]);
        if (t->needed[load.i])
            straight_make(s, b, load);
    }
    for (uint32_t i = 1; i < e->x.n; i++)
        if (t->needed[i])
            straight_make(s, b, (node){i});
}

/* The edge into the new loop comes from the old one's latch; or from before it. */
static void straight_enter(struct straight *s) {
    struct flatten *t = s->t;
    struct func *f = t->f;
    unsigned slot = ir_pred_slot(f, s->latch, s->head);
    if (!s->whole) {
        s->first = ir_split_edge(f, s->latch, t->e.back);
        return;
    }
    block pre = ir_block(f, s->head)->pred[1 - slot];
    unsigned n = same_block(ir_block(f, pre)->succ[0], s->head) ? 0 : 1;
    s->first = ir_split_edge(f, pre, n);
}

/* Phis of the new loop's head for those of the old; COPYs of these mean the new ones. */
static void straight_phis(struct straight *s) {
    struct flatten *t = s->t;
    struct func *f = t->f;
    unsigned slot = ir_pred_slot(f, s->first, s->head);
    s->root = t->e.root;
    IR_FOR_INSNS (f, s->head, v) {
        if (!ir_is(f, v, OP_PHI))
            break;
        value in = ir_resolve(f, *ir_phi_operand(f, v, slot));
        value next = s->whole ? ir_resolve(f, *ir_phi_operand(f, v, 1 - slot)) : in;
        value phi = ir_phi(f, s->first, ir_at(f, v)->kind, in, NO_VALUE);
        *ir_phi_operand(f, v, slot) = phi;
        if (same_value(v, t->e.root))
            s->root = phi;
        else
            t->made[expr_leaf(&t->e.x, OP_COPY, (node){0}, (int64_t)v.i).i] = phi;
        s->phi[s->nphi] = phi;
        s->next[s->nphi++] = next;
    }
}

/* From the head of the new loop: to the old code if something unexpected is about to happen. */
static void straight_guard(struct straight *s) {
    struct flatten *t = s->t;
    struct func *f = t->f;
    node bad = t->result.slot[SLOT_BAD];
    if (expr_is_const(&t->e.x, bad)) {
        ir_redirect(f, s->first, 0, s->second);
        return;
    }
    value end = ir_terminator(f, s->first);
    ir_at(f, end)->op = OP_BR;
    ir_at(f, end)->a = t->made[bad.i];
    struct block_data *d = ir_block(f, s->first), *to = ir_block(f, s->second);
    d->succ[1] = s->second;
    d->nsucc = 2;
    to->pred[0] = s->first;
    to->npred = 1;
}

/* The value of v, which is used behind the loop, at the end of the new one's iteration. */
static value straight_out(struct straight *s, value v) {
    struct flatten *t = s->t;
    for (unsigned i = 0; i < t->e.nout; i++) {
        if (!same_value(t->e.out[i], v))
            continue;
        if (ir_at(t->f, v)->kind == KIND_CELL)
            return t->made[t->result.slot[SLOT_OUT + i].i];
        int64_t off = t->e.out_offset[i];
        return off == 0 ? s->root
                        : ir_append(t->f, s->second, OP_MOVE, s->root, NO_VALUE, off, NO_SRC);
    }
    return v; /* made outside */
}

static void straight_stores(struct straight *s) {
    struct flatten *t = s->t;
    struct explore *e = &t->e;
    for (unsigned c = 0; c < e->ncell; c++)
        if (is_stored(e, &t->result, c))
            ir_append(t->f, s->second, OP_STORE, s->root, t->made[t->result.slot[SLOT_CELL + c].i],
                      e->cell[c], e->src[c]);
}

/* Ends an iteration: next values for the phis, and the branch back. */
static void straight_close(struct straight *s) {
    struct flatten *t = s->t;
    struct func *f = t->f;
    value exit = t->made[t->result.slot[SLOT_EXIT].i];
    bool loops = !ir_is_const(f, exit) || (ir_const_of(f, exit) != 0) == (t->e.back == 0);
    for (unsigned n = 0; n < s->nphi && loops; n++) {
        value next = s->next[n];
        if (!same_value(s->phi[n], s->root))
            next = straight_out(s, next);
        else if (t->e.delta == 0)
            next = s->root;
        else
            next = ir_append(f, s->second, OP_MOVE, s->root, NO_VALUE, t->e.delta, NO_SRC);
        ir_at(f, s->phi[n])->b = next;
    }
    uint32_t src = ir_at(f, ir_terminator(f, s->latch))->src;
    if (ir_is_const(f, exit))
        ir_jmp(f, s->second, loops ? s->first : s->join, src);
    else if (t->e.back == 0)
        ir_br(f, s->second, exit, s->first, s->join, src);
    else
        ir_br(f, s->second, exit, s->join, s->first, src);
}

/* Behind the loops: what came from the old one now comes from either. */
static void straight_join(struct straight *s, uint32_t n, const value *outs) {
    struct flatten *t = s->t;
    struct func *f = t->f;
    if (ir_block(f, s->join)->npred < 2)
        return;
    for (unsigned i = 0; i < t->e.nout; i++) {
        value v = t->e.out[i], phi = NO_VALUE;
        for (uint32_t u = t->far_of[v.i]; u; u = t->far_use[u].next) {
            const struct far_use *use = &t->far_use[u];
            if (cfg_in_loop(&t->cfg.loops, n, ir_home(f, use->user)))
                continue;
            if (!phi.i)
                phi = ir_phi(f, s->join, ir_at(f, v)->kind, v, outs[i]);
            ir_set_operand(f, use->user, use->operand, phi);
        }
    }
}

static void make_straight(struct flatten *t, const struct candidate *c) {
    struct explore *e = &t->e;
    struct func *f = t->f;
    struct straight s = {.t = t, .head = e->head, .latch = e->latch};
    s.whole = c->lo > c->hi && expr_is_num(&e->x, t->result.slot[SLOT_BAD], 0);
    for (unsigned k = 0; k < e->ncell; k++) /* no expression is made from here on */
        expr_leaf(&e->x, OP_LOAD, (node){0}, e->cell[k]);
    IR_FOR_INSNS (f, e->head, v)
        if (ir_is(f, v, OP_PHI))
            expr_leaf(&e->x, OP_COPY, (node){0}, (int64_t)v.i);
    t->made = xgrow(t->made, &t->made_cap, e->x.n, sizeof *t->made);
    memset(t->made, 0, e->x.n * sizeof *t->made);

    straight_enter(&s);
    s.join = ir_split_edge(f, s.latch, 1 - e->back);
    s.second = ir_block_new(f, s.first);
    straight_phis(&s);
    straight_values(&s, s.first, true);
    straight_guard(&s);
    straight_values(&s, s.second, false);
    straight_stores(&s);
    value outs[EXPLORE_OUTS];
    for (unsigned i = 0; i < e->nout; i++)
        outs[i] = straight_out(&s, e->out[i]);
    straight_close(&s);
    straight_join(&s, c->loop, outs);
    pass_count(t->env, "loops", 1);
    pass_count(t->env, t->keyed ? "keyed" : "plain", 1);
    pass_count(t->env, "decisions", e->decisions);
    t->changed = true;
}

static void flatten_candidate(struct flatten *t, const struct candidate *c) {
    struct explore *e = &t->e;
    struct candidate now = *c;
    if (c->proven && explore_begin(e, c->loop) && find_outs(t, c->loop) && choose_form(t, false) &&
        pays(t, false) && find_unproven(t, &now) &&
        (now.lo > now.hi || (c->lo <= now.lo && now.hi <= c->hi)) && pass_may(t->env))
        make_straight(t, &now);
    explore_end(e);
}

/* ---- the pass ---- */

/* Instructions that may be followed to choose loops, and again to write them anew. */
static uint64_t flatten_steps(const struct func *f) {
    return 100000 + 4 * (uint64_t)f->ninsn;
}

static void flatten_start(struct flatten *t) {
    struct func *f = t->f;
    t->cfg = cfg_make(f);
    cells_init(&t->cells, f);
    t->nvalue = f->ninsn;
    t->far_of = xcalloc(t->nvalue, sizeof *t->far_of);
    t->taken = xcalloc(t->cfg.loops.nloop, sizeof *t->taken);
    explore_init(&t->e, f);
    t->e.cfg = &t->cfg;
    t->e.cells = &t->cells;
    t->e.steps = flatten_steps(f);
    find_far_uses(t);
}

static void flatten_finish(struct flatten *t) {
    explore_free(&t->e);
    cells_free(&t->cells);
    cfg_free(&t->cfg);
    xfree(t->far_use);
    xfree(t->far_of);
    xfree(t->taken);
    xfree(t->candidate);
    xfree(t->needed);
    xfree(t->made);
    xfree(t);
}

bool pass_flatten(struct func *f, struct pass_env *env) {
    struct flatten *t = xcalloc(1, sizeof *t);
    t->f = f;
    t->env = env;
    flatten_start(t);
    bool open = false;
    for (uint32_t n = 1; n < t->cfg.loops.nloop; n++) { /* outer loops first */
        t->taken[n] = t->taken[t->cfg.loops.loop[n].parent];
        if (!t->taken[n])
            consider(t, n);
    }
    for (uint32_t k = 0; k < t->ncandidate; k++)
        open |= !t->candidate[k].proven;
    if (open)
        bounds_at_ends(f, prove_at_end, t);
    t->e.steps = flatten_steps(f);
    for (uint32_t k = 0; k < t->ncandidate; k++)
        flatten_candidate(t, &t->candidate[k]);
    bool changed = t->changed;
    flatten_finish(t);
    if (changed)
        ir_drop_unreachable(f);
    return changed;
}
