/* test_synth.c: expressions for functions of one cell: right for every value, and without a table
 * wherever a formula will do. */
#include <criterion/criterion.h>
#include <string.h>

#include "passes/synth.h"
#include "tests/unit/expr_value.h"

#define CELL_KEY 3 /* offsets of cells */
#define CELL_X   4
#define CELL_Y   5

static struct explore e;
static struct synth s;

static void setup(void) {
    memset(&e, 0, sizeof e);
    exprs_init(&e.x, 8);
    e.keyed = true;
    e.key_off = CELL_KEY;
    synth_begin(&s);
    for (unsigned v = 0; v < 256; v++) {
        s.alive[v] = true;
        s.at[v].slot[SLOT_BAD] = expr_const(&e.x, 0);
    }
}

static node cell(int64_t off) {
    return expr_leaf(&e.x, OP_LOAD, (node){0}, off);
}

static uint8_t value_of(node n, unsigned key, unsigned x, unsigned y, unsigned *tables) {
    const uint64_t cells[] = {[CELL_KEY] = key, [CELL_X] = x, [CELL_Y] = y};
    *tables = expr_count(&e.x, n, OP_LOOKUP);
    return (uint8_t)expr_value(&e.x, n, cells);
}

/* Slot `slot` comes out as it was for each living value, with so many tables; the slot of dead ways
 * tells which are dead. */
static void check_slot(unsigned slot, unsigned want_tables, unsigned dead_tables) {
    struct outcome o;
    unsigned tables;
    struct synth copy = s;
    cr_assert(synth_finish(&copy, &e, &o));
    for (unsigned v = 0; v < 256; v++) {
        for (unsigned x = 0; x < 3; x++) {
            unsigned a = (x * 77 + 5) & 255, b = (x * 130 + 200) & 255;
            uint8_t bad = value_of(o.slot[SLOT_BAD], v, a, b, &tables);
            cr_expect_eq(tables, dead_tables, "%u tables tell what is dead", tables);
            cr_expect_eq(bad != 0, !s.alive[v], "%u is %s", v, bad ? "dead" : "alive");
            if (!s.alive[v])
                continue;
            uint8_t want = value_of(s.at[v].slot[slot], v, a, b, &tables);
            uint8_t got = value_of(o.slot[slot], v, a, b, &tables);
            cr_expect_eq(got, want, "for %u: %u, not %u", v, got, want);
            cr_expect_eq(tables, want_tables, "%u tables", tables);
        }
    }
}

static void number_slot(uint8_t (*f)(unsigned v, unsigned k), unsigned k) {
    for (unsigned v = 0; v < 256; v++)
        s.at[v].slot[SLOT_EXIT] = expr_const(&e.x, f(v, k));
}

/* ---- one base: constants ---- */

static uint8_t affine(unsigned v, unsigned k) {
    return (uint8_t)(v * k + 3 * k + 1);
}
static uint8_t masked(unsigned v, unsigned k) {
    return (uint8_t)(v & ((1u << k) - 1));
}
static uint8_t shifted(unsigned v, unsigned k) {
    return (uint8_t)(v >> k);
}
static uint8_t one_differs(unsigned v, unsigned k) {
    return v == k ? 9 : 4;
}
/* A range, which may go round the end. */
static uint8_t range(unsigned v, unsigned k) {
    return ((v - k) & 255) < 100 ? 200 : 17;
}
static uint8_t wild(unsigned v, unsigned k) {
    return (uint8_t)((v * v * 13 + (v >> 2)) ^ k);
}
static uint8_t two_ranges(unsigned v, unsigned k) {
    return ((v - k) & 127) < 30 ? 200 : 17;
}

static void check_numbers(uint8_t (*f)(unsigned, unsigned), unsigned from, unsigned to,
                          unsigned tables) {
    for (unsigned k = from; k <= to; k++) {
        setup();
        number_slot(f, k);
        check_slot(SLOT_EXIT, tables, 0);
        exprs_free(&e.x);
    }
}

Test(synth, products) {
    check_numbers(affine, 0, 5, 0);
    check_numbers(affine, 125, 130, 0);
    check_numbers(affine, 251, 255, 0); /* negative */
}

Test(synth, bits) {
    check_numbers(masked, 1, 7, 0);
    check_numbers(shifted, 1, 7, 0);
}

Test(synth, two_numbers) {
    static const unsigned at[] = {0, 1, 99, 155, 156, 157, 254, 255};
    for (unsigned i = 0; i < sizeof at / sizeof *at; i++) {
        check_numbers(one_differs, at[i], at[i], 0);
        check_numbers(range, at[i], at[i], 0);
    }
}

Test(synth, tables) {
    check_numbers(wild, 0, 2, 1);
    check_numbers(two_ranges, 0, 2, 1);
}

/* ---- several bases ---- */

