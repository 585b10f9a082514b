/* verify_marks.c: are the no_trap marks true?  A second opinion on the pass `inbounds`.
 *
 *   store %1 - 2, 0
 *   store %1 + 5, 0
 *   store %1 no_trap(dom), 1        between two cells that were accessed, so on the tape
 *
 * Every pointer is a root (tape, phi or scan) plus a constant distance.  For each root the span of
 * offsets known to be on the tape is kept while the dominator tree is walked: an access adds its
 * cell for all that it dominates.  What else adds to a span:
 *  - a program starts at cell 0 of a tape whose size may be known;
 *  - a phi has what its two operands have in common, seen from where each points at the end of its
 *    predecessor; along a back edge that takes a first walk without marks to find out;
 *  - a scan looked at its last cell, and what was known on the side it moves away from stays known.
 * Where touches were removed, because every iteration of a loop left to the next one what it knew,
 * more walks follow: they suppose the whole tape along every edge, and take back what does not
 * hold, until all that is left supports itself. no_trap(range) is only for the start of a program:
 * a constant distance from cell 0, on the tape whatever else is accessed.
 */
#include "ir/verify.h"

#include <stdarg.h>
#include <stdlib.h>

#include "ir/cfg.h"
#include "runtime/alloc.h"
#include "runtime/text.h"

/* Offsets lo..hi from a root are on the tape; empty: lo > hi. */
struct span {
    int64_t lo, hi;
};
static const struct span nothing = {0, -1};
static const struct span everything = {INT64_MIN, INT64_MAX};

#define MAX_WALKS   200 /* that suppose something */
#define FLOOR_WALKS 2   /* that do not, before them: the walk that judged ended at a wrong mark */
#define HURRY       8
#define NEAR        64 /* cells */

struct root {
    value v;
    struct span now;
    struct span edge[2];  /* of a phi: what is known at the end of each predecessor */
    struct span floor[2]; /* the same, without supposing anything */
};

/* One change of a span, to be taken back when the walk leaves the block that made it. */
struct change {
    uint32_t root;
    struct span was;
};

/* An offset from a root at which there is an access. */
struct landmark {
    uint32_t root;
    int64_t off;
};

struct marks {
    const struct func *f;
    struct ir_fault *at;
    struct text *message;
    uint32_t *root_of; /* by value: the root of a pointer, 0: not met yet */
    int64_t *off;      /* by value: its distance from the root */
    struct root *root; /* counted from 1 */
    uint32_t nroot, root_cap;
    struct change *change;
    uint32_t nchange, change_cap;
    uint32_t *mark_at; /* by depth in the dominator tree: nchange when the block was entered */
    struct landmark *landmark; /* sorted */
    uint32_t nlandmark, landmark_cap;
    bool judging;
    bool supposing; /* edges hold what was supposed; */
    bool hurry;     /* too many walks: what does not hold falls far; */
    bool took_back; /* this walk took something back */
};

/* ---- spans ---- */

static bool is_empty(struct span s) {
    return s.lo > s.hi;
}

static void set_span(struct marks *m, uint32_t root, struct span s) {
    m->change = xgrow(m->change, &m->change_cap, (uint64_t)m->nchange + 1, sizeof *m->change);
    m->change[m->nchange++] = (struct change){root, m->root[root].now};
    m->root[root].now = s;
}

/* The span as seen from `by` cells to the right; its ends may be infinite. */
static struct span shifted(struct span s, int64_t by) {
    struct span t = s;
    if (is_empty(s) || (s.lo != everything.lo && __builtin_sub_overflow(s.lo, by, &t.lo)) ||
        (s.hi != everything.hi && __builtin_sub_overflow(s.hi, by, &t.hi)))
        return nothing;
    return t;
}

static struct span common(struct span a, struct span b) {
    if (is_empty(a) || is_empty(b))
        return nothing;
    return (struct span){a.lo > b.lo ? a.lo : b.lo, a.hi < b.hi ? a.hi : b.hi};
}

static struct span extended(struct span s, int64_t to) {
    if (is_empty(s))
        return (struct span){to, to};
    return (struct span){to < s.lo ? to : s.lo, to > s.hi ? to : s.hi};
}

