/* thread.c: short walks inside a loop become ways of their own, on which the rest is known.
 *
 *   h: %2 = phi b1 %1, b5 %9        h: ...             the first iteration, and any others
 *      %3 = scan %2 + 3, step 2     b5: br %8, t, b6
 *      store %3 + 3, 1          =>  t: %20 = phi b5 %9, t2 %20, ...
 *      ... back again over the          %21 = load %20 + 3
 *      cells it passed:                 br %21, t3, t2
 *   b4: store %7, %6 - 1            t2: store %20 + 3, 1             no round
 *      %7 = move ... - 2                jmp t
 *      br ..., b4, b5               t3: %22 = load %20 + 5           one round, or more
 *   b5: ... br %8, h, b6                br %22, t5, t4
 *                                   t4: store %20 + 5, 1
 *                                       store %20 + 3, %21 - 1  ...  and one back
 *
 * A program that counts or carries walks to a place nearby, does something, and comes back: walks
 * of no, one or two rounds, each test of which the processor has to guess.  How long the way out
 * was says how long the way back is, which cells are 0 and which are not, and where the pointer is:
 * all of it, once the code is not shared by ways of different lengths.  So an iteration becomes a
 * tree of the decisions that are not known, each way through it straight code.
 *
 * Where iterations end at the pointer they started with, a way goes on through the next ones, as
 * long as the tree has room: a digit that was just set to 0 or 1 need not be asked for again, and
 * what several iterations leave behind is stored once.  Such a way ends with the last iteration
 * that the tree followed to its end.
 *
 * The tree grows where an iteration most likely goes, if each decision is a coin toss, up to a
 * bound, if its first ways look promising: they are likely, and know the outcome of some test. Ways
 * that are not in it are left to the old loop, which starts the iteration over: nothing is stored
 * before a way is known to end in another iteration.  When that has happened a few times in a row
 * the tree is not asked any more until the loop is entered again.  (Jump threading over a whole
 * iteration; tail duplication along the likely ways is Havanki, Banerjia & Conte, "Treegion
 * scheduling", HPCA 1998.)
 *
 * Traps: each way loads only what the old code accesses on that way, and no output is on any.
 *
 * Relies on: rotated loops.  Linear: each loop is followed within fixed bounds.
 * Tests: tests/ir/thread. */
#include <string.h>

#include "passes/explore.h"
#include "passes/pass.h"
#include "runtime/alloc.h"

#define TRIAL     12                 /* decisions that show whether a tree is worth it */
#define DECISIONS 40                 /* of one that is */
#define ROUNDS    8                  /* iterations that may follow each other on a way, */
#define LARGEST   160                /* decisions, of a tree that gains by them */
#define NODES     (2 * LARGEST + 1)  /* ways, and their beginnings */
#define RESERVE   1000               /* steps that are left to other loops' trials */
#define CERTAIN   (1U << 20)         /* the weight of all ways together */
#define LONGER    (CERTAIN / 32)     /* rounds by which a larger tree has to do more, */
#define LIKELIER  (CERTAIN / 128)    /* if its ways are one round */
#define TRIES     8                  /* that may fail in a row */

/* A beginning of ways; or a way, if nothing more is to be decided. */
struct twig {
    enum { UNSEEN, FORK, WAY, LATER, DEAD } state; /* LATER: a fork there is no room for */
    uint32_t weight;
    unsigned parent; /* itself: none */
    bool zero;       /* the parent's condition, on this side */
    unsigned side[2];
    node cond;
    struct way way;
    struct way whole;        /* up to the end of an iteration */
    node next[EXPLORE_PHIS]; /* the head's phis there, of cells, in order */
};

/* An edge that leaves the tree. */
struct leaving {
    block from;
    value next[EXPLORE_PHIS];
};

