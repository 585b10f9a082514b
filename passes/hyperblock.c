/* hyperblock.c: two ways through an iteration that differ in what they store become one.
 *
 *   b2: %2 = phi b1 %1, b7 %9            b2: %2 = phi b1 %1, b7 %9
 *       %3 = load %2 - 1                     %3 = load %2 - 1
 *       br %3, b3, b4                        %4 = load %2 + 3
 *   b3: %4 = load %2 + 3                     %5 = load %2 + 4
 *       br %4, b8, b5                        %10 = select %3, %4, 0
 *   b4: store %2, 1                =>        br %10, b9, b10
 *       jmp b7                           b10: store %2, 1
 *   b5: %5 = load %2 + 4                     %6 = add %5, 1
 *       %6 = add %5, 1                       %11 = select %3, %6, %5
 *       store %2, 1                          store %2 + 4, %11
 *       store %2 + 4, %6                     jmp b7
 *       jmp b7                           b9: br %3, b3, b4       as before
 *   b7: %9 = move %2 - 4; jmp b2
 *
 * A program that counts in digits carries into the next one half of the time, or of the bits of a
 * number tests one after the other: the processor loses a guess in every other iteration.  Where
 * the shortest ways on both sides of such a test, which begins an iteration, come back to it
 * without more than a few loads, tests and stores, both are computed and the stores choose.  Tests
 * that only one of them makes count only if it is taken; if one fails the iteration goes the old
 * ways, for nothing was stored yet.  (Of the ways that thread's tree has, the shortest are the
 * likeliest.  In other loops they may seldom be gone, and the tests are made for nothing.)
 *
 * (A region of one entry and several ends, its ways chosen by predicates: Mahlke, Lin, Chen, Hank &
 * Bringmann, "Effective compiler support for predicated execution using the hyperblock", MICRO
 * 1992.)
 *
 * Traps: what a way accesses that the other one does not must be known to be on the tape when the
 * iteration begins (bounds.h), but for the last test, if both make it.  An error of what both do
 * names the position of one.
 *
 * Relies on trees made by thread, cleaned up.  Linear: ways are followed within fixed bounds.
 * Tests: tests/ir/hyperblock. */
#include "passes/bounds.h"
#include "passes/cells.h"
#include "passes/pass.h"
#include "runtime/alloc.h"

#define MAX_SEEN    16 /* blocks looked at for a way */
#define MAX_EMPTY   16 /* blocks that do nothing, in a row */
#define MAX_TESTS   6  /* of a way, */
#define MAX_INSNS   16 /* and instructions, */
#define MAX_STORES  6  /* stores among them */
#define MAX_EARLY   4  /* tests that only one of both makes, */
#define MAX_CHOICES 3  /* and cells whose contents are chosen */

/* A way from the first test back to the loop's head. */
struct way_back {
    block test[MAX_TESTS]; /* blocks that end in a br */
    bool zero[MAX_TESTS];  /* the side taken there */
    unsigned ntest;
    block leaf;
    value insn[MAX_INSNS]; /* of all its blocks, but for stores and the ends */
    unsigned ninsn;
    struct {
        int64_t off;
        value v;
        uint32_t src;
    } store[MAX_STORES];
    unsigned nstore;
};

struct hyperblock {
    struct func *f;
    struct pass_env *env;
    struct cells cells;
    struct bounds *known; /* while blocks are looked at: what is at the end of top */
    struct found {
        block top, join;
    } * found; /* loops that qualify */
    uint32_t nfound, found_cap;
    /* The loop at hand. */
    block top, join;
    value cond, root;
    struct way_back way[2]; /* by cond: if it is not 0, and if it is */
    bool shared;            /* both end in the same test */
    /* While it is written. */
    block last, fail[2 * MAX_TESTS];
    unsigned nfail;
    struct {
        value of, is;
    } copy[2 * MAX_INSNS];
    unsigned ncopy;
};

/* ---- the ways ---- */

/* The cell that a load or store accesses, from the root. */
static int64_t offset_of(struct hyperblock *h, value access) {
    const struct insn *in = ir_at(h->f, access);
    return cells_address(&h->cells, in->a, in->imm).off;
}

/* Can the block be a test or the end of a way?  Only an end may store: where a test behind it
 * fails, nothing must have changed. */
