/* synth.c: expressions for functions of one cell; see synth.h.
 *
 * A slot's 256 results are sorted by their base (expr_split): usually one to three.  The constants
 * that belong to a base are a function of the key on the values that have this base, anything on
 * the others; it is looked for among affine functions, masked and shifted keys, and two values told
 * apart by a comparison; if none fits it becomes a table.  Which base it is becomes a comparison of
 * the key, or a table, too. */
#include "passes/synth.h"

#include <string.h>

#define MAX_BASES 3

struct base {
    node n;
    bool has[256];
    uint8_t plus[256];
    node function; /* of the key: the constant */
    uint64_t slope, offset;
    bool affine;
};

struct work {
    struct explore *e;
    node key;
    bool care[256];
    struct base base[MAX_BASES];
    unsigned nbase;
};

void synth_begin(struct synth *s) {
    memset(s, 0, sizeof *s);
}

static node make(struct work *w, enum op op, node a, node b) {
    return expr_make(&w->e->x, op, a, b, (node){0});
}

static node num(struct work *w, uint64_t n) {
    return expr_const(&w->e->x, n);
}

/* ---- sets of values ---- */

/* An expression that is not 0 exactly on the values `in`, among those of `care`. */
struct predicate {
    node n;
    bool negated; /* 0 exactly on them */
};

/* Are the values `in`, among those that matter, all from *lo to *lo + *n - 1 (mod 256), and no
 * others there? */
static bool find_interval(const bool *care, const bool *in, unsigned *lo, unsigned *n) {
    unsigned starts = 0, ends = 0, hi = 0;
    int before = -1;
    for (unsigned v = 256; v-- > 0 && before < 0;)
        before = care[v] ? (int)v : -1;
    for (unsigned v = 0; v < 256 && before >= 0; v++) {
        if (!care[v])
            continue;
        if (in[v] && !in[before]) {
            starts++;
            *lo = v;
        }
        if (!in[v] && in[before]) {
            ends++;
            hi = (unsigned)before;
        }
        before = (int)v;
    }
    *n = ((hi - *lo) & 255) + 1;
    return starts == 1 && ends == 1;
}

/* Is `in` exactly one of the values that matter? */
static int only_value(const bool *care, const bool *in, bool want) {
    int only = -1;
    for (int v = 0; v < 256; v++) {
        if (!care[v] || in[v] != want)
            continue;
        if (only >= 0)
            return -1;
        only = v;
    }
    return only;
}

/* An expression that is cheaper than a table. */
static bool find_comparison(struct work *w, const bool *care, const bool *in, struct predicate *p) {
    for (unsigned want = 0; want < 2; want++) {
        int v = only_value(care, in, want);
        if (v < 0)
            continue;
        *p = (struct predicate){v == 0 ? w->key : make(w, OP_EQ, w->key, num(w, (uint64_t)v)),
                                (want != 0) == (v == 0)};
        return true;
    }
    unsigned lo = 0, n = 0;
    if (!find_interval(care, in, &lo, &n))
        return false;
    *p = (struct predicate){make(w, OP_ULT, make(w, OP_ADD, w->key, num(w, 256 - lo)), num(w, n)),
                            false};
    return true;
}

static struct predicate find_predicate(struct work *w, const bool *care, const bool *in) {
    struct predicate p;
    if (find_comparison(w, care, in, &p))
        return p;
    uint8_t table[256];
    for (unsigned v = 0; v < 256; v++)
        table[v] = care[v] && in[v];
    return (struct predicate){expr_lookup(&w->e->x, w->key, table), false};
}

static node choose(struct work *w, struct predicate p, node yes, node no) {
    return expr_make(&w->e->x, OP_SELECT, p.n, p.negated ? no : yes, p.negated ? yes : no);
}

/* ---- constants ---- */

static bool fits(const struct base *b, uint64_t slope, uint64_t offset, unsigned mask,
                 unsigned shift) {
    for (unsigned v = 0; v < 256; v++)
        if (b->has[v] && b->plus[v] != (uint8_t)(slope * ((v & mask) >> shift) + offset))
            return false;
    return true;
}

static bool find_affine(struct work *w, struct base *b) {
    unsigned v = 0;
    while (!b->has[v])
        v++;
    for (unsigned n = 0; n < 256; n++) {
        uint64_t slope = (n & 1) ? 256 - (n + 1) / 2 : n / 2; /* 0, -1, 1, -2, 2 ... */
        uint64_t offset = (b->plus[v] - slope * v) & 255;
        if (!fits(b, slope & 255, offset, 255, 0))
            continue;
        b->affine = true;
        b->slope = slope & 255;
        b->offset = offset;
        b->function = make(w, OP_ADD, make(w, OP_MUL, w->key, num(w, slope)), num(w, offset));
        return true;
    }
    return false;
}

static bool find_bits(struct work *w, struct base *b) {
    for (unsigned n = 1; n < 8; n++) {
        unsigned low = (1u << n) - 1;
        if (fits(b, 1, 0, low, 0)) {
            b->function = make(w, OP_AND, w->key, num(w, low));
            return true;
        }
        if (fits(b, 1, 0, 255, n)) {
            b->function = make(w, OP_SHR, w->key, num(w, n));
            return true;
        }
    }
    return false;
}