struct thread {
    struct func *f;
    struct pass_env *env;
    struct cfg cfg;
    struct cells cells;
    struct explore e;
    bool *nests; /* per loop: there are loops in the loops inside it */
    bool *outer; /* there are loops inside it */
    bool *walks; /* and one of them moves the pointer */
    bool *taken; /* it, or one around it, has a tree */
    bool changed;

    /* The loop at hand. */
    struct twig *twig; /* NODES */
    unsigned ntwig;
    value phi[EXPLORE_PHIS]; /* of the head */
    unsigned nphi;
    /* Its tree. */
    block top, last;
    value is[EXPLORE_PHIS]; /* the phis of its head */
    value root, tries;
    value *made; /* per expression: its value on this way */
    uint32_t *log, nlog;
    bool *needed;
    uint32_t made_cap, log_cap, needed_cap;
    struct leaving again[NODES], fail[NODES];
    unsigned nagain, nfail;
};

/* ---- growing the tree ---- */

static unsigned add_twig(struct thread *t, unsigned parent, bool zero, uint32_t weight) {
    t->twig[t->ntwig].state = UNSEEN;
    t->twig[t->ntwig].parent = parent;
    t->twig[t->ntwig].zero = zero;
    t->twig[t->ntwig].weight = weight;
    t->twig[t->ntwig].whole.rounds = 0;
    return t->ntwig++;
}

/* Follows the code from a twig on to the next decision; room: for twigs. */
static bool see_twig(struct thread *t, unsigned n, unsigned room) {
    struct twig *k = &t->twig[n];
    bool side[EXPLORE_FORKS];
    unsigned depth = 0;
    for (unsigned i = n; t->twig[i].parent != i; i = t->twig[i].parent)
        depth++;
    for (unsigned i = n, d = depth; d > 0; i = t->twig[i].parent)
        side[--d] = t->twig[i].zero;
    if (!explore_upto(&t->e, &k->way, side, depth))
        return false;
    k->state = !k->way.dead ? WAY : k->way.open ? FORK : DEAD;
    k->whole = t->e.whole;
    memcpy(k->next, t->e.whole_next, t->nphi * sizeof *k->next);
    if (k->state != FORK)
        return true;
    if (t->ntwig + 2 > room) {
        k->state = LATER;
        return true;
    }
    k->cond = k->way.decision[k->way.ndecision - 1].cond;
    k->side[0] = add_twig(t, n, false, k->weight / 2);
    k->side[1] = add_twig(t, n, true, k->weight / 2);
    return true;
}

/* The likeliest twig that was not seen; -1: none. */
static int likeliest(const struct thread *t) {
    int best = -1;
    for (unsigned i = 0; i < t->ntwig; i++)
        if (t->twig[i].state == UNSEEN && (best < 0 || t->twig[i].weight > t->twig[best].weight))
            best = (int)i;
    return best;
}

/* How far the pointer moves on most ways. */
static int64_t usual_move(const struct thread *t) {
    int64_t usual = 0;
    uint64_t most = 0;
    for (unsigned i = 0; i < t->ntwig; i++) {
        uint64_t like = 0;
        for (unsigned j = 0; j < t->ntwig; j++)
            if (t->twig[i].state == WAY && t->twig[j].state == WAY &&
                t->twig[i].way.delta == t->twig[j].way.delta)
                like += t->twig[j].weight;
        if (like > most) {
            most = like;
            usual = t->twig[i].way.delta;
        }
    }
    return usual;
}

/* What the tree did not follow to the end of an iteration ends with the one before. */
static void cut_back(struct thread *t) {
    for (unsigned i = t->ntwig; i-- > 0;) {
        struct twig *k = &t->twig[i];
        if (k->state == UNSEEN || k->state == LATER || k->state == DEAD)
            k->state = k->whole.rounds > 0 ? WAY : DEAD;
        if (k->state != FORK)
            continue;
        const struct twig *yes = &t->twig[k->side[0]], *no = &t->twig[k->side[1]];
        if (yes->state == DEAD && no->state == DEAD)
            k->state = DEAD;
        else if (yes->state == WAY && no->state == WAY && k->whole.rounds > 0 &&
                 yes->whole.rounds == k->whole.rounds && no->whole.rounds == k->whole.rounds)
            k->state = WAY;
    }
}

