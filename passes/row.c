/* row.c: a row of choices by one counter is gone through without looking at the tape.
 *
 *   b4: %4 = phi b2 %3, b3 %9         b4: %20 = phi b2 %3, b3 %9
 *       %5 = load %4 - 2                  %21 = load %20 - 2
 *       store %4 - 2, %5 - 1              br (the cells at -1 and 0 are 0), f4, d4
 *       store %4, -1                  d4: %4 = phi b4 %20, x4 %20
 *       %6 = scan %4 - 2, step 1          as before, to b5 or b6
 *       %7 = load %6 - 1         =>   b6: likewise, to f6 or d6; d6 to b7 or b8
 *       store %6 - 1, %7 + 1              ...
 *       br %7 + 1, b5, b6             f4: %22 = add %21, -1
 *   b5: what is chosen                    br %22, f6, x4
 *       -> b6                         f6: %23 = phi f4 %22, b6 (load -2); and the pointer
 *   b6: the same again                    %24 = add %23, -1
 *                                         br %24, f8, x6
 *                                     x6: store the pointer - 2, 1
 *                                         -> d6
 *
 * Programs that were compiled to Brainfuck choose the next instruction by its number: count down,
 * test, and do it if the number is 0; up to 256 times in a row.  Each test may be a walk, so that
 * each choice waits for what the last one stored, and finds its pointer by a load and a branch. But
 * if the counter is not 0 yet, and a few cells are 0, then a choice changes nothing but the
 * counter: two instructions.  Some of the choices ask for that first, and lead to copies of all
 * that follow, which only count.  Where the count becomes 0, the counter is stored, and the old
 * code makes this choice once more; what it leads to comes to a choice that asks again.
 *
 * What a choice does is found by following its block with symbols for the cells (as explore.h does
 * for whole iterations), so it need not look like the above: a block that decides between the same
 * way on and another.
 *
 * Traps: which cells are 0 is asked of cells between those that the block accesses anyway, these
 * first and in its order.  The copies access what is known to be on the tape by then.
 *
 * Relies on: idioms being scans; offsets merged; stores forwarded inside blocks.  Linear.
 * Tests: tests/ir/row. */
#include "ir/cfg.h"
#include "passes/cells.h"
#include "passes/pass.h"
#include "runtime/alloc.h"

#define ROW_LEAST  6                  /* choices, or it is not worth it */
#define ROW_LEFT   4                  /* choices left, or entering the copies is not worth it */
#define ROW_EVERY  8                  /* choices, one asks: the others are soon behind */
#define CELLS      8                  /* that a choice accesses */
#define INSNS      40                 /* that it has */
#define SCAN_STEPS 4                  /* of its walk */
#define FAR        ((int64_t)1 << 40) /* from its pointer no cell is: sums do not wrap around */

/* A number; or what a cell had at first, plus a number. */
struct known {
    bool first;
    int64_t off; /* of that cell, from the choice's pointer */
    uint64_t n;
};

struct cell_now {
    int64_t off;
    struct known is;
    uint32_t src;
    bool certain; /* accessed whatever is chosen */
    bool stored;
};

struct choice {
    block b;
    value root; /* its only phi */
    /* It is the way on if this cell plus this number is not 0, and */
    bool counts;
    int64_t counter;
    uint64_t step;
    /* these cells are. */
    int64_t zero[CELLS];
    unsigned nzero;
    unsigned on;   /* the successor that is the way on */
    uint32_t next; /* the choice there, by the same cells; 0: none.  (At first its block.) */
    bool follows;  /* there is one before */
    bool bad;      /* what it computes is used further on */
};

struct row {
    struct func *f;
    struct cells cells;
    struct choice *choice; /* from 1 */
    uint32_t nchoice, cap;
    uint32_t *of; /* by block: the choice it is */
    struct dom dom;

    /* The choice being followed. */
    struct choice *c;
    struct cell_now cell[CELLS];
    unsigned ncell;
    value scan; /* its result, */
    int64_t at; /* which is so far from the root */
    value value[INSNS];
    struct known is[INSNS];
    unsigned nis;

