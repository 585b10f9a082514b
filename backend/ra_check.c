/* ra_check.c: a proof, for one allocation, that it computes what the code before it did.
 *
 * Forward data flow over the allocated code (the algorithm of regalloc2's checker): each register
 * and slot holds a set of virtual registers whose value it is known to have.
 *   a move        copies the set
 *   a definition  takes the virtual register out of all sets, and is the set of its register
 *   a phi         on its edge, joins every set its operand is in
 *   a clobber     empties the set
 *   a merge       intersects
 * At each use the operand's register must have the wanted virtual register in its set.  It shares
 * no code with the allocator but the meaning of struct mdesc.
 *
 * Sets are interned sorted lists, so a state is a short list of (location, set number). */
#include <stdlib.h>
#include <string.h>

#include "backend/ra.h"
#include "runtime/alloc.h"
#include "runtime/text.h"

#define NO_STATE   UINT32_MAX
#define EMPTY      0
#define RA_OUTSIDE UINT32_MAX /* in no loop */

/* ---- interned sets of virtual registers ---- */

struct set {
    uint32_t start, n;
};

struct sets {
    uint32_t *pool, npool, pool_cap;
    struct set *set;
    uint32_t nset, set_cap;
    uint32_t *table, size; /* hash table of set numbers + 1 */
    uint32_t *tmp, tmp_cap;
};

static uint32_t hash_list(const uint32_t *p, uint32_t n) {
    uint64_t h = n;
    for (uint32_t i = 0; i < n; i++)
        h = (h ^ p[i]) * UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)(h >> 32);
}

static void sets_insert(struct sets *s, uint32_t id) {
    uint32_t h = hash_list(s->pool + s->set[id].start, s->set[id].n) & (s->size - 1);
    while (s->table[h])
        h = (h + 1) & (s->size - 1);
    s->table[h] = id + 1;
}

static void sets_rehash(struct sets *s) {
    xfree(s->table);
    s->size = s->size ? s->size * 2 : 256;
    s->table = xcalloc(s->size, sizeof *s->table);
    for (uint32_t i = 0; i < s->nset; i++)
        sets_insert(s, i);
}

/* The number of the set with exactly these members (sorted). */
static uint32_t set_of(struct sets *s, const uint32_t *p, uint32_t n) {
    if (2 * (s->nset + 1) > s->size)
        sets_rehash(s);
    uint32_t h = hash_list(p, n) & (s->size - 1);
    for (; s->table[h]; h = (h + 1) & (s->size - 1)) {
        const struct set *t = &s->set[s->table[h] - 1];
        if (t->n == n && (n == 0 || memcmp(s->pool + t->start, p, n * sizeof *p) == 0))
            return s->table[h] - 1;
    }
    s->set = xgrow(s->set, &s->set_cap, (uint64_t)s->nset + 1, sizeof *s->set);
    s->pool = xgrow(s->pool, &s->pool_cap, (uint64_t)s->npool + n, sizeof *s->pool);
    if (n)
        memcpy(s->pool + s->npool, p, n * sizeof *p);
    s->set[s->nset] = (struct set){s->npool, n};
    s->npool += n;
    s->table[h] = ++s->nset;
    return s->nset - 1;
}

static bool set_has(const struct sets *s, uint32_t id, uint32_t v) {
    const struct set *t = &s->set[id];
    for (uint32_t i = 0; i < t->n; i++)
        if (s->pool[t->start + i] == v)
            return true;
    return false;
}

static uint32_t *set_buffer(struct sets *s, uint32_t n) {
    s->tmp = xgrow(s->tmp, &s->tmp_cap, n, sizeof *s->tmp);
    return s->tmp;
}

static uint32_t set_without(struct sets *s, uint32_t id, uint32_t v) {
    if (!set_has(s, id, v))
        return id;
    struct set t = s->set[id];
    uint32_t *p = set_buffer(s, t.n), n = 0;
    for (uint32_t i = 0; i < t.n; i++)
        if (s->pool[t.start + i] != v)
            p[n++] = s->pool[t.start + i];
    return set_of(s, p, n);
}