/* Lists the head's phis; false if there are too many. */
static bool list_phis(struct thread *t) {
    t->nphi = 0;
    IR_FOR_INSNS (t->f, t->e.head, v) {
        if (!ir_is(t->f, v, OP_PHI))
            break;
        if (t->nphi == EXPLORE_PHIS)
            return false;
        t->phi[t->nphi++] = v;
    }
    return true;
}

static bool grow(struct thread *t, unsigned decisions) {
    for (unsigned i = 0; i < t->ntwig; i++)
        if (t->twig[i].state == LATER)
            t->twig[i].state = UNSEEN;
    for (int n = likeliest(t); n >= 0 && t->e.steps > RESERVE; n = likeliest(t))
        if (!see_twig(t, (unsigned)n, 2 * decisions + 1))
            return false;
    return true;
}

/* Ways enough that a good part of all iterations may find theirs, and a test on each that need not
 * be made any more.  (That no way leaves the loop only loops without end promise.) */
static bool pays(struct thread *t) {
    int64_t usual = usual_move(t);
    uint64_t weight = 0, known = 0;
    bool leaves = false;
    for (unsigned i = 0; i < t->ntwig; i++) {
        const struct twig *k = &t->twig[i];
        leaves |= k->state != WAY && k->state != FORK;
        if (k->state == WAY && k->way.delta == usual) {
            weight += k->weight;
            known += (uint64_t)k->weight * k->way.known;
        }
    }
    return leaves && weight > CERTAIN / 8 && known >= weight;
}

static void plant(struct thread *t, unsigned rounds) {
    t->e.rounds = rounds;
    if (!t->twig)
        t->twig = xalloc(NODES, sizeof *t->twig);
    t->ntwig = 0;
    add_twig(t, 0, false, CERTAIN);
}

/* How many iterations the tree does at once, by the coins; one is CERTAIN.  Where ways are one
 * iteration, how many iterations have a way. */
static uint64_t count_rounds(const struct thread *t) {
    uint64_t n = 0;
    for (unsigned i = 0; i < t->ntwig; i++)
        if (t->twig[i].state != FORK)
            n += (uint64_t)t->twig[i].weight * t->twig[i].whole.rounds;
    return n;
}

/* A larger tree, as long as that makes ways longer or gives more iterations one. */
static bool grow_while_it_pays(struct thread *t) {
    uint64_t before, now = 0, gain = t->e.rounds > 1 ? LONGER : LIKELIER;
    unsigned n = DECISIONS / 2;
    do {
        before = now;
        if (!grow(t, n))
            return false;
        now = count_rounds(t);
        n += n < DECISIONS ? DECISIONS / 2 : DECISIONS;
    } while (n <= LARGEST && now >= before + gain);
    return true;
}

/* Does the tree have an end of this kind? */
static bool has_end(const struct thread *t, int state) {
    for (unsigned i = 0; i < t->ntwig; i++) {
        unsigned n = i;
        while (t->twig[n].parent != n && t->twig[t->twig[n].parent].state == FORK)
            n = t->twig[n].parent;
        if ((int)t->twig[i].state == state && t->twig[n].parent == n)
            return true;
    }
    return false;
}

static bool make_tree(struct thread *t) {
    t->e.even = false;
    plant(t, 1);
    if (!list_phis(t) || !grow(t, TRIAL) || !pays(t))
        return false;
    /* A loop whose pointer moves by the same distance in each iteration is a better one. */
    t->e.even = true;
    t->e.step = usual_move(t);
    plant(t, t->e.step == 0 ? ROUNDS : 1);
    if (!grow_while_it_pays(t))
        return false;
    cut_back(t);
    /* Where no way fails the loop has no end, as may show only when the tree is large. */
    return has_end(t, WAY) && has_end(t, DEAD);
}