    /* What its copy knows; where the counter comes from in the source. */
    value pointer, count;
    uint32_t src;
};

/* ---- following a choice ---- */

static struct known number(uint64_t n) {
    return (struct known){.n = n};
}

static bool is_zero(const struct choice *c, int64_t off) {
    for (unsigned i = 0; i < c->nzero; i++)
        if (c->zero[i] == off)
            return true;
    return false;
}

/* From now on the choice asks for cell `off` to be 0. */
static bool ask_zero(struct row *r, int64_t off) {
    struct choice *c = r->c;
    if (is_zero(c, off))
        return true;
    if (c->nzero == CELLS || (c->counts && off == c->counter))
        return false;
    c->zero[c->nzero++] = off;
    return true;
}

/* What is known of k by now. */
static struct known resolve(const struct row *r, struct known k) {
    if (k.first && is_zero(r->c, k.off))
        return number(k.n);
    return k;
}

static bool known_of(const struct row *r, value v, struct known *k) {
    if (ir_is_const(r->f, v)) {
        *k = number(ir_const_of(r->f, v));
        return true;
    }
    for (unsigned i = 0; i < r->nis; i++)
        if (same_value(r->value[i], v)) {
            *k = resolve(r, r->is[i]);
            return true;
        }
    return false;
}

static void keep_known(struct row *r, value v, struct known k) {
    r->value[r->nis] = v;
    r->is[r->nis++] = k;
}

/* The address p + k as an offset from the root; false if it is none. */
static bool offset_of(struct row *r, value p, int64_t k, int64_t *off) {
    struct cell a = cells_address(&r->cells, p, k);
    if (same_value(a.root, r->c->root))
        *off = a.off;
    else if (r->scan.i && same_value(a.root, r->scan))
        *off = cells_add(a.off, r->at);
    else
        return false;
    return *off > -FAR && *off < FAR;
}

/* What is known of a cell; NULL if there are too many. */
static struct cell_now *cell_at(struct row *r, int64_t off, uint32_t src) {
    for (unsigned i = 0; i < r->ncell; i++)
        if (r->cell[i].off == off)
            return &r->cell[i];
    if (r->ncell == CELLS)
        return NULL;
    struct cell_now *c = &r->cell[r->ncell++];
    *c = (struct cell_now){
        .off = off, .is = {.first = true, .off = off}, .src = src, .certain = !r->scan.i};
    return c;
}

/* Is k, which is not known, 0?  The first question is the counter's, which is not; other cells are
 * asked to be. */
static bool decide(struct row *r, struct known k, bool *zero) {
    struct choice *c = r->c;
    if (!c->counts) {
        c->counts = true;
        c->counter = k.off;
        c->step = k.n;
    }
    *zero = k.off != c->counter;
    return *zero ? k.n == 0 && ask_zero(r, k.off) : k.n == c->step;
}

static bool test(struct row *r, struct known k, bool *zero) {
    k = resolve(r, k);
    *zero = k.n == 0;
    return !k.first || decide(r, k, zero);
}

static bool follow_access(struct row *r, value v) {
    const struct insn *in = ir_at(r->f, v);
    int64_t off;
    if (!offset_of(r, in->a, in->imm, &off))
        return false;
    struct cell_now *c = cell_at(r, off, in->src);
    if (c == NULL)
        return false;
    if (in->op == OP_LOAD)
        keep_known(r, v, c->is);
    if (in->op == OP_STORE) {
        c->stored = true;
        return known_of(r, in->b, &c->is);
    }
    return true;
}

static bool follow_scan(struct row *r, value v) {
    const struct insn *in = ir_at(r->f, v);
    int64_t at;
    if (r->scan.i || !offset_of(r, in->a, 0, &at))
        return false;
    for (unsigned n = 0; n < SCAN_STEPS; n++) {
        struct cell_now *c = cell_at(r, cells_add(at, in->imm), in->src);
        bool zero;
        if (c == NULL || !test(r, c->is, &zero))
            return false;
        r->scan = v;
        r->at = at;
        if (zero)
            return true;
        at = cells_add(at, in->stride);
    }
    return false;
}