static uint32_t set_with(struct sets *s, uint32_t id, uint32_t v) {
    if (set_has(s, id, v))
        return id;
    struct set t = s->set[id];
    uint32_t *p = set_buffer(s, t.n + 1), n = 0, i = 0;
    while (i < t.n && s->pool[t.start + i] < v)
        p[n++] = s->pool[t.start + i++];
    p[n++] = v;
    while (i < t.n)
        p[n++] = s->pool[t.start + i++];
    return set_of(s, p, n);
}

static uint32_t set_meet(struct sets *s, uint32_t a, uint32_t b) {
    if (a == b)
        return a;
    struct set x = s->set[a], y = s->set[b];
    uint32_t *p = set_buffer(s, x.n), n = 0;
    for (uint32_t i = 0, j = 0; i < x.n && j < y.n;) {
        uint32_t u = s->pool[x.start + i], v = s->pool[y.start + j];
        if (u == v)
            p[n++] = u;
        i += u <= v;
        j += v <= u;
    }
    return set_of(s, p, n);
}

/* ---- states ---- */

struct entry {
    uint32_t loc, set; /* loc: register, or MACH_MAX_PHYS + slot */
};

/* Locations with a non-empty set, sorted. */
struct state {
    struct entry *e;
    uint32_t n, cap;
    bool known;
};

struct checker {
    const struct mach *before, *after;
    uint32_t *last; /* per virtual register: the last block of before that may need it */
    struct sets sets;
    struct state *in; /* per block of after */
    struct state cur;
    uint32_t *real;   /* block of before -> block of after */
    uint32_t *origin; /* block of after -> block of before, NO_STATE for edge blocks */
    struct text *error;
    bool reporting, failed;
    uint32_t block, insn; /* where the checker is, for messages */
};

/* ---- what is still needed ---- */

/* The loops of `before`, by their heads' blocks.  What is outside of all loops has RA_OUTSIDE. */
struct nesting {
    uint32_t *head; /* per block: the innermost loop around it */
    uint32_t *up;   /* per head: the loop around it */
    uint32_t *end;  /* per head: the last block of the loop, and of those inside it */
    uint32_t *jump; /* per head: some loop further out, so that a search takes few steps */
    uint32_t *depth;
};

static uint32_t loop_end(const struct mach *m, uint32_t b) {
    uint32_t to = m->block[b].loop_end;
    for (unsigned n = 0; n < m->block[b].npred; n++)
        if (m->block[b].pred[n] >= b && m->block[b].pred[n] >= to)
            to = m->block[b].pred[n];
    return to;
}

static bool is_head(const struct mach *m, uint32_t b, uint32_t end) {
    bool loop = end > b || m->block[b].loop_end == b;
    for (unsigned n = 0; n < m->block[b].npred; n++)
        loop |= m->block[b].pred[n] == b;
    return loop;
}

/* Where to look next when going outwards from a loop inside `up`: Myers, "An applicative
 * random-access stack", 1983. */
static uint32_t jump_from(const struct nesting *t, uint32_t up) {
    if (up == RA_OUTSIDE)
        return RA_OUTSIDE;
    uint32_t far = t->jump[up], further = far == RA_OUTSIDE ? RA_OUTSIDE : t->jump[far];
    uint32_t far_depth = far == RA_OUTSIDE ? 0 : t->depth[far];
    uint32_t further_depth = further == RA_OUTSIDE ? 0 : t->depth[further];
    return t->depth[up] - far_depth == far_depth - further_depth ? further : up;
}