/* v decides between cell X and cell Y, each with its own product of the key. */
static void base_slot(bool (*first)(unsigned v), unsigned slope_x, unsigned slope_y) {
    for (unsigned v = 0; v < 256; v++) {
        bool x = first(v);
        node n = expr_const(&e.x, x ? slope_x * v + 7 : slope_y * v + 30);
        s.at[v].slot[SLOT_OUT] = expr_make(&e.x, OP_ADD, cell(x ? CELL_X : CELL_Y), n, (node){0});
    }
}

static bool small(unsigned v) {
    return v < 40;
}
static bool all_but_zero(unsigned v) {
    return v != 0;
}
static bool all_but_nine(unsigned v) {
    return v != 9;
}
static bool middle(unsigned v) {
    return v >= 50 && v < 60;
}
static bool ends(unsigned v) {
    return v < 5 || v > 250;
}
static bool odd(unsigned v) {
    return v & 1;
}

Test(synth, bases) {
    static bool (*const simple[])(unsigned) = {small, all_but_zero, all_but_nine, middle, ends};
    for (unsigned i = 0; i < sizeof simple / sizeof *simple; i++) {
        for (unsigned slope = 0; slope < 3; slope++) {
            setup();
            base_slot(simple[i], 2, slope);
            check_slot(SLOT_OUT, 0, 0);
            exprs_free(&e.x);
        }
    }
    for (unsigned slope = 0; slope < 3; slope++) {
        setup();
        base_slot(odd, 2, slope);
        check_slot(SLOT_OUT, 1, 0);
        exprs_free(&e.x);
    }
}

/* The same multiple of the key everywhere is added once. */
Test(synth, common_slope) {
    unsigned count[2];
    for (unsigned k = 0; k < 2; k++) {
        setup();
        base_slot(small, 3, 3 + k);
        struct outcome o;
        struct synth copy = s;
        cr_assert(synth_finish(&copy, &e, &o));
        count[k] = expr_count(&e.x, o.slot[SLOT_OUT], OP_MUL);
        exprs_free(&e.x);
    }
    cr_assert_eq(count[0], 1);
    cr_assert_eq(count[1], 2);
}

/* Three bases are no problem, four are too many. */
Test(synth, too_many_bases) {
    for (unsigned n = 2; n <= 4; n++) {
        setup();
        for (unsigned v = 0; v < 256; v++) {
            unsigned i = v * n / 256;
            node x = cell(CELL_X), y = cell(CELL_Y);
            node base[] = {x, y, expr_make(&e.x, OP_MUL, x, y, (node){0}),
                           expr_make(&e.x, OP_XOR, x, y, (node){0})};
            s.at[v].slot[SLOT_OUT] = base[i];
        }
        struct outcome o;
        struct synth copy = s;
        cr_expect_eq(synth_finish(&copy, &e, &o), n <= 3, "%u bases", n);
        if (n <= 3)
            check_slot(SLOT_OUT, 0, 0);
        exprs_free(&e.x);
    }
}

/* ---- dead values ---- */

Test(synth, dead_values) {
    static bool (*const dead[])(unsigned) = {small, all_but_zero, all_but_nine, middle, ends, odd};
    for (unsigned i = 0; i < sizeof dead / sizeof *dead; i++) {
        setup();
        number_slot(affine, 3);
        unsigned living = 0;
        for (unsigned v = 0; v < 256; v++) {
            s.alive[v] = !dead[i](v);
            living += s.alive[v];
            if (!s.alive[v]) /* whatever stands there */
                s.at[v].slot[SLOT_EXIT] = expr_const(&e.x, v * v * 31);
        }
        struct outcome o;
        struct synth copy = s;
        if (living < 2)
            cr_expect(!synth_finish(&copy, &e, &o), "one value is no function");
        else
            check_slot(SLOT_EXIT, 0, dead[i] == odd);
        exprs_free(&e.x);
    }
}

/* What is dead may take any number: two ranges with nothing alive between are one. */
Test(synth, between_the_living) {
    setup();
    number_slot(two_ranges, 0);
    for (unsigned v = 64; v < 256; v++)
        s.alive[v] = false;
    check_slot(SLOT_EXIT, 0, 0);
    exprs_free(&e.x);
}

/* A cell that only some ways access is as it was on the others; the key is what it was. */
Test(synth, cells_that_came_up_later) {
    setup();
    e.ncell = 2;
    e.cell[0] = CELL_KEY;
    e.cell[1] = CELL_X;
    for (unsigned v = 0; v < 100; v++) {
        s.at[v].slot[SLOT_CELL] = expr_const(&e.x, 0);
        s.at[v].slot[SLOT_CELL + 1] =
            expr_make(&e.x, OP_ADD, cell(CELL_X), expr_const(&e.x, 5), (node){0});
    }
    struct outcome o;
    unsigned tables;
    cr_assert(synth_finish(&s, &e, &o));
    for (unsigned v = 0; v < 256; v++) {
        cr_expect_eq(value_of(o.slot[SLOT_CELL], v, 44, 0, &tables), v < 100 ? 0 : v);
        cr_expect_eq(value_of(o.slot[SLOT_CELL + 1], v, 44, 0, &tables), v < 100 ? 49 : 44);
    }
    exprs_free(&e.x);
}