static bool may_follow(struct hyperblock *h, block b) {
    const struct block_data *d = ir_block(h->f, b);
    if (d->npred != 1 || d->nsucc == 0)
        return false;
    IR_FOR_INSNS (h->f, b, v) {
        const struct insn *in = ir_at(h->f, v);
        bool end = in->op == OP_BR || in->op == OP_JMP;
        bool access = in->op == OP_LOAD || (in->op == OP_STORE && d->nsucc == 1);
        if (!end && !access && (!ir_has(h->f, v, EFF_PURE) || in->op == OP_PHI))
            return false;
        if (access && !same_value(cells_address(&h->cells, in->a, in->imm).root, h->root))
            return false;
    }
    return true;
}

/* Where a jump from b leads, over blocks that do nothing, but not over the join; *from: the last of
 * those, or b. */
static block destination(struct hyperblock *h, block b, block *from) {
    block to = ir_block(h->f, b)->succ[0];
    *from = b;
    for (unsigned n = 0; n < MAX_EMPTY && !same_block(to, h->join); n++) {
        value end = ir_terminator(h->f, to);
        if (!same_value(ir_block(h->f, to)->first, end) || !ir_is(h->f, end, OP_JMP))
            break;
        *from = to;
        to = ir_block(h->f, to)->succ[0];
    }
    return to;
}

/* The end nearest to b; sets parents of the blocks seen.  -1: there is none. */
static int nearest_leaf(struct hyperblock *h, block b, block seen[MAX_SEEN],
                        unsigned parent[MAX_SEEN]) {
    unsigned n = 1;
    seen[0] = b;
    parent[0] = 0;
    for (unsigned i = 0; i < n; i++) {
        if (!may_follow(h, seen[i]))
            continue;
        const struct block_data *d = ir_block(h->f, seen[i]);
        if (d->nsucc == 1) {
            block from;
            if (same_block(destination(h, seen[i], &from), h->join))
                return (int)i;
            continue;
        }
        for (unsigned k = 0; k < d->nsucc && n < MAX_SEEN; k++) {
            seen[n] = d->succ[k];
            parent[n++] = i;
        }
    }
    return -1;
}

static bool add_store(struct hyperblock *h, struct way_back *w, value v) {
    const struct insn *in = ir_at(h->f, v);
    int64_t off = offset_of(h, v);
    unsigned i = 0;
    while (i < w->nstore && w->store[i].off != off)
        i++;
    if (i == MAX_STORES)
        return false;
    w->store[i].off = off;
    w->store[i].v = ir_resolve(h->f, in->b);
    w->store[i].src = in->src;
    w->nstore += i == w->nstore;
    return true;
}

static bool add_block(struct hyperblock *h, struct way_back *w, block b) {
    IR_FOR_INSNS (h->f, b, v) {
        const struct insn *in = ir_at(h->f, v);
        if (in->op == OP_BR || in->op == OP_JMP)
            break;
        if (in->op == OP_STORE) {
            if (!add_store(h, w, v))
                return false;
            continue;
        }
        /* Stores come last in what is made of it; cells of one root differ by their offsets. */
        for (unsigned i = 0; in->op == OP_LOAD && i < w->nstore; i++)
            if (w->store[i].off == offset_of(h, v))
                return false;
        if (w->ninsn == MAX_INSNS)
            return false;
        w->insn[w->ninsn++] = v;
    }
    return true;
}

/* The shortest way from b back to the head. */
static bool find_way(struct hyperblock *h, struct way_back *w, block b) {
    block seen[MAX_SEEN];
    unsigned parent[MAX_SEEN], path[MAX_SEEN], n = 0;
    int leaf = nearest_leaf(h, b, seen, parent);
    if (leaf < 0)
        return false;
    *w = (struct way_back){.leaf = seen[leaf]};
    for (unsigned i = (unsigned)leaf; i != 0; i = parent[i])
        path[n++] = i;
    if (n > MAX_TESTS)
        return false;
    unsigned at = 0;
    while (n > 0) {
        unsigned next = path[--n];
        w->test[w->ntest] = seen[at];
        w->zero[w->ntest++] = same_block(ir_block(h->f, seen[at])->succ[1], seen[next]);
        if (!add_block(h, w, seen[at]))
            return false;
        at = next;
    }
    return add_block(h, w, w->leaf);
}