static struct nesting nesting_make(const struct mach *m) {
    size_t n = (size_t)m->nblock + 1;
    struct nesting t = {.head = xcalloc(n, sizeof *t.head),
                        .up = xcalloc(n, sizeof *t.up),
                        .end = xcalloc(n, sizeof *t.end),
                        .jump = xcalloc(n, sizeof *t.jump),
                        .depth = xcalloc(n, sizeof *t.depth)};
    for (uint32_t b = 0; b < m->nblock; b++) {
        uint32_t in = b == 0 ? RA_OUTSIDE : t.head[b - 1];
        while (in != RA_OUTSIDE && t.end[in] < b)
            in = t.up[in];
        t.up[b] = in;
        t.end[b] = loop_end(m, b);
        t.depth[b] = in == RA_OUTSIDE ? 1 : t.depth[in] + 1;
        t.jump[b] = jump_from(&t, in);
        t.head[b] = is_head(m, b, t.end[b]) ? b : in;
    }
    for (uint32_t b = m->nblock; b-- > 0;)
        if (t.up[b] != RA_OUTSIDE && t.head[b] == b && t.end[t.up[b]] < t.end[b])
            t.end[t.up[b]] = t.end[b];
    return t;
}

static void nesting_free(struct nesting *t) {
    xfree(t->head);
    xfree(t->up);
    xfree(t->end);
    xfree(t->jump);
    xfree(t->depth);
}

/* A use in block b needs v up to the end of the outermost loop around b that v comes from outside
 * of. */
static uint32_t needed_to(const struct nesting *t, uint32_t b, uint32_t def) {
    uint32_t h = t->head[b];
    if (h == RA_OUTSIDE || h <= def)
        return b;
    for (;;) {
        uint32_t far = t->jump[h], up = t->up[h];
        if (far != RA_OUTSIDE && far > def)
            h = far;
        else if (up != RA_OUTSIDE && up > def)
            h = up;
        else
            return t->end[h] > b ? t->end[h] : b;
    }
}

/* Notes a definition, or how long an operand is needed. */
static void note_operand(struct checker *c, const struct nesting *t, uint32_t *def, bool defs,
                         uint32_t b, const struct minsn *in, unsigned n) {
    const struct mdesc *d = mach_desc(c->before, in);
    bool phi = (d->flags & MD_PHI) != 0;
    if (in->r[n] == NO_REG || (d->role[n] == ROLE_NONE && !phi))
        return;
    if (defs) {
        if (phi ? n == 0 : d->role[n] == ROLE_DEF)
            def[in->r[n]] = b;
        return;
    }
    /* A phi needs its operand at the end of the predecessor. */
    const struct mblock *mb = &c->before->block[b];
    uint32_t at = phi && n > 0 && n <= mb->npred ? mb->pred[n - 1] : b;
    uint32_t to = needed_to(t, at, def[in->r[n]]);
    if (to > c->last[in->r[n]])
        c->last[in->r[n]] = to;
}

static void find_last(struct checker *c) {
    const struct mach *m = c->before;
    struct nesting t = nesting_make(m);
    uint32_t *def = xcalloc((size_t)m->nvreg + 1, sizeof *def);
    c->last = xcalloc((size_t)m->nvreg + 1, sizeof *c->last);
    for (unsigned pass = 0; pass < 2; pass++)
        for (uint32_t b = 0; b < m->nblock; b++)
            for (uint32_t i = m->block[b].first; i < m->block[b].end; i++)
                for (unsigned n = 0; n < 3; n++)
                    note_operand(c, &t, def, pass == 0, b, &m->insn[i], n);
    nesting_free(&t);
    xfree(def);
}

/* Forgets what block b and all behind it do not need: else the names of one value, a new one for
 * each phi, would add up. */
static void prune(struct checker *c, struct state *s, uint32_t b) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->n; i++) {
        struct set t = c->sets.set[s->e[i].set];
        uint32_t *p = set_buffer(&c->sets, t.n), kept = 0;
        for (uint32_t k = 0; k < t.n; k++)
            if (c->last[c->sets.pool[t.start + k]] >= b)
                p[kept++] = c->sets.pool[t.start + k];
        uint32_t set = kept == t.n ? s->e[i].set : set_of(&c->sets, p, kept);
        if (set != EMPTY)
            s->e[n++] = (struct entry){s->e[i].loc, set};
    }
    s->n = n;
}