/* What is on the tape around pointer p. */
static struct span around(const struct marks *m, value p) {
    return shifted(m->root[m->root_of[p.i]].now, m->off[p.i]);
}

/* ---- instructions ---- */

static uint32_t root_number(struct marks *m, value v) {
    if (m->root_of[v.i] != 0)
        return m->root_of[v.i];
    m->root = xgrow(m->root, &m->root_cap, (uint64_t)m->nroot + 1, sizeof *m->root);
    m->root[m->nroot] = (struct root){v, nothing, {nothing, nothing}, {nothing, nothing}};
    return m->root_of[v.i] = m->nroot++;
}

static void see_pointer(struct marks *m, value v, const struct insn *in) {
    int64_t off;
    if (in->op == OP_MOVE && !__builtin_add_overflow(m->off[in->a.i], in->imm, &off)) {
        m->root_of[v.i] = m->root_of[in->a.i];
        m->off[v.i] = off;
    } else {
        root_number(m, v);
    }
}

static bool wrong_mark(struct marks *m, value v, const char *why) {
    *m->at = (struct ir_fault){v, ir_home(m->f, v)};
    text_put(m->message, why);
    return false;
}

/* The last cell that a program's tape is known to have. */
static int64_t last_cell(const struct func *f) {
    uint64_t cells = f->tape_cells ? f->tape_cells : 1;
    return cells > INT64_MAX ? INT64_MAX : (int64_t)(cells - 1);
}

/* The access at `off` from the root: is its mark, if it has one, true? */
static bool judge(struct marks *m, value v, const struct insn *in, uint32_t root, int64_t off,
                  bool inside) {
    if (in->trap == MAY_TRAP || !m->judging)
        return true;
    if (in->op == OP_SCAN || in->op == OP_HASH)
        return wrong_mark(m, v, "a no_trap mark on an operation whose reach is not known");
    bool start = m->f->program && ir_is(m->f, m->root[root].v, OP_TAPE);
    if (in->trap == NO_TRAP_RANGE && !start)
        return wrong_mark(m, v, "no_trap(range) is not at a constant distance from cell 0");
    /* It must not rest on another access, which selection may still move behind this one. */
    bool fixed = off >= 0 && off <= last_cell(m->f);
    if (!inside || (in->trap == NO_TRAP_RANGE && !fixed))
        return wrong_mark(m, v,
                          in->trap == NO_TRAP_RANGE
                              ? "no_trap(range) is not shown to be on the tape"
                              : "no_trap(dom) is not between accesses that dominate it");
    return true;
}

/* An access to a + imm. */
static bool see_access(struct marks *m, value v, const struct insn *in) {
    uint32_t root = m->root_of[in->a.i];
    int64_t off;
    if (__builtin_add_overflow(m->off[in->a.i], in->imm, &off))
        return judge(m, v, in, root, 0, false);
    struct span s = m->root[root].now;
    bool inside = !is_empty(s) && s.lo <= off && off <= s.hi;
    if (!inside)
        set_span(m, root, extended(s, off));
    return judge(m, v, in, root, off, inside);
}

/* The cell the scan ends at lies at in->imm from its result. */
static void see_scan_end(struct marks *m, value v, const struct insn *in) {
    struct span s = extended(around(m, in->a), in->imm);
    if (in->stride > 0)
        s.hi = in->imm;
    else
        s.lo = in->imm;
    set_span(m, m->root_of[v.i], s);
}

static void see_phi(struct marks *m, value v) {
    if (ir_at(m->f, v)->kind != KIND_PTR)
        return;
    bool two = ir_block(m->f, ir_home(m->f, v))->npred == 2;
    const struct root *r = &m->root[m->root_of[v.i]];
    set_span(m, m->root_of[v.i], two ? common(r->edge[0], r->edge[1]) : r->edge[0]);
}

static bool see(struct marks *m, value v) {
    const struct insn *in = ir_at(m->f, v);
    if (in->kind == KIND_PTR)
        see_pointer(m, v, in);
    if (in->op == OP_PHI) {
        see_phi(m, v);
    } else if (in->op == OP_TAPE && m->f->program) {
        set_span(m, m->root_of[v.i], (struct span){0, last_cell(m->f)});
    } else if (in->op == OP_HASH) {
        return judge(m, v, in, m->root_of[in->a.i], 0, false);
    } else if (op_info[in->op].effects & EFF_TRAP) {
        if (!see_access(m, v, in))
            return false;
        if (in->op == OP_SCAN)
            see_scan_end(m, v, in);
    }
    return true;
}

