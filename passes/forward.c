/* forward.c: a load takes the value its cell is known to hold.
 *
 *   store %1 + 3, %2                  store %1 + 3, %2
 *   store %1, 7              =>       store %1, 7
 *   %4 = load %1 + 3                  out %2
 *   out %4
 *
 * One walk over the dominator tree with a table of facts, one for each cell (cells.h): its value,
 * or that it is not 0.  What a block adds is undone when the walk leaves it.  Besides:
 *  - A `program` unit starts with zeros: a cell of the tape no store can have reached is 0.
 *  - On the edge where br's condition is 0 that value, and the cell it came from, are 0; on the
 *    other edge they are not.  So a cell is 0 behind the loop that tested it, also when the
 *    pointer is a phi of where the loop could be left.
 *  - A scan ends at a 0, and does not move from one.
 *  - Operations on constants are done, stores of what a cell holds anyway dropped, a br with a
 *    known outcome loses its other edge; what only that edge led to is not looked at, so that, for
 *    instance, a comment loop at the start of a program costs no knowledge of the tape.
 *
 * Aliasing.  A store kills what is known of its own cell and of all cells of other roots.  That is
 * not done by visiting them: each fact has a time, and the last store to another root tells which
 * are too old (struct memory).
 *
 * Merges.  What is known at the end of the immediate dominator holds at a merge unless a block
 * between them stores to the cell.  All such blocks lie in loops of the merge (when it is a loop's
 * head) or in the subtrees of the dominator's other children, through which the merge is entered.
 * A `span` sums up the stores of a loop or subtree: none, cells of one root, or unknown.  Where
 * both ways into the merge end with the same fact, it holds afterwards, whatever happened between;
 * this is looked for among the tested cell and the last stores of constants.
 *
 * Everything is linear: spans have a fixed size, a walk over the end of a block a fixed length.
 * Tests: tests/ir/forward. */
#include <string.h>

#include "passes/cells.h"
#include "passes/domtree.h"
#include "passes/fold.h"
#include "passes/pass.h"
#include "passes/selfloop.h"
#include "runtime/alloc.h"

/* ---- spans ---- */

/* Which cells a part of the function may store to. */
struct span {
    enum { SPAN_NONE, SPAN_ROOT, SPAN_ANY } what;
    value root;
    int64_t lo, hi; /* SPAN_ROOT: stores lie in root + lo ... root + hi */
    uint64_t some;  /* if hi - lo < 64: bit n is set if root + lo + n is stored to */
};

static bool span_is_exact(const struct span *s) {
    return (uint64_t)s->hi - (uint64_t)s->lo < 64;
}

/* s |= t */
static void span_join(struct span *s, const struct span *t) {
    if (t->what == SPAN_NONE || s->what == SPAN_ANY)
        return;
    if (s->what == SPAN_NONE || t->what == SPAN_ANY) {
        *s = *t;
        return;
    }
    if (!same_value(s->root, t->root)) {
        s->what = SPAN_ANY;
        return;
    }
    struct span u = {.what = SPAN_ROOT, .root = s->root};
    u.lo = s->lo < t->lo ? s->lo : t->lo;
    u.hi = s->hi > t->hi ? s->hi : t->hi;
    if (span_is_exact(&u))
        u.some = s->some << (s->lo - u.lo) | t->some << (t->lo - u.lo);
    *s = u;
}

static void span_add(struct span *s, struct cell c) {
    struct span one = {SPAN_ROOT, c.root, c.off, c.off, 1};
    span_join(s, &one);
}

/* ---- the state of the walk ---- */

enum state { UNKNOWN_YET, HOLDS_VALUE, NOT_ZERO, KILLED };

struct fact {
    uint32_t state; /* enum state; UNKNOWN_YET: what the start of the unit says */
    uint32_t time;
    value v;
};

/* Which facts are too old.  A fact of `root` is if it is older than `others`; any other fact if it
 * is older than `all`; and a fact of root + lo ... root + hi also if it is older than `range`. */
struct memory {
    value root; /* of the last store */
    uint32_t all, others, range;
    int64_t lo, hi;
};

/* What is known of a value on the way down the tree. */
enum known { NOTHING_KNOWN, IS_ZERO, IS_NOT_ZERO };

