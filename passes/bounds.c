/* bounds.c: the walk behind bounds.h. */
#include "passes/bounds.h"

#include "passes/cells.h"
#include "passes/domtree.h"
#include "runtime/alloc.h"

/* Offsets known to be on the tape; none if lo > hi. */
struct interval {
    int64_t lo, hi;
};

#define NOTHING ((struct interval){1, 0})

/* A root pointer.  Roots are numbered from 1 as they come up. */
struct bounds_root {
    struct interval now;
    struct interval edge[2]; /* phis: what each operand has at the end of its predecessor */
};

struct bounds_undo {
    uint32_t root;
    struct interval old;
};

struct bounds {
    struct func *f;
    bounds_visit *visit; /* NULL but in the last walk */
    bounds_end *end;     /* so is this */
    void *context;
    struct cells cells;
    uint32_t *number; /* root value -> number */
    struct bounds_root *root;
    uint32_t nroot, root_cap;
    struct bounds_undo *undo;
    uint32_t nundo, undo_cap;
    uint32_t *undo_at; /* height of the undo stack when a block was entered */
};

static struct bounds_root *bounds_root(struct bounds *s, value v) {
    if (s->number[v.i] == 0) {
        s->root = xgrow(s->root, &s->root_cap, (uint64_t)s->nroot + 1, sizeof *s->root);
        s->root[s->nroot] = (struct bounds_root){NOTHING, {NOTHING, NOTHING}};
        s->number[v.i] = s->nroot++;
    }
    return &s->root[s->number[v.i]];
}

static bool bounds_has(struct interval i, int64_t off) {
    return i.lo <= off && off <= i.hi;
}

static struct interval bounds_with(struct interval i, int64_t off) {
    if (i.lo > i.hi)
        return (struct interval){off, off};
    return (struct interval){off < i.lo ? off : i.lo, off > i.hi ? off : i.hi};
}

/* The interval seen from d cells further right. */
static struct interval bounds_from(struct interval i, int64_t d) {
    struct interval far;
    if (i.lo > i.hi || __builtin_sub_overflow(i.lo, d, &far.lo) ||
        __builtin_sub_overflow(i.hi, d, &far.hi))
        return NOTHING;
    return far;
}

static void bounds_set(struct bounds *s, value root, struct interval i) {
    struct bounds_root *r = bounds_root(s, root);
    s->undo = xgrow(s->undo, &s->undo_cap, (uint64_t)s->nundo + 1, sizeof *s->undo);
    s->undo[s->nundo++] = (struct bounds_undo){s->number[root.i], r->now};
    r->now = i;
}

/* What is known of pointer p. */
static struct interval bounds_of(struct bounds *s, value p) {
    struct cell a = cells_address(&s->cells, p, 0);
    return bounds_from(bounds_root(s, a.root)->now, a.off);
}

/* The last cell that a program's tape is known to have. */
static int64_t bounds_last_cell(const struct func *f) {
    uint64_t cells = f->tape_cells ? f->tape_cells : 1;
    return cells > INT64_MAX ? INT64_MAX : (int64_t)(cells - 1);
}

/* Is this a cell of the tape in every run? */
static bool bounds_is_fixed(const struct bounds *s, struct cell a) {
    return s->f->program && ir_is(s->f, a.root, OP_TAPE) && a.off >= 0 &&
           a.off <= bounds_last_cell(s->f);
}

/* v accesses the cell at its operand + its offset. */
static void bounds_access(struct bounds *s, value v) {
    const struct insn *in = ir_at(s->f, v);
    struct cell a = cells_address(&s->cells, in->a, in->imm);
    struct interval now = bounds_root(s, a.root)->now;
    bool inside = bounds_has(now, a.off);
    if (!inside)
        bounds_set(s, a.root, bounds_with(now, a.off));
    if (s->visit && in->op != OP_SCAN)
        s->visit(s->context, v, inside, bounds_is_fixed(s, a));
}

/* A scan: the first cell it looks at, and what is known of where it ends. */
static void bounds_scan(struct bounds *s, value v) {
    bounds_access(s, v);
    const struct insn *in = ir_at(s->f, v);
    struct interval from = bounds_of(s, in->a);
    if (from.lo > from.hi)
        from = (struct interval){in->imm, in->imm};
    if (in->stride > 0)
        from.hi = in->imm;
    else
        from.lo = in->imm;
    bounds_set(s, v, from);
}