static int compare_landmarks(const void *a, const void *b) {
    const struct landmark *x = a, *y = b;
    int root = (x->root > y->root) - (x->root < y->root);
    return root ? root : (x->off > y->off) - (x->off < y->off);
}

static void find_landmarks(struct marks *m) {
    for (uint32_t i = 1; i < m->f->ninsn; i++) {
        const struct insn *in = &m->f->insn[i];
        int64_t off;
        if (!(op_info[in->op].effects & EFF_TRAP) || m->root_of[in->a.i] == 0 ||
            __builtin_add_overflow(m->off[in->a.i], in->imm, &off))
            continue;
        m->landmark =
            xgrow(m->landmark, &m->landmark_cap, (uint64_t)m->nlandmark + 1, sizeof *m->landmark);
        m->landmark[m->nlandmark++] = (struct landmark){m->root_of[in->a.i], off};
    }
    if (m->nlandmark != 0)
        qsort(m->landmark, m->nlandmark, sizeof *m->landmark, compare_landmarks);
}

/* How many landmarks stand before one that were at `off` from the root? */
static uint32_t landmarks_before(const struct marks *m, uint32_t root, int64_t off) {
    struct landmark at = {root, off};
    uint32_t lo = 0, hi = m->nlandmark;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (compare_landmarks(&m->landmark[mid], &at) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* Where an end at this distance from the pointer falls to: fast while it is far. */
static int64_t fallen(int64_t end) {
    return end > NEAR ? INT64_C(1) << (63 - __builtin_clzll((uint64_t)end)) : end;
}

static int64_t negated(int64_t end) {
    return end == INT64_MIN ? INT64_MAX : end == INT64_MAX ? INT64_MIN : -end;
}

/* Where an upper end falls to that would creep down to `end`: not beyond the next access, on which
 * marks depend, nor below what is known without supposing.  (Widening with thresholds: Blanchet et
 * al., PLDI 2003.) */
static int64_t fallen_hi(const struct marks *m, uint32_t root, int64_t end, struct span floor) {
    int64_t to = fallen(end);
    uint32_t n = landmarks_before(m, root, end + 1); /* end is finite */
    if (n > 0 && m->landmark[n - 1].root == root && to < m->landmark[n - 1].off)
        to = m->landmark[n - 1].off;
    return !is_empty(floor) && to < floor.hi ? floor.hi : to;
}

static int64_t fallen_lo(const struct marks *m, uint32_t root, int64_t end, struct span floor) {
    int64_t to = negated(fallen(negated(end)));
    uint32_t n = landmarks_before(m, root, end);
    if (n < m->nlandmark && m->landmark[n].root == root && to > m->landmark[n].off)
        to = m->landmark[n].off;
    return !is_empty(floor) && to > floor.lo ? floor.lo : to;
}

/* In a hurry: the ends of `edge` that do not hold, as only s does, fall farther. */
static struct span lowered(const struct marks *m, uint32_t root, struct span edge, struct span s,
                           struct span floor) {
    struct span t = edge;
    if (is_empty(s) || s.hi < -NEAR || s.lo > NEAR)
        return floor;
    if (s.hi < t.hi)
        t.hi = fallen_hi(m, root, s.hi, floor);
    if (s.lo > t.lo)
        t.lo = fallen_lo(m, root, s.lo, floor);
    return is_empty(t) ? floor : t;
}

/* What is known along an edge to a phi. */
static void tell_edge(struct marks *m, uint32_t root, unsigned slot, struct span s) {
    struct root *r = &m->root[root];
    struct span *edge = &r->edge[slot];
    bool same = edge->lo == s.lo && edge->hi == s.hi;
    if (!m->supposing) {
        *edge = r->floor[slot] = s;
    } else if (!same && !m->judging) {
        struct span low = m->hurry ? lowered(m, root, *edge, s, r->floor[slot]) : s;
        m->took_back |= edge->lo != low.lo || edge->hi != low.hi;
        *edge = low;
    }
}

/* Tells the phis behind b what is known where b ends. */
static void tell_phis(struct marks *m, block b) {
    const struct block_data *d = ir_block(m->f, b);
    for (unsigned n = 0; n < d->nsucc; n++) {
        unsigned slot = ir_pred_slot(m->f, b, d->succ[n]);
        for (value v = ir_block(m->f, d->succ[n])->first; ir_is(m->f, v, OP_PHI);
             v = ir_next(m->f, v)) {
            if (ir_at(m->f, v)->kind == KIND_PTR) {
                struct span s = around(m, *ir_phi_operand(m->f, v, slot));
                tell_edge(m, root_number(m, v), slot, s);
            }
        }
    }
}

/* ---- the walk ---- */

static void take_back(struct marks *m, uint32_t to) {
    while (m->nchange > to) {
        m->nchange--;
        m->root[m->change[m->nchange].root].now = m->change[m->nchange].was;
    }
}

/* Blocks in the order of pre numbers: the dominator tree, each block before those it dominates. */
static bool walk(struct marks *m, const struct dom *d, const block *preorder, uint32_t n) {
    uint32_t depth = 0;
    block *open = xalloc(n, sizeof *open); /* the blocks above, root first */
    bool ok = true;
    for (uint32_t i = 0; i < n && ok; i++) {
        block b = preorder[i];
        while (depth > 0 && !cfg_dominates(d, open[depth - 1], b))
            take_back(m, m->mark_at[--depth]);
        m->mark_at[depth] = m->nchange;
        open[depth++] = b;
        for (value v = ir_block(m->f, b)->first; v.i != 0 && ok; v = ir_next(m->f, v))
            ok = see(m, v);
        if (ok)
            tell_phis(m, b);
    }
    take_back(m, 0);
    xfree(open);
    return ok;
}

static bool any_mark(const struct func *f) {
    for (uint32_t i = 1; i < f->ninsn; i++)
        if (f->insn[i].trap != MAY_TRAP)
            return true;
    return false;
}

/* Supposes the best and walks until nothing has to be taken back. */
static bool suppose(struct marks *m, const struct dom *d, const block *preorder, uint32_t n) {
    m->judging = false;
    for (unsigned k = 0; k < FLOOR_WALKS; k++)
        walk(m, d, preorder, n);
    for (uint32_t i = 1; i < m->nroot; i++)
        m->root[i].edge[0] = m->root[i].edge[1] = everything;
    find_landmarks(m);
    m->supposing = m->took_back = true;
    for (unsigned k = 0; k < MAX_WALKS && m->took_back; k++) {
        m->hurry = k >= HURRY;
        m->took_back = false;
        walk(m, d, preorder, n);
    }
    m->judging = true;
    return !m->took_back && walk(m, d, preorder, n);
}

static bool walk_all(struct marks *m) {
    struct rpo r = cfg_rpo(m->f);
    struct dom d = cfg_dom(m->f, &r);
    block *preorder = xalloc(r.n, sizeof *preorder);
    for (uint32_t i = 0; i < r.n; i++)
        preorder[d.pre[r.order[i].i]] = r.order[i];
    m->mark_at = xalloc(r.n, sizeof *m->mark_at);
    walk(m, &d, preorder, r.n);
    m->judging = true;
    bool ok = walk(m, &d, preorder, r.n);
    if (!ok) {
        struct text *message = m->message, again = {0};
        m->message = &again; /* the first one says it without supposing anything */
        struct ir_fault *at = m->at, other;
        m->at = &other;
        ok = suppose(m, &d, preorder, r.n);
        m->message = message;
        m->at = at;
        text_free(&again);
    }
    xfree(m->mark_at);
    xfree(preorder);
    cfg_dom_free(&d);
    cfg_rpo_free(&r);
    return ok;
}

bool ir_check_marks(const struct func *f, struct ir_fault *at, struct text *message) {
    if (!any_mark(f))
        return true;
    struct marks m = {.f = f, .at = at, .message = message, .nroot = 1};
    m.root_of = xcalloc(f->ninsn, sizeof *m.root_of);
    m.off = xcalloc(f->ninsn, sizeof *m.off);
    bool ok = walk_all(&m);
    xfree(m.root_of);
    xfree(m.off);
    xfree(m.root);
    xfree(m.change);
    xfree(m.landmark);
    return ok;
}