/* Entries of the undo stack. */
struct forward_undo {
    enum { UNDO_FACT, UNDO_KNOWN } what;
    uint32_t index;
    struct fact fact;
    uint8_t known;
};

/* A fact about the end of a block: the cell is 0 (or v), or is not 0. */
struct ending {
    uint32_t id;
    enum known zero; /* IS_NOT_ZERO, or NOTHING_KNOWN: then v is the value */
    value v;
};
#define MAX_ENDINGS  6
#define ENDING_STEPS 16
#define MAX_MERGED   24
#define MAX_KEPT     2

/* What the ways into a block told that still holds at its end: the next merge asks for it. */
struct kept {
    struct ending at[MAX_KEPT];
    uint32_t n;
};

struct forward {
    struct func *f;
    struct pass_env *env;
    struct cfg cfg;
    struct domtree tree;
    struct cells cells;
    struct fact *fact; /* by cell number */
    uint32_t nfact;
    uint8_t *known;   /* enum known, by value; the pass adds none but constants */
    uint32_t *holder; /* by value: the cell last seen to hold it */
    struct forward_undo *undo;
    uint32_t nundo, undo_cap;
    uint32_t clock;
    struct memory now;
    bool changed, cut_any; /* edges never taken */

    /* by block */
    struct memory *end; /* at its end, for the blocks it dominates */
    struct span *span;  /* stores in its subtree, and on the ways into it from its dominator */
    uint32_t *undo_at;
    uint32_t *tested;     /* the cell its br tests, or 0; valid once it was walked */
    struct kept *kept;    /* valid once it was walked */
    uint8_t *live, *cut;  /* cut: 1 + the successor that is never taken */
    struct span *of_loop; /* by loop */
};

/* Gives every cell there is a place in the table. */
static void forward_cover(struct forward *w) {
    if (w->nfact >= w->cells.n)
        return;
    uint32_t n = w->cells.cap;
    w->fact = xrealloc(w->fact, n, sizeof *w->fact);
    memset(w->fact + w->nfact, 0, (n - w->nfact) * sizeof *w->fact);
    w->nfact = n;
}

static uint32_t forward_id(struct forward *w, value p, int64_t k) {
    uint32_t id = cells_id(&w->cells, p, k);
    forward_cover(w);
    return id;
}

static struct forward_undo *forward_push(struct forward *w) {
    w->undo = xgrow(w->undo, &w->undo_cap, (uint64_t)w->nundo + 1, sizeof *w->undo);
    return &w->undo[w->nundo++];
}

static void forward_set(struct forward *w, uint32_t id, enum state state, value v) {
    *forward_push(w) = (struct forward_undo){UNDO_FACT, id, w->fact[id], 0};
    w->fact[id] = (struct fact){state, w->clock, v};
}

static void forward_learn(struct forward *w, value v, enum known known) {
    if (ir_is_const(w->f, v) || w->known[v.i] == known)
        return;
    *forward_push(w) = (struct forward_undo){UNDO_KNOWN, v.i, {0}, w->known[v.i]};
    w->known[v.i] = (uint8_t)known;
}

static bool forward_is_zero(const struct forward *w, value v) {
    return !ir_is_const(w->f, v) && w->known[v.i] == IS_ZERO;
}

/* The value itself, or 0 where that is known. */
static value forward_value(struct forward *w, value v) {
    v = ir_resolve(w->f, v);
    return forward_is_zero(w, v) ? ir_const(w->f, 0) : v;
}

/* Notes that a cell holds v, so that testing v is testing the cell. */
static void forward_hold(struct forward *w, value v, uint32_t id) {
    if (!ir_is_const(w->f, v))
        w->holder[v.i] = id;
}

static bool forward_is_not_zero(const struct forward *w, value v) {
    return ir_is_const(w->f, v) ? ir_const_of(w->f, v) != 0 : w->known[v.i] == IS_NOT_ZERO;
}

/* ---- memory ---- */

static bool forward_is_fresh(const struct forward *w, struct cell c, uint32_t time) {
    const struct memory *m = &w->now;
    if (!same_value(c.root, m->root))
        return time >= m->all;
    return time >= m->others && !(m->lo <= c.off && c.off <= m->hi && time < m->range);
}