static bool follow_sum(struct row *r, value v) {
    const struct insn *in = ir_at(r->f, v);
    struct known a, b;
    if (!known_of(r, in->a, &a) || !known_of(r, in->b, &b) || b.first)
        return false;
    a.n = ir_wrap(r->f, in->op == OP_ADD ? a.n + b.n : a.n - b.n);
    keep_known(r, v, a);
    return true;
}

/* Follows one instruction of the choice but its last. */
static bool follow_insn(struct row *r, value v) {
    switch ((int)ir_at(r->f, v)->op) {
    case OP_PHI:
    case OP_MOVE:
        return true;
    case OP_LOAD:
    case OP_STORE:
    case OP_TOUCH:
        return follow_access(r, v);
    case OP_SCAN:
        return follow_scan(r, v);
    case OP_ADD:
    case OP_SUB:
        return follow_sum(r, v);
    default:
        return false;
    }
}

/* Follows the choice's block on the way on; finds out what that takes. */
static bool follow(struct row *r, struct choice *c) {
    unsigned left = INSNS;
    r->c = c;
    r->ncell = r->nis = 0;
    r->scan = NO_VALUE;
    IR_FOR_INSNS (r->f, c->b, v) {
        struct known k;
        bool zero;
        if (left-- == 0)
            return false;
        if (ir_is(r->f, v, OP_BR)) {
            if (!known_of(r, ir_at(r->f, v)->a, &k) || !test(r, k, &zero))
                return false;
            c->on = zero ? 1 : 0;
            return c->counts;
        }
        if (!follow_insn(r, v))
            return false;
    }
    return false;
}

/* ---- which blocks are choices ---- */

/* On the way on nothing changes but the counter. */
static bool only_counts(struct row *r) {
    const struct choice *c = r->c;
    bool counted = false;
    for (unsigned i = 0; i < r->ncell; i++) {
        const struct cell_now *cell = &r->cell[i];
        struct known k = resolve(r, cell->is);
        bool changed = !k.first || k.off != cell->off || k.n != 0;
        if (cell->off == c->counter)
            counted = cell->stored && k.first && k.off == c->counter && k.n == c->step;
        else if (changed && (k.first || k.n != 0 || !ask_zero(r, cell->off)))
            return false;
    }
    return counted;
}

/* Which cells are 0 can be asked before the choice: they and the counter lie between cells that it
 * accesses whatever happens.  Under --strict these are the cells asked about, and no others are
 * accessed on the way on. */
static bool can_ask(const struct row *r) {
    const struct choice *c = r->c;
    int64_t low = FAR, high = -FAR;
    for (unsigned i = 0; i < r->ncell; i++) {
        const struct cell_now *cell = &r->cell[i];
        if (r->f->strict && cell->off != c->counter && !is_zero(c, cell->off))
            return false;
        if (cell->certain && cell->off < low)
            low = cell->off;
        if (cell->certain && cell->off > high)
            high = cell->off;
    }
    for (unsigned i = 0; i < c->nzero; i++)
        if (c->zero[i] < low || c->zero[i] > high)
            return false;
    return c->counter >= low && c->counter <= high;
}

/* Its only phi is a pointer. */
static value only_phi(const struct func *f, block b) {
    value first = ir_block(f, b)->first;
    if (!ir_is(f, first, OP_PHI) || ir_at(f, first)->kind != KIND_PTR ||
        ir_is(f, ir_next(f, first), OP_PHI))
        return NO_VALUE;
    return first;
}

/* The way on leads to another choice, with the same pointer? */
static bool leads_on(struct row *r) {
    struct func *f = r->f;
    const struct choice *c = r->c;
    block to = ir_block(f, c->b)->succ[c->on];
    value root = only_phi(f, to);
    int64_t off;
    return root.i && !same_block(to, c->b) &&
           offset_of(r, *ir_phi_operand(f, root, ir_pred_slot(f, c->b, to)), 0, &off) && off == 0;
}