static void state_copy(struct state *to, const struct state *from) {
    to->e = xgrow(to->e, &to->cap, (uint64_t)from->n + 1, sizeof *to->e);
    if (from->n)
        memcpy(to->e, from->e, from->n * sizeof *to->e);
    to->n = from->n;
    to->known = true;
}

static uint32_t get(const struct state *s, uint32_t loc) {
    for (uint32_t i = 0; i < s->n && s->e[i].loc <= loc; i++)
        if (s->e[i].loc == loc)
            return s->e[i].set;
    return EMPTY;
}

static void put(struct state *s, uint32_t loc, uint32_t set) {
    uint32_t i = 0;
    while (i < s->n && s->e[i].loc < loc)
        i++;
    bool there = i < s->n && s->e[i].loc == loc;
    if (set == EMPTY) {
        if (there)
            memmove(s->e + i, s->e + i + 1, (--s->n - i) * sizeof *s->e);
        return;
    }
    if (!there) {
        s->e = xgrow(s->e, &s->cap, (uint64_t)s->n + 1, sizeof *s->e);
        memmove(s->e + i + 1, s->e + i, (s->n++ - i) * sizeof *s->e);
    }
    s->e[i] = (struct entry){loc, set};
}

static void forget(struct checker *c, uint32_t v) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < c->cur.n; i++) {
        c->cur.e[i].set = set_without(&c->sets, c->cur.e[i].set, v);
        if (c->cur.e[i].set != EMPTY)
            c->cur.e[n++] = c->cur.e[i];
    }
    c->cur.n = n;
}

/* Intersects the current state into block b's entry state; true if that changed. */
static bool meet_into(struct checker *c, uint32_t b) {
    struct state *in = &c->in[b];
    if (!in->known) {
        state_copy(in, &c->cur);
        return true;
    }
    bool changed = false;
    uint32_t n = 0;
    for (uint32_t i = 0; i < in->n; i++) {
        uint32_t set = set_meet(&c->sets, in->e[i].set, get(&c->cur, in->e[i].loc));
        changed |= set != in->e[i].set;
        if (set != EMPTY)
            in->e[n++] = (struct entry){in->e[i].loc, set};
    }
    in->n = n;
    return changed;
}

/* ---- messages ---- */

__attribute__((format(printf, 2, 3))) static void fail(struct checker *c, const char *format, ...) {
    if (!c->reporting || c->failed)
        return;
    c->failed = true;
    text_fmt(c->error, "block %u, instruction %u: ", c->block, c->insn);
    va_list ap;
    va_start(ap, format);
    text_vfmt(c->error, format, ap);
    va_end(ap);
    text_char(c->error, '\n');
}

/* ---- instructions ---- */

static bool holds(const struct checker *c, mreg r, mreg v) {
    return set_has(&c->sets, get(&c->cur, r), v);
}

static void allocator_insn(struct checker *c, const struct minsn *in) {
    const struct target *t = c->after->target;
    if (in->op == t->op_move) {
        put(&c->cur, in->r[0], get(&c->cur, in->r[1]));
    } else if (in->op == t->op_swap) {
        uint32_t a = get(&c->cur, in->r[0]), b = get(&c->cur, in->r[1]);
        put(&c->cur, in->r[0], b);
        put(&c->cur, in->r[1], a);
    } else if (in->op == t->op_reload) {
        put(&c->cur, in->r[0], get(&c->cur, MACH_MAX_PHYS + (uint32_t)in->disp));
    } else if (in->op == t->op_spill) {
        put(&c->cur, MACH_MAX_PHYS + (uint32_t)in->disp, get(&c->cur, in->r[1]));
    } else if (in->op != t->op_jump) {
        fail(c, "the allocator may not insert %s", t->desc[in->op].name);
    }
    if ((in->op == t->op_reload || in->op == t->op_spill) && (uint32_t)in->disp >= c->after->nslots)
        fail(c, "slot %d does not exist", in->disp);
}