static bool find_two(struct work *w, struct base *b) {
    bool second[256] = {false};
    int one = -1, two = -1;
    for (unsigned v = 0; v < 256; v++) {
        if (!b->has[v])
            continue;
        if (one < 0)
            one = b->plus[v];
        if (b->plus[v] != one) {
            if (two >= 0 && b->plus[v] != two)
                return false;
            two = b->plus[v];
            second[v] = true;
        }
    }
    struct predicate p;
    if (!find_comparison(w, b->has, second, &p))
        return false;
    b->function = choose(w, p, num(w, (uint64_t)two), num(w, (uint64_t)one));
    return true;
}

static void find_function(struct work *w, struct base *b) {
    if (find_affine(w, b) || find_bits(w, b) || find_two(w, b))
        return;
    b->function = expr_lookup(&w->e->x, w->key, b->plus);
}

/* ---- slots ---- */

static struct base *base_of(struct work *w, node n) {
    for (unsigned i = 0; i < w->nbase; i++)
        if (same_node(w->base[i].n, n))
            return &w->base[i];
    if (w->nbase == MAX_BASES)
        return NULL;
    struct base *b = &w->base[w->nbase++];
    memset(b, 0, sizeof *b);
    b->n = n;
    return b;
}

static bool sort_by_base(struct work *w, const struct synth *s, unsigned slot) {
    w->nbase = 0;
    for (unsigned v = 0; v < 256; v++) {
        if (!w->care[v])
            continue;
        uint64_t plus;
        struct base *b = base_of(w, expr_split(&w->e->x, s->at[v].slot[slot], &plus));
        if (!b)
            return false;
        b->has[v] = true;
        b->plus[v] = (uint8_t)plus;
    }
    for (unsigned i = 0; i < w->nbase; i++)
        find_function(w, &w->base[i]);
    return true;
}

/* Do all bases add the same multiple of the key? */
static bool same_slope(const struct work *w) {
    for (unsigned i = 0; i < w->nbase; i++)
        if (!w->base[i].affine || w->base[i].slope != w->base[0].slope)
            return false;
    return true;
}

static bool find_slot(struct work *w, const struct synth *s, unsigned slot, node *result) {
    if (!sort_by_base(w, s, slot))
        return false;
    bool common = same_slope(w);
    node sum = {0};
    for (unsigned i = 0; i < w->nbase; i++) {
        struct base *b = &w->base[i];
        node plus = common ? num(w, b->offset) : b->function;
        node is = b->n.i ? make(w, OP_ADD, b->n, plus) : plus;
        sum = i == 0 ? is : choose(w, find_predicate(w, w->care, b->has), is, sum);
    }
    if (common)
        sum = make(w, OP_ADD, sum, make(w, OP_MUL, w->key, num(w, w->base[0].slope)));
    *result = sum;
    return true;
}

/* Values for which all ways are dead are bad. */
static void add_dead(struct work *w, const struct synth *s, struct outcome *o) {
    bool all[256], dead[256], any = false;
    for (unsigned v = 0; v < 256; v++) {
        all[v] = true;
        dead[v] = !s->alive[v];
        any |= dead[v];
    }
    if (any)
        o->slot[SLOT_BAD] = choose(w, find_predicate(w, all, dead), num(w, 1), o->slot[SLOT_BAD]);
}

static bool synth_slots(struct synth *s, struct explore *e, struct outcome *o, bool all) {
    struct work w = {.e = e, .key = expr_leaf(&e->x, OP_LOAD, (node){0}, e->key_off)};
    memcpy(w.care, s->alive, sizeof w.care);
    unsigned alive = 0;
    for (unsigned v = 0; v < 256; v++)
        alive += s->alive[v];
    if (alive < 2)
        return false;
    memset(o, 0, sizeof *o);
    for (unsigned v = 0; v < 256; v++) /* cells that came up later are as they were */
        for (unsigned c = 0; c < e->ncell && s->alive[v]; c++)
            if (!s->at[v].slot[SLOT_CELL + c].i)
                s->at[v].slot[SLOT_CELL + c] =
                    e->cell[c] == e->key_off ? expr_const(&e->x, v)
                                             : expr_leaf(&e->x, OP_LOAD, (node){0}, e->cell[c]);
    for (unsigned slot = 0; slot < SLOT_COUNT; slot++) {
        unsigned v = 0;
        while (!s->alive[v])
            v++;
        if (s->at[v].slot[slot].i && !find_slot(&w, s, slot, &o->slot[slot]))
            return false;
    }
    if (all)
        add_dead(&w, s, o);
    return true;
}

bool synth_finish(struct synth *s, struct explore *e, struct outcome *o) {
    return synth_slots(s, e, o, true);
}

bool synth_some(struct synth *s, struct explore *e, struct outcome *o) {
    return synth_slots(s, e, o, false);
}
