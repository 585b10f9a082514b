/* validate.c: runs two versions of a function and compares what can be observed.
 *
 * Relies on eval.c for the meaning.  Trials are made up from a seed, so a failure can be repeated.
 */
#include "ir/validate.h"

#include <string.h>

#include "ir/print.h"
#include "runtime/alloc.h"

/* ---- one trial ---- */

void ir_trial_run(const struct func *f, const struct ir_trial *t, struct eval *e) {
    e->cell = xcalloc_sparse(t->ncell, sizeof *e->cell);
    e->ncell = t->ncell;
    for (uint64_t i = 0; i < t->ninit && i < t->ncell; i++)
        e->cell[i] = ir_wrap(f, t->cell[i]);
    e->pointer = t->pointer;
    e->input = t->input;
    e->ninput = t->ninput;
    e->eof = t->eof;
    e->fuel = t->fuel;
    ir_eval(f, e);
}

void ir_trial_free(struct eval *e) {
    xfree_sparse(e->cell, e->ncell, sizeof *e->cell);
    text_free(&e->output);
}

static void put_end(struct text *out, const struct eval *e) {
    text_put(out, ir_eval_end_name(e->end));
    if (e->end == EVAL_OFF_TAPE)
        text_fmt(out, " (cell %lld, source %u)", (long long)e->end_cell, e->end_src);
    if (e->end == EVAL_WRONG)
        text_fmt(out, " (%s)", e->wrong);
    text_put(out, ", output ");
    size_t shown = e->output.len < 200 ? e->output.len : 200;
    ir_put_string(out, e->output.p ? e->output.p : "", shown);
    if (shown < e->output.len)
        text_put(out, "...");
}

static bool differ(struct text *why, const char *what, const struct eval *a, const struct eval *b) {
    text_fmt(why, "%s\n    before: ", what);
    put_end(why, a);
    text_put(why, "\n    after:  ");
    put_end(why, b);
    text_char(why, '\n');
    return false;
}

static bool is_prefix(const struct text *a, const struct text *b) {
    return a->len <= b->len && (a->len == 0 || memcmp(a->p, b->p, a->len) == 0);
}

static bool same_tapes(const struct eval *a, const struct eval *b, struct text *why) {
    uint64_t low = a->low < b->low ? a->low : b->low, high = a->high > b->high ? a->high : b->high;
    for (uint64_t i = low; i < high; i++) {
        if (a->cell[i] == b->cell[i])
            continue;
        text_fmt(why, "cell %llu ends as %llu before, %llu after\n", (unsigned long long)i,
                 (unsigned long long)a->cell[i], (unsigned long long)b->cell[i]);
        return false;
    }
    return true;
}

static bool same_done(bool ignores_tape, const struct eval *a, const struct eval *b,
                      struct text *why) {
    if (b->end != EVAL_DONE)
        return differ(why, "ends differently", a, b);
    if (a->output.len != b->output.len || !is_prefix(&a->output, &b->output))
        return differ(why, "writes something else", a, b);
    if (a->pointer != b->pointer) {
        text_fmt(why, "the pointer ends at %lld before, %lld after\n", (long long)a->pointer,
                 (long long)b->pointer);
        return false;
    }
    if (a->nread != b->nread) {
        text_fmt(why, "reads %zu bytes before, %zu after\n", a->nread, b->nread);
        return false;
    }
    return ignores_tape || same_tapes(a, b, why);
}

/* In strict functions the touches say exactly where the run ends. */
static bool same_off_tape(const struct func *f, const struct eval *a, const struct eval *b,
                          struct text *why) {
    if (!is_prefix(&a->output, &b->output))
        return differ(why, "loses output before leaving the tape", a, b);
    if (!f->strict || !ir_is(f, a->end_value, OP_TOUCH))
        return true;
    if (b->end != EVAL_OFF_TAPE || a->end_src != b->end_src || a->end_cell != b->end_cell ||
        a->output.len != b->output.len)
        return differ(why, "does not leave the tape at the same operation", a, b);
    return true;
}

/* A trap may turn out to be none where the run left the tape before, unnoticed. */
static bool same_ends(const struct func *f, const struct ir_trial *t, const struct eval *a,
                      const struct eval *b, const struct func *g, struct text *why) {
    bool trap = b->end == EVAL_WRONG && ir_is(g, b->end_value, OP_TRAP);
    if (b->end == EVAL_WRONG && a->end != EVAL_WRONG && !(trap && a->end == EVAL_OFF_TAPE))
        return differ(why, "contradicts itself", a, b);
    switch (a->end) {
    case EVAL_DONE:
        return same_done(t->ignores_tape, a, b, why);
    case EVAL_OFF_TAPE:
        return same_off_tape(f, a, b, why);
    case EVAL_NO_FUEL:
        if (!is_prefix(&a->output, &b->output) &&
            !(b->end == EVAL_NO_FUEL && is_prefix(&b->output, &a->output)))
            return differ(why, "writes something else", a, b);
        return true;
    case EVAL_WRONG:
        break;
    }
    return true;
}

