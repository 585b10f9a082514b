/* cells.c: numbering of (root, offset) pairs; see cells.h.
 *
 * The way from a pointer to its root is remembered for every move on a chain of several, so that a
 * chain of any length costs linear time altogether.  A root may turn into a COPY while a pass runs;
 * the walk then goes on from where it had stopped. */
#include "passes/cells.h"

#include <string.h>

#include "runtime/alloc.h"

void cells_init(struct cells *c, struct func *f) {
    *c = (struct cells){.f = f, .n = 1, .size = 64};
}

void cells_expect_all(struct cells *c) {
    assert(!c->table);
    while (c->size < c->f->ninsn / 8) /* a guess; it grows */
        c->size *= 2;
}

#ifdef NDEBUG
#define CELLS_FEW 512
#else
#define CELLS_FEW 3 /* so that every test forgets */
#endif

void cells_forget(struct cells *c) {
    if (c->n < CELLS_FEW)
        return;
    memset(c->table, 0, c->size * sizeof *c->table);
    c->n = 1;
    c->last = 0;
}

void cells_free(struct cells *c) {
    xfree(c->at);
    xfree(c->table);
    xfree(c->pointer);
}

/* Makes room in the memo for every value there is. */
static void cells_cover(struct cells *c) {
    uint32_t want = c->f->insn_cap;
    c->pointer = xrealloc(c->pointer, want, sizeof *c->pointer);
    memset(c->pointer + c->npointer, 0, (want - c->npointer) * sizeof *c->pointer);
    c->npointer = want;
}

/* One step from p towards its root: the memo's answer, or through one move; false at a root. */
static bool cells_step(struct cells *c, value *p, int64_t *k) {
    const struct insn *in = ir_at(c->f, *p);
    if (in->op != OP_MOVE)
        return false;
    struct cell known = c->pointer[p->i];
    *k = cells_add(*k, known.root.i ? known.off : in->imm);
    *p = ir_resolve(c->f, known.root.i ? known.root : in->a);
    return true;
}

struct cell cells_address(struct cells *c, value p, int64_t k) {
    p = ir_resolve(c->f, p);
    if (!ir_is(c->f, p, OP_MOVE))
        return (struct cell){p, k};
    /* Most chains are one move long: no need to remember those. */
    value root = ir_resolve(c->f, ir_at(c->f, p)->a);
    if (!ir_is(c->f, root, OP_MOVE))
        return (struct cell){root, cells_add(k, ir_at(c->f, p)->imm)};
    if (c->npointer < c->f->ninsn)
        cells_cover(c);
    root = p;
    int64_t total = 0;
    while (cells_step(c, &root, &total))
        ;
    for (int64_t left = total; !same_value(p, root);) {
        struct cell old = {p, left};
        int64_t step = 0;
        cells_step(c, &p, &step);
        c->pointer[old.root.i] = (struct cell){root, left};
        left = cells_add(left, (int64_t)(0 - (uint64_t)step));
    }
    return (struct cell){root, cells_add(k, total)};
}

static bool same_cell(struct cell a, struct cell b) {
    return same_value(a.root, b.root) && a.off == b.off;
}

/* Where to look first.  Four neighbouring cells stand together, which makes one cache line of them:
 * programs work on neighbours. */
static uint32_t cells_hash(struct cell a) {
    uint64_t x = ((uint64_t)a.root.i << 32) ^ ((uint64_t)a.off >> 2);
    x *= UINT64_C(0x9e3779b97f4a7c15);
    x ^= x >> 29;
    x *= UINT64_C(0xbf58476d1ce4e5b9);
    return (uint32_t)(x >> 32) << 2 | (uint32_t)(a.off & 3);
}

/* The place of a in the table, or the free one where it belongs. */
static struct cells_entry *cells_find(struct cells *c, struct cell a) {
    uint32_t h = cells_hash(a) & (c->size - 1);
    while (c->table[h].id != 0 && (c->table[h].root != a.root.i || c->table[h].off != a.off))
        h = (h + 1) & (c->size - 1);
    return &c->table[h];
}

static void cells_rehash(struct cells *c) {
    xfree(c->table);
    c->size *= 2;
    c->table = xcalloc(c->size, sizeof *c->table);
    for (uint32_t i = 1; i < c->n; i++)
        *cells_find(c, c->at[i]) = (struct cells_entry){c->at[i].root.i, i, c->at[i].off};
}

uint32_t cells_id(struct cells *c, value p, int64_t k) {
    struct cell a = cells_address(c, p, k);
    if (c->last && same_cell(a, c->at[c->last]))
        return c->last;
    if (!c->table)
        c->table = xcalloc(c->size, sizeof *c->table);
    struct cells_entry *e = cells_find(c, a);
    if (e->id != 0)
        return c->last = e->id;
    c->at = xgrow(c->at, &c->cap, (uint64_t)c->n + 1, sizeof *c->at);
    c->at[c->n] = a;
    *e = (struct cells_entry){a.root.i, c->n, a.off};
    if (2 * (uint64_t)++c->n > c->size)
        cells_rehash(c);
    return c->last = c->n - 1;
}

uint32_t cells_of(struct cells *c, value v) {
    const struct insn *in = ir_at(c->f, v);
    return cells_id(c, in->a, in->imm);
}

uint64_t cells_on_tape(const struct func *f) {
    uint64_t page = 4096 * 8 / f->cell_bits; /* the smallest tape there is */
    return f->tape_cells ? f->tape_cells : page;
}

bool cell_starts_zero(const struct func *f, struct cell c) {
    return f->program && ir_is(f, c.root, OP_TAPE) && c.off >= 0 &&
           (uint64_t)c.off < cells_on_tape(f);
}