/* A constant written again: only copies of a rematerializable definition. */
static void again_insn(struct checker *c, const struct minsn *in) {
    const struct target *t = c->after->target;
    const struct minsn *def = &c->before->insn[in->orig - 1];
    if (!t->rematerializable || !t->rematerializable(def) || in->op != def->op ||
        in->imm != def->imm || in->size != def->size || in->disp != def->disp)
        fail(c, "not a copy of a constant");
    put(&c->cur, in->r[0], set_of(&c->sets, &def->r[0], 1));
}

static bool same_insn(const struct minsn *a, const struct minsn *b) {
    return a->op == b->op && a->size == b->size && a->cond == b->cond && a->trap == b->trap &&
           a->disp == b->disp && a->imm == b->imm && a->aux == b->aux && a->src == b->src;
}

static void check_operand(struct checker *c, const struct mdesc *d, const struct minsn *in,
                          unsigned n, mreg want) {
    mreg r = in->r[n];
    bool use = d->role[n] == ROLE_USE || d->role[n] == ROLE_USE_LATE;
    if (r >= c->after->target->nregs) {
        fail(c, "operand %u is not a register", n);
        return;
    }
    if (d->fixed[n] >= 0 ? r != (mreg)d->fixed[n] : !(c->after->target->allocatable >> r & 1))
        fail(c, "operand %u is in register %u, which it must not be in", n, r);
    if (use && !holds(c, r, want))
        fail(c, "operand %u: register %u does not hold v%u", n, r, want);
    for (unsigned k = 0; k < 3; k++) {
        if (k == n || d->role[k] == ROLE_NONE || in->r[k] != r)
            continue;
        bool late = d->role[n] == ROLE_USE_LATE && d->role[k] == ROLE_DEF;
        if (late || d->role[n] == ROLE_TEMP || (d->role[n] == ROLE_DEF && d->role[k] == ROLE_DEF))
            fail(c, "operands %u and %u share register %u", n, k, r);
    }
    if (d->role[n] == ROLE_USE_LATE && (d->clobbers >> r & 1) && d->fixed[n] < 0)
        fail(c, "operand %u is in register %u, which the instruction destroys", n, r);
}

static void program_insn(struct checker *c, const struct minsn *in, const struct minsn *old) {
    const struct mdesc *d = mach_desc(c->before, old);
    mreg want[3] = {old->r[0], old->r[1], old->r[2]};
    if (!same_insn(in, old))
        fail(c, "instruction %u was changed", in->orig - 1);
    if ((d->flags & MD_COMMUTES) && !(holds(c, in->r[1], want[1]) && holds(c, in->r[2], want[2]))) {
        want[1] = old->r[2];
        want[2] = old->r[1];
    }
    for (unsigned n = 0; n < 3; n++)
        if (d->role[n] != ROLE_NONE && old->r[n] != NO_REG)
            check_operand(c, d, in, n, want[n]);
    if ((d->flags & MD_TIED) && in->r[0] != in->r[1])
        fail(c, "tied operands are in registers %u and %u", in->r[0], in->r[1]);
    uint32_t moved = d->flags & MD_MOVE ? get(&c->cur, in->r[1]) : EMPTY;
    for (unsigned r = 0; r < c->after->target->nregs; r++)
        if (d->clobbers >> r & 1)
            put(&c->cur, r, EMPTY);
    for (unsigned n = 0; n < 3; n++)
        if (d->role[n] == ROLE_TEMP)
            put(&c->cur, in->r[n], EMPTY);
    for (unsigned n = 0; n < 3; n++) {
        if (d->role[n] != ROLE_DEF)
            continue;
        forget(c, want[n]);
        moved = set_without(&c->sets, moved, want[n]);
        put(&c->cur, in->r[n], set_with(&c->sets, moved, want[n]));
    }
}