/* Something stores to a cell of root: all facts of other roots are history. */
static void forward_store_root(struct forward *w, value root) {
    struct memory *m = &w->now;
    w->clock++;
    if (!same_value(root, m->root)) {
        m->others = m->all;
        m->root = root;
        m->lo = 1;
        m->hi = 0;
    }
    m->all = w->clock;
}

static void forward_kill_all(struct forward *w) {
    w->clock++;
    w->now = (struct memory){.all = w->clock, .others = w->clock, .lo = 1, .hi = 0};
}

static void forward_kill_range(struct forward *w, int64_t lo, int64_t hi) {
    struct memory *m = &w->now;
    bool none = m->lo > m->hi;
    m->lo = none || lo < m->lo ? lo : m->lo;
    m->hi = none || hi > m->hi ? hi : m->hi;
    m->range = w->clock;
}

static void forward_kill_span(struct forward *w, const struct span *s) {
    if (s->what == SPAN_NONE)
        return;
    if (s->what == SPAN_ANY) {
        forward_kill_all(w);
        return;
    }
    forward_store_root(w, s->root);
    if (!span_is_exact(s)) {
        forward_kill_range(w, s->lo, s->hi);
        return;
    }
    for (uint64_t some = s->some; some; some &= some - 1) {
        uint32_t id = forward_id(w, s->root, cells_add(s->lo, __builtin_ctzll(some)));
        forward_set(w, id, KILLED, NO_VALUE);
    }
}

/* What cell id holds now, or NO_VALUE; *not_zero tells if at least that is known. */
static value forward_lookup(struct forward *w, uint32_t id, bool *not_zero) {
    const struct fact fact = w->fact[id];
    struct cell c = w->cells.at[id];
    *not_zero = false;
    if (!forward_is_fresh(w, c, fact.time))
        return NO_VALUE;
    switch ((enum state)fact.state) {
    case UNKNOWN_YET:
        return cell_starts_zero(w->f, c) ? ir_const(w->f, 0) : NO_VALUE;
    case HOLDS_VALUE: {
        value v = forward_value(w, fact.v);
        *not_zero = forward_is_not_zero(w, v);
        return v;
    }
    case NOT_ZERO:
        *not_zero = true;
        return NO_VALUE;
    case KILLED:
        return NO_VALUE;
    }
    return NO_VALUE;
}

/* ---- constants ---- */

static void forward_replace(struct forward *w, value v, value with, const char *counter) {
    ir_replace(w->f, v, with);
    pass_count(w->env, counter, 1);
    w->changed = true;
}

static void forward_pure(struct forward *w, value v) {
    struct func *f = w->f;
    const struct insn in = *ir_at(f, v);
    if (in.kind != KIND_CELL || !ir_is_const(f, in.a))
        return;
    if (in.op == OP_SELECT) {
        if (pass_may(w->env))
            forward_replace(w, v, ir_const_of(f, in.a) ? in.b : in.c, "constants");
        return;
    }
    if (!ir_is_const(f, in.b) || !pass_may(w->env))
        return;
    uint64_t r = fold_eval(f->cell_bits, in.op, ir_const_of(f, in.a), ir_const_of(f, in.b), 0);
    forward_replace(w, v, ir_const(f, r), "constants");
}

/* ---- instructions ---- */

static void forward_load(struct forward *w, value v) {
    const struct insn *in = ir_at(w->f, v);
    uint32_t id = forward_id(w, in->a, in->imm);
    bool not_zero;
    value held = forward_lookup(w, id, &not_zero);
    if (held.i && pass_may(w->env)) {
        forward_replace(w, v, held, "loads");
        forward_hold(w, held, id);
        return;
    }
    forward_set(w, id, HOLDS_VALUE, v);
    forward_hold(w, v, id);
    if (not_zero)
        forward_learn(w, v, IS_NOT_ZERO);
}

static void forward_store(struct forward *w, value v, block b) {
    const struct insn *in = ir_at(w->f, v);
    value with = in->b;
    uint32_t id = forward_id(w, in->a, in->imm);
    bool not_zero;
    value held = forward_lookup(w, id, &not_zero);
    if (held.i && same_value(held, with) && pass_may(w->env)) {
        ir_remove(w->f, v);
        pass_count(w->env, "stores", 1);
        w->changed = true;
        return;
    }
    forward_store_root(w, w->cells.at[id].root);
    forward_set(w, id, HOLDS_VALUE, with);
    forward_hold(w, with, id);
    span_add(&w->span[b.i], w->cells.at[id]);
}