/* ---- does it pay, and is it safe? ---- */

static value test_of(struct hyperblock *h, const struct way_back *w, unsigned n) {
    return ir_resolve(h->f, ir_at(h->f, ir_terminator(h->f, w->test[n]))->a);
}

/* The offset that the way's last test loads and looks at; false: it is another kind of test. */
static bool last_load(struct hyperblock *h, const struct way_back *w, int64_t *off) {
    if (w->ntest == 0)
        return false;
    value v = test_of(h, w, w->ntest - 1);
    if (!ir_is(h->f, v, OP_LOAD) || !same_block(ir_home(h->f, v), w->test[w->ntest - 1]))
        return false;
    *off = offset_of(h, v);
    return true;
}

static bool shares_last_test(struct hyperblock *h) {
    const struct way_back *a = &h->way[0], *b = &h->way[1];
    int64_t at[2];
    return last_load(h, a, &at[0]) && last_load(h, b, &at[1]) && at[0] == at[1] &&
           a->zero[a->ntest - 1] == b->zero[b->ntest - 1];
}

static bool is_known(struct hyperblock *h, int64_t off) {
    return bounds_knows(h->known, h->root, off, off);
}

static bool loads_are_safe(struct hyperblock *h, const struct way_back *w) {
    value late = h->shared ? test_of(h, w, w->ntest - 1) : NO_VALUE;
    for (unsigned i = 0; i < w->ninsn; i++)
        if (ir_is(h->f, w->insn[i], OP_LOAD) && !same_value(w->insn[i], late) &&
            !is_known(h, offset_of(h, w->insn[i])))
            return false;
    return true;
}

static int store_at(const struct way_back *w, int64_t off) {
    for (unsigned i = 0; i < w->nstore; i++)
        if (w->store[i].off == off)
            return (int)i;
    return -1;
}

static unsigned count_choices(const struct way_back *a, const struct way_back *b) {
    unsigned n = 0;
    for (unsigned i = 0; i < a->nstore; i++) {
        int k = store_at(b, a->store[i].off);
        n += k < 0 || !same_value(a->store[i].v, b->store[k].v);
    }
    for (unsigned i = 0; i < b->nstore; i++)
        n += store_at(a, b->store[i].off) < 0;
    return n;
}

static bool stores_are_safe(struct hyperblock *h, const struct way_back *w,
                            const struct way_back *other) {
    for (unsigned i = 0; i < w->nstore; i++)
        if (store_at(other, w->store[i].off) < 0 && !is_known(h, w->store[i].off))
            return false;
    return true;
}

/* Do the join's phis take the same from both ways? */
static bool phis_agree(struct hyperblock *h) {
    block from[2];
    for (unsigned k = 0; k < 2; k++)
        destination(h, h->way[k].leaf, &from[k]);
    IR_FOR_INSNS (h->f, h->join, v) {
        if (!ir_is(h->f, v, OP_PHI))
            break;
        value x = *ir_phi_operand(h->f, v, ir_pred_slot(h->f, from[0], h->join));
        value y = *ir_phi_operand(h->f, v, ir_pred_slot(h->f, from[1], h->join));
        if (!same_value(ir_resolve(h->f, x), ir_resolve(h->f, y)))
            return false;
    }
    return true;
}

/* The phi of the pointer, and the condition, of a block that may be a loop's head. */
static bool begin(struct hyperblock *h, block top) {
    struct func *f = h->f;
    const struct block_data *d = ir_block(f, top);
    h->top = top;
    h->root = NO_VALUE;
    if (d->npred != 2 || d->nsucc != 2)
        return false;
    IR_FOR_INSNS (f, top, v) {
        if (!ir_is(f, v, OP_PHI))
            break;
        if (ir_at(f, v)->kind == KIND_PTR)
            h->root = v;
    }
    h->cond = ir_resolve(f, ir_at(f, ir_terminator(f, top))->a);
    return h->root.i != 0;
}

/* Do both sides have a way to `join`, from which only the head is left to go to?  (It may be what
 * stands before the head of a loop around.) */