/* A move the allocator dropped: its two virtual registers are in one place. */
static void dropped_move(struct checker *c, const struct minsn *old) {
    forget(c, old->r[0]);
    for (uint32_t i = 0; i < c->cur.n; i++)
        if (set_has(&c->sets, c->cur.e[i].set, old->r[1]))
            c->cur.e[i].set = set_with(&c->sets, c->cur.e[i].set, old->r[0]);
}

/* Instructions of before that are missing up to (not including) `to`: only phis and moves may be.
 */
static uint32_t skip_dropped(struct checker *c, uint32_t from, uint32_t to) {
    for (; from < to; from++) {
        const struct mdesc *d = mach_desc(c->before, &c->before->insn[from]);
        if (d->flags & MD_MOVE)
            dropped_move(c, &c->before->insn[from]);
        else if (!(d->flags & MD_PHI))
            fail(c, "instruction %u is missing", from);
    }
    return from;
}

static void run_block(struct checker *c, uint32_t b) {
    const struct mblock *mb = &c->after->block[b];
    uint32_t origin = c->origin[b];
    uint32_t next = origin == NO_STATE ? 0 : c->before->block[origin].first;
    uint32_t end = origin == NO_STATE ? 0 : c->before->block[origin].end;
    state_copy(&c->cur, &c->in[b]);
    c->block = b;
    for (uint32_t i = mb->first; i < mb->end; i++) {
        const struct minsn *in = &c->after->insn[i];
        c->insn = i;
        if (in->again) {
            again_insn(c, in);
        } else if (in->orig == 0) {
            allocator_insn(c, in);
        } else if (in->orig - 1 < next || in->orig > end) {
            fail(c, "instruction %u is out of place", in->orig - 1);
        } else {
            next = skip_dropped(c, next, in->orig - 1);
            program_insn(c, in, &c->before->insn[next++]);
        }
    }
    skip_dropped(c, next, end);
}

/* Phis of block s of before, for the edge in predecessor slot n: all at once. */
static void run_phis(struct checker *c, uint32_t s, unsigned n) {
    const struct mblock *mb = &c->before->block[s];
    uint32_t end = mb->first;
    while (end < mb->end && (mach_desc(c->before, &c->before->insn[end])->flags & MD_PHI))
        end++;
    if (end == mb->first)
        return;
    struct state old = {0};
    state_copy(&old, &c->cur);
    for (uint32_t i = mb->first; i < end; i++)
        forget(c, c->before->insn[i].r[0]);
    for (uint32_t k = 0; k < old.n; k++) {
        for (uint32_t i = mb->first; i < end; i++) {
            const struct minsn *phi = &c->before->insn[i];
            if (set_has(&c->sets, old.e[k].set, phi->r[1 + n]))
                put(&c->cur, old.e[k].loc,
                    set_with(&c->sets, get(&c->cur, old.e[k].loc), phi->r[0]));
        }
    }
    xfree(old.e);
}

static unsigned slot_of_pred(const struct mach *m, uint32_t p, uint32_t s) {
    return m->block[s].npred > 1 && m->block[s].pred[1] == p ? 1 : 0;
}

/* Runs block b and meets its result into its successors; queues those that changed. */
static void flow_block(struct checker *c, uint32_t b, uint32_t *queue, uint32_t *nq, bool *queued) {
    run_block(c, b);
    const struct mblock *mb = &c->after->block[b];
    struct state out = {0};
    state_copy(&out, &c->cur);
    for (unsigned n = 0; n < mb->nsucc; n++) {
        uint32_t s = mb->succ[n];
        state_copy(&c->cur, &out);
        if (c->origin[s] != NO_STATE) {
            run_phis(c, c->origin[s], slot_of_pred(c->after, b, s));
            prune(c, &c->cur, c->origin[s]);
        }
        if (meet_into(c, s) && !queued[s]) {
            queued[s] = true;
            queue[(*nq)++] = s;
        }
    }
    xfree(out.e);
}