static void forward_scan(struct forward *w, value v) {
    struct insn *in = ir_at(w->f, v);
    bool not_zero;
    value held = forward_lookup(w, forward_id(w, in->a, in->imm), &not_zero);
    if (held.i && ir_is_num(w->f, held, 0) && pass_may(w->env)) {
        forward_replace(w, v, ir_at(w->f, v)->a, "scans");
        return;
    }
    uint32_t id = forward_id(w, v, ir_at(w->f, v)->imm);
    forward_set(w, id, HOLDS_VALUE, ir_const(w->f, 0));
}

static const struct span span_any = {.what = SPAN_ANY};

/* The called loop may store anywhere, and is left at a 0. */
static void forward_call(struct forward *w, value v, block b) {
    forward_kill_all(w);
    span_join(&w->span[b.i], &span_any);
    forward_set(w, forward_id(w, v, 0), HOLDS_VALUE, ir_const(w->f, 0));
}

/* An operand takes what is known of it. */
static value forward_operand(struct forward *w, value v) {
    v = ir_resolve(w->f, v);
    if (!forward_is_zero(w, v) || !pass_may(w->env))
        return v;
    w->changed = true;
    pass_count(w->env, "zeros", 1);
    return ir_const(w->f, 0);
}

static void forward_operands(struct forward *w, value v) {
    const struct op_info *info = &op_info[ir_at(w->f, v)->op];
    /* Making the constant may move the records: each is looked up anew. */
    if (info->a) {
        value a = forward_operand(w, ir_at(w->f, v)->a);
        ir_at(w->f, v)->a = a;
    }
    if (info->b) {
        value b = forward_operand(w, ir_at(w->f, v)->b);
        ir_at(w->f, v)->b = b;
    }
    if (info->c) {
        value c = forward_operand(w, ir_at(w->f, v)->c);
        ir_at(w->f, v)->c = c;
    }
}

static void forward_insn(struct forward *w, block b, value v) {
    if (ir_is(w->f, v, OP_PHI))
        return; /* its operands belong to the predecessors */
    forward_operands(w, v);
    switch ((int)ir_at(w->f, v)->op) {
    case OP_LOAD:
        forward_load(w, v);
        break;
    case OP_STORE:
        forward_store(w, v, b);
        break;
    case OP_SCAN:
        forward_scan(w, v);
        break;
    case OP_CALL:
        forward_call(w, v, b);
        break;
    default:
        if (ir_has(w->f, v, EFF_PURE))
            forward_pure(w, v);
        break;
    }
}

/* ---- ends of blocks ---- */

/* The outcome of b's br, if it is known; the cell it tests. */
static void forward_branch(struct forward *w, block b) {
    const struct block_data *d = ir_block(w->f, b);
    w->cut[b.i] = 0;
    w->tested[b.i] = 0;
    if (d->nsucc != 2)
        return;
    value cond = ir_resolve(w->f, ir_at(w->f, d->last)->a);
    bool not_zero = forward_is_not_zero(w, cond);
    if ((not_zero || ir_is_const(w->f, cond)) && pass_may(w->env)) {
        w->cut[b.i] = not_zero ? 2 : 1;
        w->cut_any = true;
        return;
    }
    uint32_t id = ir_is_const(w->f, cond) ? 0 : w->holder[cond.i];
    if (!id)
        return;
    value held = forward_lookup(w, id, &not_zero);
    if (held.i && same_value(held, cond))
        w->tested[b.i] = id;
}