static bool find_ways(struct hyperblock *h, block join) {
    const struct block_data *d = ir_block(h->f, h->top), *j = ir_block(h->f, join);
    h->join = join;
    if (j->nsucc != 1 || j->npred != 2 || !find_way(h, &h->way[0], d->succ[0]) ||
        !find_way(h, &h->way[1], d->succ[1]))
        return false;
    h->shared = shares_last_test(h);
    return true;
}

static bool qualifies(struct hyperblock *h) {
    struct way_back *a = &h->way[0], *b = &h->way[1];
    unsigned early = a->ntest + b->ntest - 2 * h->shared;
    /* Without a test, there is no way to fall back to. */
    return early + h->shared > 0 && early <= MAX_EARLY && count_choices(a, b) <= MAX_CHOICES &&
           phis_agree(h) && loads_are_safe(h, a) && loads_are_safe(h, b) &&
           stores_are_safe(h, a, b) && stores_are_safe(h, b, a);
}

static void look(void *context, struct bounds *known, block b) {
    struct hyperblock *h = context;
    h->known = known;
    for (unsigned n = 0; begin(h, b) && n < 2; n++) {
        block join = ir_block(h->f, b)->pred[n];
        if (!find_ways(h, join) || !qualifies(h))
            continue;
        h->found = xgrow(h->found, &h->found_cap, (uint64_t)h->nfound + 1, sizeof *h->found);
        h->found[h->nfound++] = (struct found){b, join};
        return;
    }
}

/* ---- rewriting ---- */

static value copy_of(const struct hyperblock *h, value v) {
    for (unsigned i = 0; i < h->ncopy; i++)
        if (same_value(h->copy[i].of, v))
            return h->copy[i].is;
    return v;
}

static void copy_insn(struct hyperblock *h, value v) {
    struct func *f = h->f;
    value is = ir_append_copy(f, h->last, v);
    for (unsigned n = 0; n < IR_MAX_OPERANDS; n++) {
        value *o = ir_operand(f, is, n);
        if (o != NULL)
            *o = copy_of(h, ir_resolve(f, *o));
    }
    h->copy[h->ncopy].of = v;
    h->copy[h->ncopy++].is = is;
}

/* The way's instructions in a block that are not there yet. */
static void copy_block(struct hyperblock *h, const struct way_back *w, block b) {
    for (unsigned i = 0; i < w->ninsn; i++)
        if (same_block(ir_home(h->f, w->insn[i]), b) &&
            same_value(copy_of(h, w->insn[i]), w->insn[i]))
            copy_insn(h, w->insn[i]);
}

/* Goes on in a new block if v is, or is not, 0. */
static void test(struct hyperblock *h, value v, bool zero) {
    block go_on = ir_block_new(h->f, h->last), fail = ir_block_new(h->f, go_on);
    ir_br(h->f, h->last, v, zero ? fail : go_on, zero ? go_on : fail, NO_SRC);
    h->fail[h->nfail++] = fail;
    h->last = go_on;
}

static value choose(struct hyperblock *h, value not_zero, value zero) {
    if (same_value(not_zero, zero))
        return zero;
    value s = ir_append(h->f, h->last, OP_SELECT, h->cond, not_zero, 0, NO_SRC);
    ir_at(h->f, s)->c = zero;
    return s;
}

/* Does the test fail for one number only?  Then it may as well be made on both ways: where it
 * fails, the old ones are right whatever the condition is. */
static bool fails_rarely(struct hyperblock *h, value v, bool zero) {
    const struct insn *in = ir_at(h->f, v);
    return in->op == OP_ADD && ir_is_const(h->f, in->b) && !zero;
}

/* The tests of a way count if it is the one. */
static void test_way(struct hyperblock *h, unsigned k) {
    const struct way_back *w = &h->way[k];
    for (unsigned n = 0; n + h->shared < w->ntest; n++) {
        value v = copy_of(h, test_of(h, w, n)), pass = ir_const(h->f, w->zero[n] ? 0 : 1);
        if (!fails_rarely(h, v, w->zero[n]))
            v = k == 0 ? choose(h, v, pass) : choose(h, pass, v);
        test(h, v, w->zero[n]);
    }
}