static void solve(struct checker *c) {
    uint32_t n = c->after->nblock, nq = 0;
    uint32_t *queue = xalloc((size_t)n + 1, sizeof *queue);
    bool *queued = xcalloc((size_t)n + 1, 1);
    c->in[0].known = true;
    /* Sweeps in layout order settle all but the loops; the queue is drained in such sweeps. */
    queued[0] = true;
    queue[nq++] = 0;
    while (nq > 0) {
        uint32_t later = 0;
        nq = 0;
        for (uint32_t b = 0; b < n; b++) {
            if (!queued[b])
                continue;
            queued[b] = false;
            uint32_t found = 0;
            flow_block(c, b, queue, &found, queued);
            later += found;
        }
        nq = later;
    }
    xfree(queue);
    xfree(queued);
}

/* ---- structure ---- */

static bool is_edge_block(const struct mach *after, uint32_t b) {
    const struct mblock *mb = &after->block[b];
    return mb->end > mb->first && after->insn[mb->end - 1].orig == 0;
}

/* Pairs the blocks of before and after, and compares their edges. */
static bool match_blocks(struct checker *c) {
    uint32_t k = 0;
    for (uint32_t b = 0; b < c->after->nblock; b++) {
        c->origin[b] = NO_STATE;
        if (is_edge_block(c->after, b))
            continue;
        if (k >= c->before->nblock)
            return false;
        c->origin[b] = k;
        c->real[k++] = b;
    }
    if (k != c->before->nblock)
        return false;
    for (uint32_t b = 0; b < k; b++) {
        const struct mblock *x = &c->before->block[b], *y = &c->after->block[c->real[b]];
        if (x->nsucc != y->nsucc || x->npred != y->npred)
            return false;
        for (unsigned n = 0; n < x->nsucc; n++) {
            uint32_t s = y->succ[n];
            if (c->origin[s] == NO_STATE)
                s = c->after->block[s].succ[0];
            if (s != c->real[x->succ[n]])
                return false;
        }
        for (unsigned n = 0; n < x->npred; n++) {
            uint32_t p = y->pred[n];
            if (c->origin[p] == NO_STATE)
                p = c->after->block[p].pred[0];
            if (p != c->real[x->pred[n]])
                return false;
        }
    }
    return true;
}

static void checker_free(struct checker *c) {
    for (uint32_t b = 0; b < c->after->nblock; b++)
        xfree(c->in[b].e);
    xfree(c->in);
    xfree(c->last);
    xfree(c->cur.e);
    xfree(c->real);
    xfree(c->origin);
    xfree(c->sets.pool);
    xfree(c->sets.set);
    xfree(c->sets.table);
    xfree(c->sets.tmp);
}

bool ra_check(const struct mach *before, const struct mach *after, struct text *error) {
    struct checker c = {.before = before, .after = after, .error = error};
    c.in = xcalloc((size_t)after->nblock + 1, sizeof *c.in);
    c.real = xcalloc((size_t)before->nblock + 1, sizeof *c.real);
    c.origin = xcalloc((size_t)after->nblock + 1, sizeof *c.origin);
    set_of(&c.sets, NULL, 0); /* number 0: EMPTY */
    find_last(&c);
    bool ok = match_blocks(&c);
    if (!ok)
        text_put(error, "the blocks of the allocated code do not match those before\n");
    if (ok) {
        solve(&c);
        c.reporting = true;
        for (uint32_t b = 0; b < after->nblock && !c.failed; b++)
            if (c.in[b].known)
                run_block(&c, b);
        ok = !c.failed;
    }
    checker_free(&c);
    return ok;
}