/* Phi operands along the edges from b: what is known at its end, or by its condition. */
static void forward_phis(struct forward *w, block b) {
    struct func *f = w->f;
    const struct block_data *d = ir_block(f, b);
    value cond = d->nsucc == 2 ? ir_resolve(f, ir_at(f, d->last)->a) : NO_VALUE;
    for (unsigned n = 0; n < d->nsucc; n++) {
        unsigned slot = ir_pred_slot(f, b, d->succ[n]);
        IR_FOR_INSNS (f, d->succ[n], v) {
            if (!ir_is(f, v, OP_PHI))
                break;
            value was = ir_resolve(f, *ir_phi_operand(f, v, slot));
            bool zero = forward_is_zero(w, was) || (n == 1 && same_value(was, cond));
            if (!zero || ir_is_const(f, was) || !pass_may(w->env))
                continue;
            value is = ir_const(f, 0);
            *ir_phi_operand(f, v, slot) = is;
            w->changed = true;
            pass_count(w->env, "zeros", 1);
        }
    }
}

/* ---- merges ---- */

/* What is found looking back from the end of a block, which may not have been walked yet: its last
 * stores of constants, and the cell its br tests. */
struct endings {
    struct ending at[MAX_ENDINGS];
    unsigned n;
    uint32_t stored[MAX_ENDINGS]; /* cells stored to so far, looking back */
    unsigned nstored;
    value root; /* of those */
};

static bool endings_hides(const struct endings *e, uint32_t id) {
    for (unsigned i = 0; i < e->nstored; i++)
        if (e->stored[i] == id)
            return true;
    return false;
}

static void endings_add(struct endings *e, struct ending x) {
    if (e->n < MAX_ENDINGS)
        e->at[e->n++] = x;
}

/* What the outcome of a test says of the tested cell. */
static struct ending ending_of_test(struct forward *w, uint32_t id, bool on_zero) {
    return (struct ending){id, on_zero ? NOTHING_KNOWN : IS_NOT_ZERO, ir_const(w->f, 0)};
}

/* A store met looking back; false if the search ends here. */
static bool endings_store(struct forward *w, struct endings *e, const struct insn *in, uint32_t id,
                          value cond, bool on_zero) {
    value root = w->cells.at[id].root, v = ir_resolve(w->f, in->b);
    if (e->root.i && !same_value(root, e->root))
        return false;
    if (!endings_hides(e, id)) {
        if (ir_is_const(w->f, v))
            endings_add(e, (struct ending){id, NOTHING_KNOWN, v});
        else if (same_value(v, cond))
            endings_add(e, ending_of_test(w, id, on_zero));
    }
    e->root = root;
    if (e->nstored == MAX_ENDINGS)
        return false;
    e->stored[e->nstored++] = id;
    return true;
}

/* A load of the value b tests: on this edge its cell is 0, or is not. */
static void endings_load(struct forward *w, struct endings *e, uint32_t id, bool on_zero) {
    if (endings_hides(e, id) || (e->root.i && !same_value(w->cells.at[id].root, e->root)))
        return;
    endings_add(e, ending_of_test(w, id, on_zero));
}

/* Fills e with what holds on the edge from b to `to`. */
static void forward_endings(struct forward *w, block b, block to, struct endings *e) {
    struct func *f = w->f;
    const struct block_data *d = ir_block(f, b);
    bool on_zero = d->nsucc == 2 && same_block(d->succ[1], to);
    value cond = d->nsucc == 2 ? ir_resolve(f, ir_at(f, d->last)->a) : NO_VALUE;
    e->n = e->nstored = 0; /* the arrays need no clearing */
    e->root = NO_VALUE;
    if (w->tested[b.i])
        endings_add(e, ending_of_test(w, w->tested[b.i], on_zero));
    for (unsigned n = 0; n < w->kept[b.i].n; n++)
        endings_add(e, w->kept[b.i].at[n]);
    value at = d->last;
    for (unsigned n = 0; n < ENDING_STEPS && at.i && e->n < MAX_ENDINGS; n++, at = ir_prev(f, at)) {
        const struct insn *in = ir_at(f, at);
        if (ir_clobbers(f, at))
            break;
        if (in->op == OP_STORE) {
            if (!endings_store(w, e, in, cells_of(&w->cells, at), cond, on_zero))
                break;
        } else if (in->op == OP_LOAD && same_value(at, cond)) {
            endings_load(w, e, cells_of(&w->cells, at), on_zero);
        }
    }
    forward_cover(w);
}

static bool ending_matches(const struct ending *a, const struct ending *b) {
    return a->id == b->id && a->zero == b->zero && same_value(a->v, b->v);
}