/* A cell as it was. */
static value old_content(struct hyperblock *h, int64_t off, uint32_t src) {
    for (unsigned i = 0; i < h->ncopy; i++)
        if (ir_is(h->f, h->copy[i].is, OP_LOAD) && offset_of(h, h->copy[i].is) == off)
            return h->copy[i].is;
    return ir_append(h->f, h->last, OP_LOAD, h->root, NO_VALUE, off, src);
}

/* What the way leaves in a cell. */
static value left_by(struct hyperblock *h, const struct way_back *w, int64_t off, uint32_t src) {
    int i = store_at(w, off);
    return i >= 0 ? copy_of(h, w->store[i].v) : old_content(h, off, src);
}

static void store_both(struct hyperblock *h) {
    struct {
        int64_t off;
        uint32_t src;
        value v;
    } all[2 * MAX_STORES];
    unsigned n = 0;
    for (unsigned k = 0; k < 2; k++) {
        const struct way_back *w = &h->way[k];
        for (unsigned i = 0; i < w->nstore; i++) {
            if (k == 1 && store_at(&h->way[0], w->store[i].off) >= 0)
                continue;
            all[n].off = w->store[i].off;
            all[n++].src = w->store[i].src;
        }
    }
    for (unsigned i = 0; i < n; i++) {
        value a = left_by(h, &h->way[0], all[i].off, all[i].src);
        value b = left_by(h, &h->way[1], all[i].off, all[i].src);
        all[i].v = choose(h, a, b);
    }
    for (unsigned i = 0; i < n; i++)
        ir_append(h->f, h->last, OP_STORE, h->root, all[i].v, all[i].off, all[i].src);
}

/* Leads the tests that failed to the old ways. */
static void fall_back(struct hyperblock *h, block old) {
    while (h->nfail > 1) {
        block join = ir_block_new(h->f, h->last);
        ir_jmp(h->f, h->fail[h->nfail - 2], join, NO_SRC);
        ir_jmp(h->f, h->fail[h->nfail - 1], join, NO_SRC);
        h->fail[--h->nfail - 1] = join;
    }
    ir_jmp(h->f, h->fail[0], old, NO_SRC);
}

/* The last test of both ways, with the blocks it stands in. */
static void test_both(struct hyperblock *h) {
    const struct way_back *a = &h->way[0], *b = &h->way[1];
    copy_block(h, a, a->test[a->ntest - 1]);
    value v = copy_of(h, test_of(h, a, a->ntest - 1));
    h->copy[h->ncopy].of = test_of(h, b, b->ntest - 1);
    h->copy[h->ncopy++].is = v;
    copy_block(h, b, b->test[b->ntest - 1]);
    test(h, v, a->zero[a->ntest - 1]);
}

static void merge_ways(struct hyperblock *h) {
    struct func *f = h->f;
    block old = ir_split_block(f, ir_terminator(f, h->top));
    h->ncopy = h->nfail = 0;
    h->last = ir_block_new(f, h->top);
    ir_redirect(f, h->top, 0, h->last);
    for (unsigned k = 0; k < 2; k++)
        for (unsigned n = 0; n + h->shared < h->way[k].ntest; n++)
            copy_block(h, &h->way[k], h->way[k].test[n]);
    test_way(h, 0);
    test_way(h, 1);
    if (h->shared)
        test_both(h);
    for (unsigned k = 0; k < 2; k++)
        copy_block(h, &h->way[k], h->way[k].leaf);
    store_both(h);
    block in = ir_split_edge(f, h->way[0].leaf, 0);
    ir_jmp(f, h->last, in, NO_SRC);
    fall_back(h, old);
    pass_count(h->env, "loops", 1);
}

bool pass_hyperblock(struct func *f, struct pass_env *env) {
    struct hyperblock *h = xcalloc(1, sizeof *h);
    h->f = f;
    h->env = env;
    cells_init(&h->cells, f);
    bounds_at_ends(f, look, h);
    bool changed = false;
    for (uint32_t i = 0; i < h->nfound && pass_may(env); i++) {
        begin(h, h->found[i].top);
        find_ways(h, h->found[i].join);
        merge_ways(h);
        changed = true;
    }
    cells_free(&h->cells);
    xfree(h->found);
    xfree(h);
    return changed;
}