static bool is_choice(struct row *r, struct choice *c) {
    if (ir_block(r->f, c->b)->nsucc != 2)
        return false;
    c->root = only_phi(r->f, c->b);
    return c->root.i && follow(r, c) && only_counts(r) && can_ask(r);
}

/* All choices; `next` is the block that the way on leads to, so far. */
static void find_choices(struct row *r) {
    r->nchoice = 1;
    IR_FOR_BLOCKS (r->f, b) {
        struct choice c = {.b = b};
        if (!is_choice(r, &c))
            continue;
        if (leads_on(r))
            c.next = ir_block(r->f, b)->succ[c.on].i;
        r->choice = xgrow(r->choice, &r->cap, (uint64_t)r->nchoice + 1, sizeof c);
        r->of[b.i] = r->nchoice;
        r->choice[r->nchoice++] = c;
    }
    r->c = NULL; /* c is gone */
}

/* ---- rows ---- */

static bool ask_the_same(const struct choice *a, const struct choice *b) {
    if (a->counter != b->counter || a->step != b->step || a->nzero != b->nzero)
        return false;
    for (unsigned i = 0; i < a->nzero; i++)
        if (!is_zero(b, a->zero[i]))
            return false;
    return true;
}

static void link_choices(struct row *r) {
    for (uint32_t n = 1; n < r->nchoice; n++) {
        struct choice *c = &r->choice[n];
        c->next = r->of[c->next];
        struct choice *next = &r->choice[c->next];
        if (c->next != 0 && !next->follows && ask_the_same(c, next))
            next->follows = true;
        else
            c->next = 0;
    }
}

static uint32_t length_from(const struct row *r, uint32_t n) {
    uint32_t length = 1;
    for (; r->choice[n].next != 0; n = r->choice[n].next)
        length++;
    return length;
}

/* Is there a row, as far as is known by now? */
static bool any_row(const struct row *r) {
    for (uint32_t n = 1; n < r->nchoice; n++)
        if (!r->choice[n].follows && length_from(r, n) >= ROW_LEAST)
            return true;
    return false;
}

/* Is `at` reached only through what the choice chooses? */
static bool in_chosen(const struct row *r, const struct choice *c, block at) {
    block chosen = ir_block(r->f, c->b)->succ[1 - c->on];
    const struct block_data *d = ir_block(r->f, chosen);
    for (unsigned n = 0; n < d->npred; n++)
        if (!same_block(d->pred[n], c->b) && !cfg_dominates(&r->dom, chosen, d->pred[n]))
            return false;
    return cfg_dominates(&r->dom, chosen, at);
}

/* What a choice computes must not be used on a way that now leads around it. */
static void see_use(struct row *r, value user, unsigned operand, value v) {
    block home = ir_home(r->f, v), at = ir_home(r->f, user);
    struct choice *c = &r->choice[home.i ? r->of[home.i] : 0];
    if (c == r->choice)
        return;
    if (ir_is(r->f, user, OP_PHI))
        at = ir_block(r->f, at)->pred[operand];
    if (!same_block(at, home) && !in_chosen(r, c, at))
        c->bad = true;
}

static void see_uses(struct row *r) {
    struct func *f = r->f;
    IR_FOR_BLOCKS (f, b)
        IR_FOR_INSNS (f, b, v)
            for (unsigned n = 0; n < IR_MAX_OPERANDS; n++) {
                const value *o = ir_operand(f, v, n);
                if (o != NULL)
                    see_use(r, v, n, *o);
            }
}

/* Rows end in front of a choice that cannot be led around, and behind it. */
static void unlink_bad(struct row *r) {
    for (uint32_t n = 1; n < r->nchoice; n++) {
        struct choice *c = &r->choice[n];
        if (c->next == 0 || !(c->bad || r->choice[c->next].bad))
            continue;
        r->choice[c->next].follows = false;
        c->next = 0;
    }
}

/* ---- the copies ---- */