static void put_trial(struct text *why, const struct func *f, const struct ir_trial *t) {
    text_fmt(why, "  in this run: %llu cells, pointer %lld, eof %s, input ",
             (unsigned long long)t->ncell, (long long)t->pointer,
             t->eof == EOF_UNCHANGED ? "unchanged"
             : t->eof == EOF_ZERO    ? "0"
                                     : "-1");
    ir_put_string(why, (const char *)t->input, t->ninput);
    text_put(why, "\n    tape:");
    uint64_t n = t->ninit;
    while (n > 0 && t->cell[n - 1] == 0)
        n--;
    for (uint64_t i = 0; i < n && i < 100; i++)
        text_fmt(why, " %llu", (unsigned long long)ir_wrap(f, t->cell[i]));
    text_put(why, n > 100 ? " ...\n" : "\n");
}

bool ir_same_in_trial(const struct func *before, const struct func *after, const struct ir_trial *t,
                      struct text *why) {
    struct eval a, b;
    ir_trial_run(before, t, &a);
    struct ir_trial longer = *t;
    longer.fuel = t->fuel * 2 + 1000;
    ir_trial_run(after, &longer, &b);
    bool same = same_ends(before, t, &a, &b, after, why);
    if (!same)
        put_trial(why, before, t);
    ir_trial_free(&a);
    ir_trial_free(&b);
    return same;
}

/* ---- made-up trials ---- */

#define TRIAL_CELLS 80   /* size of the tape where the function does not say */
#define TRIAL_INIT  2000 /* cells that get random contents, on large tapes */
#define TRIAL_INPUT 40
#define TRIAL_FUEL  20000

static uint64_t next_random(uint64_t *state) {
    uint64_t x = *state += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 31)) * UINT64_C(0x7fb5d329728ea185);
    x = (x ^ (x >> 27)) * UINT64_C(0x81dadef4bc2dd44d);
    return x ^ (x >> 33);
}

/* Tapes of several characters: sparse and dense, small and large numbers.  Large ones are rare in
 * wide cells, where loops that count them down would only burn fuel. */
static uint64_t random_cell(uint64_t *state, unsigned style, bool wide) {
    uint64_t x = next_random(state), n = x >> 32;
    switch (style % 5) {
    case 0:
        return 0;
    case 1:
        return x % 4 == 0 ? n % 5 : 0;
    case 2:
        return n % 4;
    case 3:
        return wide && x % 16 != 0 ? n % 64 : next_random(state);
    default:
        return x % 3 == 0 ? 0 : wide ? n % 1000 : n;
    }
}

static void random_input(struct ir_trial *t, uint8_t *input, unsigned number, uint64_t *state) {
    static const uint8_t length[] = {0, 1, 3, TRIAL_INPUT};
    t->input = input;
    t->ninput = length[number % 4];
    for (size_t i = 0; i < t->ninput; i++) {
        uint64_t x = next_random(state);
        input[i] = (uint8_t)(x % 3 == 0 ? x >> 8 : x % 3 == 1 ? 'a' + (x >> 8) % 26 : (x >> 8) % 3);
    }
    t->eof = (enum eof_mode)(number % 3);
}

/* Mostly well inside, now and then at the ends or beyond: moving there is no error. */
static int64_t random_pointer(uint64_t ncell, unsigned number, uint64_t *state) {
    int64_t last = (int64_t)ncell - 1;
    int64_t near = (int64_t)(next_random(state) % (ncell < 50 ? ncell : 50));
    switch (number % 8) {
    case 0:
        return 0;
    case 1:
        return last;
    case 2:
        return number % 16 == 2 ? -1 : near % 4;
    case 3:
        return number % 16 == 3 ? last + 1 : last - near % 4;
    default:
        return near;
    }
}

bool ir_same_meaning(const struct func *before, const struct func *after, unsigned n, uint64_t seed,
                     struct text *why) {
    uint64_t cell[TRIAL_INIT] = {0}, state = seed;
    uint8_t input[TRIAL_INPUT];
    struct ir_trial t = {.cell = cell, .fuel = TRIAL_FUEL, .ignores_tape = before->program};
    t.ncell = before->tape_cells ? before->tape_cells : TRIAL_CELLS;
    for (unsigned i = 0; i < n; i++) {
        random_input(&t, input, i, &state);
        if (!before->program) {
            t.ninit = t.ncell < TRIAL_INIT ? t.ncell : TRIAL_INIT;
            for (uint64_t k = 0; k < t.ninit; k++)
                cell[k] = random_cell(&state, i, before->cell_bits > 8);
            t.pointer = random_pointer(t.ncell, i / 5 + i, &state);
        }
        if (!ir_same_in_trial(before, after, &t, why))
            return false;
    }
    return true;
}