/* A merge: what is known on each way in, and what follows for its head. */
struct merge {
    block b;
    bool live[2];
    struct endings way[2];
    struct ending both[MAX_MERGED];
    unsigned nboth;
};

static void merge_add(struct merge *m, const struct ending *x) {
    if (m->nboth < MAX_MERGED)
        m->both[m->nboth++] = *x;
}

/* Does ending x of one way also hold at the end of the other, `slot`? */
static bool merge_holds(struct forward *w, const struct merge *m, unsigned slot,
                        const struct ending *x) {
    const struct endings *e = &m->way[slot];
    if (!m->live[slot])
        return true;
    for (unsigned i = 0; i < e->n; i++)
        if (ending_matches(&e->at[i], x))
            return true;
    block p = ir_block(w->f, m->b)->pred[slot];
    if (!same_block(p, w->cfg.dom.idom[m->b.i]))
        return false;
    bool not_zero;
    value v = forward_lookup(w, x->id, &not_zero); /* the table is still as at the end of p */
    if (x->zero == IS_NOT_ZERO)
        return not_zero;
    return v.i && same_value(v, x->v);
}

static void merge_intersect(struct forward *w, struct merge *m) {
    for (unsigned s = 0; s < 2; s++) {
        if (!m->live[s])
            continue;
        for (unsigned i = 0; i < m->way[s].n; i++)
            if (merge_holds(w, m, 1 - s, &m->way[s].at[i]))
                merge_add(m, &m->way[s].at[i]);
    }
}

/* Pointer phi z: an ending of one way at the same distance from z's operand there as an ending of
 * the other way from z's operand here holds for z at that distance. */
static void merge_phi(struct forward *w, struct merge *m, value z) {
    const struct insn in = *ir_at(w->f, z);
    struct cell p[2] = {cells_address(&w->cells, in.a, 0), {NO_VALUE, 0}};
    if (in.b.i)
        p[1] = cells_address(&w->cells, in.b, 0);
    unsigned s = m->live[0] ? 0 : 1;
    for (unsigned i = 0; i < m->way[s].n; i++) {
        struct ending x = m->way[s].at[i];
        struct cell c = w->cells.at[x.id];
        if (!same_value(c.root, p[s].root))
            continue;
        int64_t off = cells_add(c.off, (int64_t)(0 - (uint64_t)p[s].off));
        if (m->live[1 - s]) {
            value other = s == 0 ? in.b : in.a;
            x.id = forward_id(w, other, off);
            if (!merge_holds(w, m, 1 - s, &x))
                continue;
        }
        x.id = forward_id(w, z, off);
        merge_add(m, &x);
    }
}

/* The stores on all ways from the immediate dominator to b. */
static struct span forward_between(struct forward *w, const struct merge *m) {
    struct span s = {.what = SPAN_NONE};
    block b = m->b, up = w->cfg.dom.idom[b.i];
    const struct block_data *d = ir_block(w->f, b);
    for (unsigned n = 0; n < d->npred; n++) {
        block p = d->pred[n];
        if (!m->live[n] || same_block(p, up))
            continue;
        if (cfg_dominates(&w->cfg.dom, b, p)) {
            span_join(&s, &w->of_loop[w->cfg.loops.of[b.i]]);
        } else if (w->cfg.rpo.pos[p.i] >= w->cfg.rpo.pos[b.i]) {
            s.what = SPAN_ANY; /* a cycle entered in two places */
        } else {
            span_join(&s, &w->span[domtree_child_above(&w->tree, up, p).i]);
        }
    }
    return s;
}

/* Is the edge from b's predecessor ever taken?  Those not walked yet belong to back edges. */
static bool forward_is_live_edge(const struct forward *w, block p, block b) {
    if (w->cfg.rpo.pos[p.i] == UINT32_MAX)
        return false;
    if (w->cfg.rpo.pos[p.i] >= w->cfg.rpo.pos[b.i])
        return true;
    const struct block_data *d = ir_block(w->f, p);
    return w->live[p.i] && !(w->cut[p.i] && same_block(d->succ[w->cut[p.i] - 1], b));
}

/* Works out what holds at the head of merge b: first from the table as it was at the end of the
 * immediate dominator, then with the stores in between taken off it. */