/* ---- values ---- */

static uint32_t src_of(const struct way *w, int64_t off) {
    for (unsigned i = 0; i < w->ncell; i++)
        if (w->cell[i].off == off)
            return w->cell[i].src;
    return NO_SRC;
}

static void make_value(struct thread *t, const struct way *w, block b, node n) {
    const struct expr x = *expr_at(&t->e.x, n);
    value v = {(uint32_t)x.imm};
    if (x.op == OP_CONST) {
        v = ir_const(t->f, (uint64_t)x.imm);
    } else if (x.op == OP_LOAD) {
        v = ir_append(t->f, b, OP_LOAD, t->root, NO_VALUE, x.imm, src_of(w, x.imm));
    } else if (x.op != OP_COPY) {
        v = ir_append(t->f, b, (enum op)x.op, t->made[x.a.i], x.b.i ? t->made[x.b.i] : NO_VALUE, 0,
                      NO_SRC);
        if (x.c.i)
            ir_at(t->f, v)->c = t->made[x.c.i];
    }
    t->made[n.i] = v;
    t->log[t->nlog++] = n.i;
}

/* Makes the needed expressions that are not made yet, at the end of b. */
static void make_needed(struct thread *t, const struct way *w, block b, uint32_t last) {
    for (uint32_t i = last; i > 0; i--) {
        const struct expr *x = &t->e.x.at[i];
        t->needed[i] &= !t->made[i].i;
        if (t->needed[i] && x->op != OP_CONST && x->op != OP_LOAD && x->op != OP_COPY) {
            t->needed[x->a.i] = true;
            t->needed[x->b.i] = true;
            t->needed[x->c.i] = true;
        }
    }
    for (uint32_t i = 1; i <= last; i++) {
        if (t->needed[i])
            make_value(t, w, b, (node){i});
        t->needed[i] = false;
    }
}

/* Forgets what was made since the log had n entries. */
static void unmake(struct thread *t, uint32_t n) {
    while (t->nlog > n)
        t->made[t->log[--t->nlog]] = NO_VALUE;
}

/* ---- the code of the tree ---- */

static bool is_stored(struct thread *t, const struct way_cell *c) {
    const struct expr *x = expr_at(&t->e.x, c->now);
    return x->op != OP_LOAD || x->imm != c->off;
}

static void write_way(struct thread *t, const struct twig *k, block b) {
    struct func *f = t->f;
    const struct way *w = &k->whole;
    for (unsigned i = 0; i < w->ncell; i++)
        if (is_stored(t, &w->cell[i]))
            t->needed[w->cell[i].now.i] = true;
    for (unsigned i = 0; i < t->nphi; i++)
        if (ir_at(f, t->phi[i])->kind == KIND_CELL)
            t->needed[k->next[i].i] = true;
    make_needed(t, w, b, t->e.x.n - 1);
    for (unsigned i = 0; i < w->ncell; i++)
        if (is_stored(t, &w->cell[i]))
            ir_append(f, b, OP_STORE, t->root, t->made[w->cell[i].now.i], w->cell[i].off,
                      w->cell[i].src);
    struct leaving *l = &t->again[t->nagain++];
    l->from = b;
    for (unsigned i = 0; i < t->nphi; i++)
        if (ir_at(f, t->phi[i])->kind == KIND_CELL)
            l->next[i] = t->made[k->next[i].i];
        else if (w->delta == 0)
            l->next[i] = t->root;
        else
            l->next[i] = ir_append(f, b, OP_MOVE, t->root, NO_VALUE, w->delta, NO_SRC);
}

static void write_twig(struct thread *t, unsigned n, block b);

static void write_side(struct thread *t, block b, unsigned n) {
    uint32_t before = t->nlog;
    write_twig(t, n, b);
    unmake(t, before);
}