/* Are the cells 0, before `at`?  p: the pointer; *count: the counter. */
static value write_question(struct row *r, value at, value p, value *count) {
    struct func *f = r->f;
    value any = NO_VALUE;
    (void)follow(r, r->c); /* for its cells, once more */
    r->src = cell_at(r, r->c->counter, NO_SRC)->src;
    for (unsigned i = 0; i < r->ncell; i++) {
        const struct cell_now *cell = &r->cell[i];
        bool counter = cell->off == r->c->counter;
        if (!counter && !is_zero(r->c, cell->off))
            continue;
        value v = ir_before(f, at, OP_LOAD, p, NO_VALUE, cell->off, cell->src);
        if (counter)
            *count = v;
        else
            any = any.i ? ir_before(f, at, OP_OR, any, v, 0, NO_SRC) : v;
    }
    return any.i ? ir_before(f, at, OP_EQ, any, ir_const(f, 0), 0, NO_SRC) : ir_const(f, 1);
}

/* Opens the present choice for a way in behind its phi, which moves there with it. */
static void open_choice(struct row *r, block copy, bool asks) {
    struct func *f = r->f;
    struct insn phi = *ir_at(f, r->c->root);
    value p = ir_phi(f, r->c->b, KIND_PTR, phi.a, phi.b), at = ir_next(f, r->c->root);
    if (asks) {
        value count = NO_VALUE, zero = write_question(r, at, p, &count);
        ir_redirect(f, ir_detour(f, at, zero, NO_SRC), 0, copy);
        bool first = !r->pointer.i;
        r->pointer = first ? p : ir_phi(f, copy, KIND_PTR, r->pointer, p);
        r->count = first ? count : ir_phi(f, copy, KIND_CELL, r->count, count);
    } else {
        ir_split_block(f, at);
    }
    r->c->b = ir_home(f, at);
    ir_move_before(f, r->c->root, at);
    struct insn *root = ir_at(f, r->c->root);
    root->a = p;
    root->b = r->pointer;
}

/* At the end of b: the counter becomes `count`, and the choice is made as ever. */
static void leave_copy(struct row *r, block b, value count) {
    ir_append(r->f, b, OP_STORE, r->pointer, count, r->c->counter, r->src);
    ir_jmp(r->f, b, r->c->b, NO_SRC);
}

static void write_row(struct row *r, uint32_t first, uint32_t left) {
    struct func *f = r->f;
    block copy = ir_block_new(f, r->choice[first].b), last = copy;
    r->pointer = NO_VALUE;
    for (uint32_t n = first; n != 0; n = r->choice[n].next, left--) {
        r->c = &r->choice[n];
        open_choice(r, copy, n == first || (left > ROW_LEFT && left % ROW_EVERY == 0));
        if (left == 1) {
            leave_copy(r, copy, r->count);
            break;
        }
        value count = r->count;
        r->count = ir_append(f, copy, OP_ADD, count, ir_const(f, r->c->step), 0, NO_SRC);
        block next = ir_block_new(f, copy), out = ir_block_new(f, n == first ? next : last);
        ir_br(f, copy, r->count, next, out, NO_SRC);
        leave_copy(r, out, ir_const(f, ir_wrap(f, 0 - r->c->step)));
        copy = next;
        last = out;
    }
}

/* ---- the pass ---- */

bool pass_row(struct func *f, struct pass_env *env) {
    struct row r = {.f = f};
    bool changed = false;
    r.of = xcalloc(f->nblock, sizeof *r.of);
    cells_init(&r.cells, f);
    find_choices(&r);
    link_choices(&r);
    if (any_row(&r)) {
        struct rpo rpo = cfg_rpo(f);
        r.dom = cfg_dom(f, &rpo);
        see_uses(&r);
        unlink_bad(&r);
        for (uint32_t n = 1; n < r.nchoice; n++) {
            uint32_t length = r.choice[n].follows ? 0 : length_from(&r, n);
            if (length < ROW_LEAST || !pass_may(env))
                continue;
            write_row(&r, n, length);
            pass_count(env, "rows", 1);
            pass_count(env, "choices", length);
            changed = true;
        }
        cfg_dom_free(&r.dom);
        cfg_rpo_free(&rpo);
    }
    cells_free(&r.cells);
    xfree(r.of);
    xfree(r.choice);
    return changed;
}