static void bounds_phi(struct bounds *s, value v) {
    if (ir_at(s->f, v)->kind != KIND_PTR)
        return;
    const struct bounds_root *r = bounds_root(s, v);
    struct interval both = {r->edge[0].lo > r->edge[1].lo ? r->edge[0].lo : r->edge[1].lo,
                            r->edge[0].hi < r->edge[1].hi ? r->edge[0].hi : r->edge[1].hi};
    if (r->edge[0].lo > r->edge[0].hi || r->edge[1].lo > r->edge[1].hi || both.lo > both.hi)
        both = NOTHING;
    bounds_set(s, v, both);
}

static void bounds_start(struct bounds *s, value tape) {
    if (!s->f->program)
        return;
    bounds_set(s, tape, (struct interval){0, bounds_last_cell(s->f)});
}

/* Tells the pointer phis of the successors what is known at the end of b. */
static void bounds_tell(struct bounds *s, block b) {
    const struct block_data *d = ir_block(s->f, b);
    for (unsigned n = 0; n < d->nsucc; n++) {
        unsigned slot = ir_pred_slot(s->f, b, d->succ[n]);
        IR_FOR_INSNS (s->f, d->succ[n], v) {
            const struct insn *in = ir_at(s->f, v);
            if (in->op != OP_PHI)
                break;
            if (in->kind != KIND_PTR)
                continue;
            struct interval i = bounds_of(s, *ir_phi_operand(s->f, v, slot));
            bounds_root(s, v)->edge[slot] = i;
            if (ir_block(s->f, d->succ[n])->npred == 1)
                bounds_root(s, v)->edge[1] = i;
        }
    }
}

static void bounds_enter(struct bounds *s, block b) {
    s->undo_at[b.i] = s->nundo;
    IR_FOR_INSNS_SAFE (s->f, b, v) {
        switch ((int)ir_at(s->f, v)->op) {
        case OP_TAPE:
            bounds_start(s, v);
            break;
        case OP_PHI:
            bounds_phi(s, v);
            break;
        case OP_SCAN:
            bounds_scan(s, v);
            break;
        case OP_LOAD:
        case OP_STORE:
        case OP_TOUCH:
            bounds_access(s, v);
            break;
        default:
            break;
        }
    }
    bounds_tell(s, b);
    if (s->end)
        s->end(s->context, s, b);
}

static void bounds_leave(struct bounds *s, block b) {
    while (s->nundo > s->undo_at[b.i]) {
        const struct bounds_undo *u = &s->undo[--s->nundo];
        s->root[u->root].now = u->old;
    }
}

static void bounds_once(struct bounds *s, struct domtree *t) {
    domtree_rewind(t);
    while (domtree_next(t)) {
        if (t->leaving)
            bounds_leave(s, t->at);
        else
            bounds_enter(s, t->at);
    }
}

/* `before`: walks before the last, of which the first knows nothing of back edges. */
static void bounds_walks(struct func *f, unsigned before, bounds_visit *visit, bounds_end *end,
                         void *context) {
    struct bounds s = {.f = f, .context = context, .nroot = 1};
    struct rpo r = cfg_rpo(f);
    struct dom d = cfg_dom(f, &r);
    struct domtree t = domtree_make(f, &r, &d);
    cells_init(&s.cells, f);
    s.number = xcalloc(f->ninsn, sizeof *s.number);
    s.undo_at = xcalloc(f->nblock, sizeof *s.undo_at);
    for (unsigned n = 0; n < before; n++)
        bounds_once(&s, &t);
    s.visit = visit;
    s.end = end;
    bounds_once(&s, &t);
    domtree_free(&t);
    cfg_dom_free(&d);
    cfg_rpo_free(&r);
    cells_free(&s.cells);
    xfree(s.number);
    xfree(s.root);
    xfree(s.undo);
    xfree(s.undo_at);
}

void bounds_walk(struct func *f, bounds_visit *visit, void *context) {
    bounds_walks(f, 1, visit, NULL, context);
}

void bounds_at_ends(struct func *f, bounds_end *end, void *context) {
    bounds_walks(f, 2, NULL, end, context);
}

bool bounds_knows(struct bounds *s, value p, int64_t lo, int64_t hi) {
    struct interval i = bounds_of(s, p);
    return i.lo <= lo && hi <= i.hi;
}