/* As deep as ways have decisions. */
static void write_twig(struct thread *t, unsigned n, block b) {
    const struct twig *k = &t->twig[n];
    if (k->state == DEAD) {
        t->fail[t->nfail++].from = b;
    } else if (k->state == WAY) {
        write_way(t, k, b);
    } else {
        t->needed[k->cond.i] = true;
        make_needed(t, &k->way, b, k->cond.i);
        block yes = t->last = ir_block_new(t->f, t->last);
        block no = t->last = ir_block_new(t->f, t->last);
        ir_br(t->f, b, t->made[k->cond.i], yes, no, NO_SRC);
        write_side(t, no, k->side[1]);
        write_side(t, yes, k->side[0]);
    }
}

/* Leads n edges, with their values for the first `phis` phis, together to one. */
static struct leaving gather(struct thread *t, struct leaving *l, unsigned n, unsigned phis) {
    struct func *f = t->f;
    while (n > 1) {
        struct leaving *a = &l[n - 2], *b = &l[n - 1];
        block join = t->last = ir_block_new(f, t->last);
        ir_jmp(f, a->from, join, NO_SRC);
        ir_jmp(f, b->from, join, NO_SRC);
        for (unsigned i = 0; i < phis; i++)
            if (!same_value(a->next[i], b->next[i]))
                a->next[i] = ir_phi(f, join, ir_at(f, t->phi[i])->kind, a->next[i], b->next[i]);
        a->from = join;
        n--;
    }
    return l[0];
}

/* The phis of the tree's head, entered as the old one would have been from its latch. */
static void write_head(struct thread *t, unsigned slot) {
    struct explore *e = &t->e;
    struct func *f = t->f;
    t->root = e->root;
    for (unsigned i = t->nphi; i-- > 0;) {
        value in = ir_resolve(f, *ir_phi_operand(f, t->phi[i], slot));
        t->is[i] = ir_phi(f, t->top, ir_at(f, t->phi[i])->kind, in, NO_VALUE);
        if (same_value(t->phi[i], e->root))
            t->root = t->is[i];
        else
            t->made[expr_leaf(&e->x, OP_COPY, (node){0}, (int64_t)t->phi[i].i).i] = t->is[i];
    }
}

static void prepare(struct thread *t) {
    struct explore *e = &t->e;
    for (unsigned i = 0; i < t->nphi; i++)
        expr_leaf(&e->x, OP_COPY, (node){0}, (int64_t)t->phi[i].i);
    uint32_t n = e->x.n; /* no expression is made from here on */
    t->made = xgrow(t->made, &t->made_cap, n, sizeof *t->made);
    t->log = xgrow(t->log, &t->log_cap, n, sizeof *t->log);
    t->needed = xgrow(t->needed, &t->needed_cap, n, sizeof *t->needed);
    memset(t->made, 0, n * sizeof *t->made);
    memset(t->needed, 0, n * sizeof *t->needed);
    t->nlog = t->nagain = t->nfail = 0;
}

/* What the old head's phi takes from its latch it may take from a failed iteration instead. */
static void start_over(struct thread *t, value phi, block back, value is) {
    unsigned slot = ir_pred_slot(t->f, back, t->e.head);
    value next = *ir_phi_operand(t->f, phi, slot);
    value either = ir_phi(t->f, back, ir_at(t->f, phi)->kind, next, is);
    *ir_phi_operand(t->f, phi, slot) = either;
}

/*        latch                  c: br tries, top, back
 *   latch -> c        =>        top: ... ways -> top, others -> fail
 *   c -> head                   fail, c -> back; back -> head                               */