static void forward_merge(struct forward *w, struct merge *m) {
    struct func *f = w->f;
    merge_intersect(w, m);
    IR_FOR_INSNS (f, m->b, z) {
        if (!ir_is(f, z, OP_PHI))
            break;
        if (ir_at(f, z)->kind == KIND_PTR)
            merge_phi(w, m, z);
    }
    struct span between = forward_between(w, m);
    w->span[m->b.i] = between;
    forward_kill_span(w, &between);
    for (unsigned i = 0; i < m->nboth; i++) {
        const struct ending *x = &m->both[i];
        bool not_zero;
        value held = forward_lookup(w, x->id, &not_zero);
        if (held.i)
            continue; /* what is known already says more */
        forward_set(w, x->id, x->zero == IS_NOT_ZERO ? NOT_ZERO : HOLDS_VALUE, x->v);
        struct kept *k = &w->kept[m->b.i];
        if (k->n < MAX_KEPT)
            k->at[k->n++] = *x;
    }
}

/* At the end of b: drops what b's own stores made untrue. */
static void forward_keep(struct forward *w, block b) {
    struct kept *k = &w->kept[b.i];
    unsigned kept = 0;
    for (unsigned n = 0; n < k->n; n++) {
        struct ending x = k->at[n];
        bool not_zero;
        value v = forward_lookup(w, x.id, &not_zero);
        if (x.zero == IS_NOT_ZERO ? not_zero : v.i && same_value(v, x.v))
            k->at[kept++] = x;
    }
    k->n = kept;
}

/* Only one way leads into b: its phis are what they take from there. */
static void forward_take_phis(struct forward *w, block b, unsigned slot) {
    IR_FOR_INSNS_SAFE (w->f, b, v) {
        if (!ir_is(w->f, v, OP_PHI))
            break;
        value with = ir_resolve(w->f, *ir_phi_operand(w->f, v, slot));
        ir_replace(w->f, v, with);
    }
}

static bool forward_enter_merge(struct forward *w, block b) {
    struct merge m; /* its arrays need no clearing */
    m.b = b;
    m.nboth = 0;
    m.live[0] = m.live[1] = false;
    m.way[0].n = m.way[1].n = 0;
    const struct block_data *d = ir_block(w->f, b);
    bool entered = false;
    for (unsigned n = 0; n < d->npred; n++) {
        block p = d->pred[n];
        m.live[n] = forward_is_live_edge(w, p, b);
        entered |= m.live[n] && !cfg_dominates(&w->cfg.dom, b, p);
        if (m.live[n])
            forward_endings(w, p, b, &m.way[n]);
    }
    if (entered && m.live[0] != m.live[1])
        forward_take_phis(w, b, m.live[0] ? 0 : 1);
    if (entered)
        forward_merge(w, &m);
    return entered;
}

/* ---- the walk ---- */

/* The only way into b is an edge of a br: its condition is known from here on. */
static bool forward_enter_single(struct forward *w, block b) {
    block p = ir_block(w->f, b)->pred[0];
    const struct block_data *d = ir_block(w->f, p);
    if (!forward_is_live_edge(w, p, b))
        return false;
    if (d->nsucc != 2)
        return true;
    bool on_zero = same_block(d->succ[1], b);
    forward_learn(w, ir_resolve(w->f, ir_at(w->f, d->last)->a), on_zero ? IS_ZERO : IS_NOT_ZERO);
    if (w->tested[p.i])
        w->kept[b.i] = (struct kept){.at[0] = ending_of_test(w, w->tested[p.i], on_zero), .n = 1};
    return true;
}

/* Sets up what is known at the head of b; false if b is never reached. */
static bool forward_enter(struct forward *w, block b) {
    unsigned npred = ir_block(w->f, b)->npred;
    w->undo_at[b.i] = w->nundo;
    if (npred == 0)
        return true;
    w->now = w->end[w->cfg.dom.idom[b.i].i];
    return npred == 1 ? forward_enter_single(w, b) : forward_enter_merge(w, b);
}

static void forward_block(struct forward *w, block b) {
    w->live[b.i] = forward_enter(w, b);
    if (!w->live[b.i]) {
        domtree_skip(&w->tree);
        return;
    }
    IR_FOR_INSNS_SAFE (w->f, b, v)
        forward_insn(w, b, v);
    forward_branch(w, b);
    forward_phis(w, b);
    forward_keep(w, b);
    w->end[b.i] = w->now;
}