static void write_tree(struct thread *t) {
    struct explore *e = &t->e;
    struct func *f = t->f;
    prepare(t);
    unsigned slot = ir_pred_slot(f, e->latch, e->head);
    block back = ir_split_edge(f, e->latch, e->back);
    block c = ir_split_edge(f, e->latch, e->back);
    t->top = t->last = ir_block_new(f, c);
    value all = ir_const(f, TRIES), left = ir_phi(f, e->head, KIND_CELL, all, all);
    /* c decides. */
    ir_redirect(f, c, 0, t->top);
    value end = ir_terminator(f, c);
    ir_at(f, end)->op = OP_BR;
    ir_at(f, end)->a = left;
    ir_block(f, c)->succ[1] = back;
    ir_block(f, c)->nsucc = 2;
    ir_block(f, back)->pred[0] = c;
    ir_block(f, back)->npred = 1;

    write_head(t, slot);
    t->tries = ir_phi(f, t->top, KIND_CELL, left, all);
    write_twig(t, 0, t->top);
    struct leaving again = gather(t, t->again, t->nagain, t->nphi);
    ir_jmp(f, again.from, t->top, NO_SRC);
    for (unsigned i = 0; i < t->nphi; i++)
        ir_at(f, t->is[i])->b = again.next[i];

    struct leaving fail = gather(t, t->fail, t->nfail, 0);
    value less = ir_append(f, fail.from, OP_ADD, t->tries, ir_const(f, UINT64_MAX), 0, NO_SRC);
    ir_jmp(f, fail.from, back, NO_SRC);
    for (unsigned i = 0; i < t->nphi; i++)
        start_over(t, t->phi[i], back, t->is[i]);
    start_over(t, left, back, less);
    pass_count(t->env, "loops", 1);
    pass_count(t->env, "ways", t->nagain);
    t->changed = true;
}

/* ---- the pass ---- */

static void consider(struct thread *t, uint32_t n) {
    struct explore *e = &t->e;
    if (explore_begin(e, n) && (t->walks[n] || e->nscan > 0) && make_tree(t) && pass_may(t->env)) {
        write_tree(t);
        t->taken[n] = true;
    }
    explore_end(e);
}

static void start(struct thread *t) {
    struct func *f = t->f;
    t->cfg = cfg_make(f);
    cells_init(&t->cells, f);
    t->nests = xcalloc(t->cfg.loops.nloop, sizeof *t->nests);
    t->outer = xcalloc(t->cfg.loops.nloop, sizeof *t->outer);
    t->walks = xcalloc(t->cfg.loops.nloop, sizeof *t->walks);
    t->taken = xcalloc(t->cfg.loops.nloop, sizeof *t->taken);
    for (uint32_t n = t->cfg.loops.nloop; n-- > 1;) {
        uint32_t up = t->cfg.loops.loop[n].parent;
        t->nests[up] |= t->outer[n];
        t->outer[up] = true;
        IR_FOR_INSNS (f, t->cfg.loops.loop[n].head, v)
            t->walks[up] |= ir_is(f, v, OP_PHI) && ir_at(f, v)->kind == KIND_PTR;
    }
    explore_init(&t->e, f);
    t->e.singly = true;
    t->e.cfg = &t->cfg;
    t->e.cells = &t->cells;
    t->e.steps = 100000 + 4 * (uint64_t)f->ninsn;
}

static void finish(struct thread *t) {
    explore_free(&t->e);
    cells_free(&t->cells);
    cfg_free(&t->cfg);
    xfree(t->nests);
    xfree(t->outer);
    xfree(t->walks);
    xfree(t->taken);
    xfree(t->twig);
    xfree(t->made);
    xfree(t->log);
    xfree(t->needed);
    xfree(t);
}

bool pass_thread(struct func *f, struct pass_env *env) {
    struct thread *t = xcalloc(1, sizeof *t);
    t->f = f;
    t->env = env;
    start(t);
    for (uint32_t n = 1; n < t->cfg.loops.nloop; n++) {
        t->taken[n] = t->taken[t->cfg.loops.loop[n].parent];
        if (!t->nests[n] && !t->taken[n])
            consider(t, n);
    }
    bool changed = t->changed;
    finish(t);
    return changed;
}