static void forward_leave(struct forward *w, block b) {
    while (w->nundo > w->undo_at[b.i]) {
        const struct forward_undo *u = &w->undo[--w->nundo];
        if (u->what == UNDO_FACT)
            w->fact[u->index] = u->fact;
        else
            w->known[u->index] = u->known;
    }
    block up = w->cfg.dom.idom[b.i];
    if (up.i)
        span_join(&w->span[up.i], &w->span[b.i]);
}

/* The stores of each loop, inner ones included. */
static void forward_sum_loops(struct forward *w) {
    for (uint32_t i = 0; i < w->cfg.rpo.n; i++) {
        block b = w->cfg.rpo.order[i];
        uint32_t l = w->cfg.loops.of[b.i];
        IR_FOR_INSNS (w->f, b, v) {
            const struct insn *in = ir_at(w->f, v);
            if (l && in->op == OP_STORE)
                span_add(&w->of_loop[l], cells_address(&w->cells, in->a, in->imm));
            else if (l && ir_clobbers(w->f, v))
                span_join(&w->of_loop[l], &span_any);
        }
    }
    for (uint32_t l = w->cfg.loops.nloop - 1; l > 0; l--)
        if (w->cfg.loops.loop[l].parent)
            span_join(&w->of_loop[w->cfg.loops.loop[l].parent], &w->of_loop[l]);
}

static void forward_cut_edges(struct forward *w) {
    for (uint32_t i = 0; i < w->cfg.rpo.n; i++) {
        block b = w->cfg.rpo.order[i];
        if (!w->live[b.i] || !w->cut[b.i])
            continue;
        ir_cut_edge(w->f, b, w->cut[b.i] - 1);
        pass_count(w->env, "branches", 1);
    }
    ir_drop_unreachable(w->f);
    IR_FOR_BLOCKS (w->f, b)
        block_absorb(w->f, b);
    w->changed = true;
}

static void forward_start(struct forward *w) {
    struct func *f = w->f;
    w->cfg = cfg_make(f);
    w->tree = domtree_make(f, &w->cfg.rpo, &w->cfg.dom);
    w->known = xcalloc(f->ninsn, sizeof *w->known);
    w->holder = xcalloc(f->ninsn, sizeof *w->holder);
    w->end = xcalloc(f->nblock, sizeof *w->end);
    w->span = xcalloc(f->nblock, sizeof *w->span);
    w->undo_at = xcalloc(f->nblock, sizeof *w->undo_at);
    w->tested = xcalloc(f->nblock, sizeof *w->tested);
    w->live = xcalloc(f->nblock, sizeof *w->live);
    w->kept = xcalloc(f->nblock, sizeof *w->kept);
    w->cut = xcalloc(f->nblock, sizeof *w->cut);
    w->of_loop = xcalloc(w->cfg.loops.nloop, sizeof *w->of_loop);
    w->now = (struct memory){.lo = 1, .hi = 0};
    cells_init(&w->cells, f);
    cells_expect_all(&w->cells);
    forward_sum_loops(w);
}

static void forward_finish(struct forward *w) {
    domtree_free(&w->tree);
    cfg_free(&w->cfg);
    cells_free(&w->cells);
    xfree(w->fact);
    xfree(w->known);
    xfree(w->holder);
    xfree(w->undo);
    xfree(w->end);
    xfree(w->span);
    xfree(w->undo_at);
    xfree(w->tested);
    xfree(w->live);
    xfree(w->kept);
    xfree(w->cut);
    xfree(w->of_loop);
}

/* A loop is walked as a loop before its end tells that it never goes back: what held before it then
 * holds in it, too, which is left to the next time the pass runs. */
bool pass_forward(struct func *f, struct pass_env *env) {
    struct forward w = {.f = f, .env = env};
    forward_start(&w);
    while (domtree_next(&w.tree)) {
        if (w.tree.leaving)
            forward_leave(&w, w.tree.at);
        else
            forward_block(&w, w.tree.at);
    }
    if (w.cut_any)
        forward_cut_edges(&w);
    forward_finish(&w);
    return w.changed;
}
