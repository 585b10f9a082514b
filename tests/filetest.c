/* filetest.c: runs the text cases of tests/ir.
 *
 *   filetest [-v] [--must-fail] FILE|DIRECTORY...
 *
 * A file (*.bfir) holds one or more cases, separated by lines `; ----`.  A case is a header of
 * comments, a function, and what is expected:
 *
 *   ; A store overwritten before any read of the same cell is removed.
 *   ; pass: dse
 *   unit cells=8 {
 *   b1:
 *     %1 = tape
 *     store %1 + 3, 1
 *     store %1 + 3, 65
 *     ret %1
 *   }
 *   ; ==== expect
 *   unit cells=8 {
 *   b1:
 *     %1 = tape
 *     store %1 + 3, 65
 *     ret %1
 *   }
 *
 * Header lines that begin with a capital letter or with blanks describe the case.  One says what to
 * do; an unknown one is an error:
 *
 *   ; pass: a,b       runs these passes; expected: the function after them
 *   ; print           reads and prints; expected: the function as printed
 *   ; verify          the function is wrong: the text must have `; error: ...` on the line at fault
 *   ; dom, loops      the text must have `; idom: b1` or `; loop: 1, depth: 1` on every block
 *   ; eval            runs the function; expected: output, end, pointer and tape, as comments
 *
 * More header lines:
 *
 *   ; stdin: "a\n"    one more run on this input (several may be given); for eval: the input
 *   ; cells: 1 2 0 3  contents of the first cells of these runs     ; pointer: 1   ; eof: 0
 *   ; fuel: 1000      instructions allowed in these runs
 *   ; unstable: why   the passes may find more to do when they run again
 *   ; fails: text     with --must-fail: the failure must contain this
 *
 * Expectations: `; ==== expect` and a text; or `; ==== unchanged`: the function stays as it is.
 * A case without one fails.  After either, `; ==== stats` may follow, with lines
 * `; dse.stores = 2`, the counters of the passes.
 *
 * Unasked, each case is verified and goes through text and back; with `pass`, the function is also
 * verified after every pass, run before and after on made-up inputs (units: tapes and pointers,
 * too), and a second run of the passes must change nothing.
 *
 * Functions are compared as printed with dense numbers.  BFOPT_BLESS=1 in the environment writes
 * what came out into the files; what fails for another reason than the comparison is never blessed.
 */
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir/cfg.h"
#include "ir/eval.h"
#include "ir/parse.h"
#include "ir/print.h"
#include "ir/validate.h"
#include "ir/verify.h"
#include "passes/pipeline.h"
#include "runtime/alloc.h"
#include "runtime/text.h"
#include "tests/wrong_passes.h"

#define MADE_UP_TRIALS 120
#define MAX_STDIN      16

/* A piece of the file's text. */
struct piece {
    const char *p;
    size_t len;
};

enum action { NO_ACTION, DO_PASS, DO_PRINT, DO_VERIFY, DO_DOM, DO_LOOPS, DO_EVAL };

struct test_case {
    const char *file;
    unsigned line;
    struct piece header, body, expect, stats, rest; /* rest: from the first `; ====` on */
    bool has_expect, unchanged, has_stats;

    enum action action;
    struct piece passes, fails;
    bool unstable;
    struct text input[MAX_STDIN];
    unsigned ninput;
    uint64_t cell[256];
    struct ir_trial trial;

    struct text why;     /* the failure; empty: none */
    struct text blessed; /* the case as it should be, when only the comparison failed */
};

static struct {
    bool verbose, must_fail, bless;
    unsigned passed, failed, blessed;
} run;

/* ---- pieces of text ---- */

static struct piece take_line(struct piece *rest) {
    const char *end = memchr(rest->p, '\n', rest->len);
    struct piece line = {rest->p, end ? (size_t)(end - rest->p) : rest->len};
    size_t used = end ? line.len + 1 : line.len;
    rest->p += used;
    rest->len -= used;
    return line;
}

static bool piece_is(struct piece a, const char *s) {
    return a.len == strlen(s) && memcmp(a.p, s, a.len) == 0;
}

static bool starts_with(struct piece a, const char *s) {
    return a.len >= strlen(s) && memcmp(a.p, s, strlen(s)) == 0;
}

static struct piece skip(struct piece a, size_t n) {
    return (struct piece){a.p + n, a.len - n};
}

static struct piece trim(struct piece a) {
    while (a.len > 0 && (a.p[a.len - 1] == ' ' || a.p[a.len - 1] == '\r'))
        a.len--;
    while (a.len > 0 && *a.p == ' ')
        a = skip(a, 1);
    return a;
}

static bool same_text(struct piece a, struct piece b) {
    return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

static struct piece piece_of(const struct text *t) {
    return (struct piece){t->p ? t->p : "", t->len};
}

static void put_piece(struct text *t, struct piece a) {
    text_add(t, a.p, a.len);
}

__attribute__((format(printf, 2, 3))) static bool fail(struct test_case *c, const char *format,
                                                       ...) {
    va_list ap;
    va_start(ap, format);
    text_vfmt(&c->why, format, ap);
    va_end(ap);
    text_char(&c->why, '\n');
    return false;
}

/* ---- difference of two texts ---- */

#define DIFF_LINES 1000

static unsigned split_lines(struct piece a, struct piece *line) {
    unsigned n = 0;
    while (a.len > 0 && n < DIFF_LINES)
        line[n++] = take_line(&a);
    return n;
}

/* common[i][j]: length of the longest common subsequence of a[i..] and b[j..]. */
static uint16_t *common_lines(const struct piece *a, unsigned n, const struct piece *b,
                              unsigned m) {
    uint16_t *t = xcalloc((size_t)(n + 1) * (m + 1), sizeof *t);
    for (unsigned i = n; i-- > 0;) {
        for (unsigned j = m; j-- > 0;) {
            uint16_t down = t[(i + 1) * (m + 1) + j], right = t[i * (m + 1) + j + 1];
            uint16_t both = (uint16_t)(t[(i + 1) * (m + 1) + j + 1] + 1);
            t[i * (m + 1) + j] = same_text(a[i], b[j]) ? both : down > right ? down : right;
        }
    }
    return t;
}

static void put_diff(struct text *out, struct piece expected, struct piece actual) {
    struct piece *a = xalloc(2 * DIFF_LINES, sizeof *a), *b = a + DIFF_LINES;
    unsigned n = split_lines(expected, a), m = split_lines(actual, b), i = 0, j = 0;
    uint16_t *t = common_lines(a, n, b, m);
    text_put(out, "    --- expected\n    +++ actual\n");
    while (i < n || j < m) {
        bool same = i < n && j < m && same_text(a[i], b[j]);
        bool minus =
            !same && i < n && (j == m || t[(i + 1) * (m + 1) + j] >= t[i * (m + 1) + j + 1]);
        struct piece line = same || minus ? a[i] : b[j];
        text_fmt(out, "    %c %.*s\n", same ? ' ' : minus ? '-' : '+', (int)line.len, line.p);
        i += same || minus;
        j += same || !minus;
    }
    xfree(t);
    xfree(a);
}

/* ---- the header ---- */

static bool read_number(struct piece a, int64_t *n) {
    char buf[32], *end;
    if (a.len == 0 || a.len >= sizeof buf)
        return false;
    memcpy(buf, a.p, a.len);
    buf[a.len] = '\0';
    errno = 0;
    *n = strtoll(buf, &end, 10);
    return *end == '\0' && errno == 0;
}

static bool header_stdin(struct test_case *c, struct piece a) {
    if (c->ninput == MAX_STDIN)
        return fail(c, "too many inputs");
    size_t at = 0;
    const char *wrong = ir_parse_string(a.p, a.len, &at, &c->input[c->ninput++]);
    if (wrong || at != a.len)
        return fail(c, "stdin: %s", wrong ? wrong : "text behind the string");
    return true;
}

static bool header_cells(struct test_case *c, struct piece a) {
    while (a.len > 0) {
        size_t n = 0;
        while (n < a.len && a.p[n] != ' ')
            n++;
        int64_t cell;
        if (c->trial.ninit == 256 || !read_number((struct piece){a.p, n}, &cell))
            return fail(c, "cells: bad number");
        c->cell[c->trial.ninit++] = (uint64_t)cell;
        a = trim(skip(a, n));
    }
    return true;
}

static bool header_eof(struct test_case *c, struct piece a) {
    static const char *const name[] = {"unchanged", "0", "-1"};
    for (unsigned i = 0; i < 3; i++) {
        if (piece_is(a, name[i])) {
            c->trial.eof = (enum eof_mode)i;
            return true;
        }
    }
    return fail(c, "eof: expected unchanged, 0 or -1");
}

static bool header_action(struct test_case *c, enum action action) {
    if (c->action != NO_ACTION)
        return fail(c, "two header lines say what to do");
    c->action = action;
    return true;
}

static bool header_value(struct test_case *c, struct piece key, struct piece what) {
    int64_t n;
    if (piece_is(key, "pass")) {
        c->passes = what;
        return header_action(c, DO_PASS);
    }
    if (piece_is(key, "unstable")) {
        c->unstable = true;
        return what.len > 0 || fail(c, "unstable: needs a reason");
    }
    if (piece_is(key, "fails")) {
        c->fails = what;
        return true;
    }
    if (piece_is(key, "stdin"))
        return header_stdin(c, what);
    if (piece_is(key, "cells"))
        return header_cells(c, what);
    if (piece_is(key, "eof"))
        return header_eof(c, what);
    if (!piece_is(key, "pointer") && !piece_is(key, "fuel"))
        return fail(c, "unknown directive `%.*s:`", (int)key.len, key.p);
    if (!read_number(what, &n))
        return fail(c, "%.*s: bad number", (int)key.len, key.p);
    if (piece_is(key, "pointer"))
        c->trial.pointer = n;
    else
        c->trial.fuel = (uint64_t)n;
    return true;
}

static bool header_word(struct test_case *c, struct piece word) {
    static const struct {
        const char *name;
        enum action action;
    } known[] = {{"print", DO_PRINT},
                 {"verify", DO_VERIFY},
                 {"dom", DO_DOM},
                 {"loops", DO_LOOPS},
                 {"eval", DO_EVAL}};
    for (unsigned i = 0; i < sizeof known / sizeof *known; i++)
        if (piece_is(word, known[i].name))
            return header_action(c, known[i].action);
    return fail(c, "unknown directive `%.*s`", (int)word.len, word.p);
}

/* `; text`: a description, or a directive: a lower-case word, alone or with a colon. */
static bool header_line(struct test_case *c, struct piece line) {
    if (line.len < 3 || line.p[1] != ' ' || line.p[2] < 'a' || line.p[2] > 'z')
        return true;
    line = trim(skip(line, 2));
    size_t n = 0;
    while (n < line.len && ((line.p[n] >= 'a' && line.p[n] <= 'z') || line.p[n] == '-'))
        n++;
    struct piece key = {line.p, n};
    if (n == line.len)
        return header_word(c, key);
    if (line.p[n] == ':')
        return header_value(c, key, trim(skip(line, n + 1)));
    return fail(c, "unknown directive `%.*s` (descriptions begin with a capital letter)",
                (int)line.len, line.p);
}

static bool read_header(struct test_case *c) {
    c->trial.fuel = 100000;
    c->trial.cell = c->cell;
    for (struct piece rest = c->header; rest.len > 0;)
        if (!header_line(c, take_line(&rest)))
            return false;
    return c->action != NO_ACTION || fail(c, "no directive says what to do");
}

/* ---- splitting ---- */

static bool read_sections(struct test_case *c) {
    struct piece rest = c->rest;
    while (rest.len > 0) {
        struct piece title = trim(take_line(&rest)), text = {rest.p, 0};
        while (rest.len > 0 && !starts_with(rest, "; ===="))
            (void)take_line(&rest);
        text.len = (size_t)(rest.p - text.p);
        if (piece_is(title, "; ==== expect")) {
            c->has_expect = true;
            c->expect = text;
        } else if (piece_is(title, "; ==== unchanged")) {
            c->unchanged = true;
        } else if (piece_is(title, "; ==== stats")) {
            c->has_stats = true;
            c->stats = text;
        } else {
            return fail(c, "unknown section `%.*s`", (int)title.len, title.p);
        }
    }
    return !(c->has_expect && c->unchanged) || fail(c, "both expect and unchanged");
}

/* Divides the text of a case into header, body and the rest. */
static void split_case(struct piece text, struct test_case *c) {
    c->header.p = text.p;
    while (text.len > 0 && (text.p[0] == ';' || text.p[0] == '\n') && !starts_with(text, "; ===="))
        (void)take_line(&text);
    c->header.len = (size_t)(text.p - c->header.p);
    c->body.p = text.p;
    while (text.len > 0 && !starts_with(text, "; ===="))
        (void)take_line(&text);
    c->body.len = (size_t)(text.p - c->body.p);
    c->rest = text;
}

/* ---- functions and texts ---- */

static struct func *parse_or_fail(struct test_case *c, struct piece text, const char *what) {
    struct ir_parse_error e;
    struct func *f = ir_parse(text.p, text.len, &e);
    if (!f)
        fail(c, "%s does not parse: %u:%u: %s", what, e.line, e.col, e.message);
    return f;
}

static bool verify_or_fail(struct test_case *c, const struct func *f, const char *when) {
    struct text error = {0};
    bool ok = ir_verify(f, &error);
    if (!ok)
        fail(c, "%s the function is wrong:\n%s", when, error.p);
    text_free(&error);
    return ok;
}

/* Through text and back must give the same function, in dense numbers and in raw ones. */
static bool check_round_trip(struct test_case *c, const struct func *f) {
    bool ok = true;
    for (int raw = 0; raw < 2 && ok; raw++) {
        struct text once = {0}, twice = {0}, dense = {0};
        ir_print(&once, f, &(struct ir_print_options){.raw_numbers = raw});
        ir_print(&dense, f, NULL);
        struct func *g = parse_or_fail(c, piece_of(&once), "what was printed");
        ok = g != NULL;
        if (g)
            ir_print(&twice, g, NULL);
        if (ok && !same_text(piece_of(&dense), piece_of(&twice))) {
            ok = fail(c, "printing and reading changes the function");
            put_diff(&c->why, piece_of(&dense), piece_of(&twice));
        }
        ir_free(g);
        text_free(&once);
        text_free(&twice);
        text_free(&dense);
    }
    return ok;
}

/* The body as a sound function that survives its text form. */
static struct func *read_function(struct test_case *c) {
    struct func *f = parse_or_fail(c, c->body, "the function");
    if (f && verify_or_fail(c, f, "before any pass") && check_round_trip(c, f))
        return f;
    ir_free(f);
    return NULL;
}

/* ---- comparing and blessing ---- */

/* The case with its body or its expectation replaced. */
static void bless_body(struct test_case *c, struct piece body) {
    put_piece(&c->blessed, c->header);
    put_piece(&c->blessed, body);
    put_piece(&c->blessed, c->rest);
}

static void bless_expect(struct test_case *c, struct piece expect, bool unchanged,
                         struct piece stats) {
    put_piece(&c->blessed, c->header);
    put_piece(&c->blessed, c->body);
    if (unchanged) {
        text_put(&c->blessed, "; ==== unchanged\n");
    } else {
        text_put(&c->blessed, "; ==== expect\n");
        put_piece(&c->blessed, expect);
    }
    if (c->has_stats) {
        text_put(&c->blessed, "; ==== stats\n");
        put_piece(&c->blessed, stats);
    }
}

/* Without the blank lines at its end. */
static struct piece without_tail(struct piece a) {
    while (a.len > 1 && a.p[a.len - 1] == '\n' && a.p[a.len - 2] == '\n')
        a.len--;
    return a;
}

/* Compares the body itself: for directives that annotate its lines. */
static bool compare_body(struct test_case *c, struct piece actual) {
    if (c->rest.len > 0)
        return fail(c, "this directive expects nothing but annotations on the lines");
    if (same_text(without_tail(c->body), actual))
        return true;
    fail(c, "the annotated function differs:");
    put_diff(&c->why, without_tail(c->body), actual);
    bless_body(c, actual);
    return false;
}

/* Compares a result with the expectation.  `before`: what it would be if nothing had changed. */
static bool compare_expect(struct test_case *c, struct piece before, struct piece actual,
                           struct piece stats) {
    bool unchanged = before.len > 0 && same_text(before, actual);
    struct piece expected = c->unchanged ? before : without_tail(c->expect);
    bool has = c->has_expect || c->unchanged;
    bool same = has && same_text(expected, actual);
    bool same_stats = !c->has_stats || same_text(without_tail(c->stats), stats);
    if (same && same_stats)
        return true;
    if (!has)
        fail(c, "the case expects nothing: add `; ==== expect`, or let BFOPT_BLESS=1 do it");
    else if (!same)
        put_diff(&c->why, expected, actual);
    if (has && !same_stats)
        put_diff(&c->why, without_tail(c->stats), stats);
    bless_expect(c, actual, unchanged && !c->has_expect, stats);
    return false;
}

/* ---- pass ---- */

static bool run_pass(struct test_case *c, struct func *f, struct piece name,
                     struct pass_stats *stats) {
    const struct pass_info *p = pass_find((struct name){name.p, name.len});
    if (!p && run.must_fail)
        p = wrong_pass_find((struct name){name.p, name.len});
    if (!p)
        return fail(c, "unknown pass `%.*s`", (int)name.len, name.p);
    struct text was = {0}, is = {0};
    ir_print(&was, f, NULL);
    struct pass_env env = {.opt_limit = UINT64_MAX, .stats = stats, .pass = p->name};
    bool claims = p->run(f, &env);
    ir_settle(f);
    char when[64];
    snprintf(when, sizeof when, "after `%s`", p->name);
    bool ok = verify_or_fail(c, f, when);
    if (ok)
        ir_print(&is, f, NULL);
    if (ok && !claims && !same_text(piece_of(&was), piece_of(&is))) {
        ok = fail(c, "`%s` changed the function and says it did not:", p->name);
        put_diff(&c->why, piece_of(&was), piece_of(&is));
    }
    text_free(&was);
    text_free(&is);
    return ok;
}

static bool run_passes(struct test_case *c, struct func *f, struct pass_stats *stats) {
    struct piece rest = c->passes;
    while (rest.len > 0) {
        const char *comma = memchr(rest.p, ',', rest.len);
        struct piece name = {rest.p, comma ? (size_t)(comma - rest.p) : rest.len};
        rest = skip(rest, comma ? name.len + 1 : name.len);
        if (!run_pass(c, f, trim(name), stats))
            return false;
    }
    return true;
}

/* Is `name` in a list separated by commas? */
static bool is_listed(struct piece list, const char *name) {
    while (list.len > 0) {
        const char *comma = memchr(list.p, ',', list.len);
        size_t n = comma ? (size_t)(comma - list.p) : list.len;
        if (piece_is(trim((struct piece){list.p, n}), name))
            return true;
        list = skip(list, comma ? n + 1 : n);
    }
    return false;
}

/* The runs the header asks for: one for each input, at least one.  Only dse and prerun may leave
 * another tape at the end of a program. */
static bool check_own_trials(struct test_case *c, const struct func *before,
                             const struct func *after) {
    struct ir_trial t = c->trial;
    struct text why = {0};
    t.ncell = before->tape_cells ? before->tape_cells : 80;
    t.ignores_tape =
        before->program && (is_listed(c->passes, "dse") || is_listed(c->passes, "prerun"));
    bool ok = true;
    for (unsigned i = 0; ok && i < (c->ninput ? c->ninput : 1); i++) {
        t.input = (const uint8_t *)c->input[i].p;
        t.ninput = c->input[i].len;
        ok = ir_same_in_trial(before, after, &t, &why);
    }
    if (!ok)
        fail(c, "the passes change what the function does: %s", why.p);
    text_free(&why);
    return ok;
}

static bool check_meaning(struct test_case *c, const struct func *before,
                          const struct func *after) {
    struct text why = {0};
    bool ok = ir_same_meaning(before, after, MADE_UP_TRIALS, 1, &why);
    if (!ok)
        fail(c, "the passes change what the function does: %s", why.p);
    text_free(&why);
    return ok && check_own_trials(c, before, after);
}

static bool check_stable(struct test_case *c, const struct func *f) {
    if (c->unstable)
        return true;
    struct func *g = ir_clone(f);
    struct text once = {0}, twice = {0};
    ir_print(&once, f, NULL);
    bool ok = run_passes(c, g, NULL);
    if (ok)
        ir_print(&twice, g, NULL);
    if (ok && !same_text(piece_of(&once), piece_of(&twice))) {
        ok = fail(c, "the passes find more to do when they run again:");
        put_diff(&c->why, piece_of(&once), piece_of(&twice));
    }
    ir_free(g);
    text_free(&once);
    text_free(&twice);
    return ok;
}

/* The counters as comments. */
static void put_stats(struct text *out, const struct pass_stats *stats) {
    struct text lines = {0};
    pass_stats_print(stats, &lines);
    for (struct piece rest = piece_of(&lines); rest.len > 0;) {
        text_put(out, "; ");
        put_piece(out, take_line(&rest));
        text_char(out, '\n');
    }
    text_free(&lines);
}

static void do_pass(struct test_case *c, struct func *f) {
    struct func *before = ir_clone(f);
    struct pass_stats *counted = pass_stats_new(false);
    struct text was = {0}, is = {0}, stats = {0};
    ir_print(&was, f, NULL);
    if (run_passes(c, f, counted) && check_round_trip(c, f) && check_meaning(c, before, f) &&
        check_stable(c, f)) {
        ir_print(&is, f, NULL);
        put_stats(&stats, counted);
        compare_expect(c, piece_of(&was), piece_of(&is), piece_of(&stats));
    }
    ir_free(before);
    pass_stats_free(counted);
    text_free(&was);
    text_free(&is);
    text_free(&stats);
}

/* ---- print, dom, loops ---- */

static void do_print(struct test_case *c, struct func *f) {
    struct text out = {0};
    ir_print(&out, f, NULL);
    compare_expect(c, without_tail(c->body), piece_of(&out), (struct piece){"", 0});
    text_free(&out);
}

struct graph {
    const struct func *f;
    struct rpo rpo;
    struct dom dom;
    struct loops loops;
};

static void annotate_dom(struct text *out, const struct ir_names *n, block b, value v,
                         void *context) {
    const struct graph *g = context;
    if (v.i != 0)
        return;
    if (g->rpo.pos[b.i] == UINT32_MAX) {
        text_put(out, "unreachable");
    } else if (g->dom.idom[b.i].i != 0) {
        text_put(out, "idom: ");
        ir_put_block(out, n, g->dom.idom[b.i]);
    }
}

static void annotate_loops(struct text *out, const struct ir_names *n, block b, value v,
                           void *context) {
    const struct graph *g = context;
    uint32_t l = g->loops.of[b.i];
    if (v.i != 0)
        return;
    if (same_block(b, g->f->entry) && g->loops.irreducible)
        text_put(out, "irreducible");
    if (l == 0)
        return;
    const struct loop *loop = &g->loops.loop[l];
    text_fmt(out, "loop: %u, depth: %u", l, loop->depth);
    if (same_block(loop->head, b))
        text_fmt(out, ", head of %u", loop->nblock);
    (void)n;
}

static void do_graph(struct test_case *c, struct func *f) {
    struct graph g = {.f = f, .rpo = cfg_rpo(f)};
    g.dom = cfg_dom(f, &g.rpo);
    g.loops = cfg_loops(f, &g.rpo, &g.dom);
    struct text out = {0};
    ir_print(&out, f,
             &(struct ir_print_options){
                 .beside = c->action == DO_DOM ? annotate_dom : annotate_loops, .context = &g});
    compare_body(c, piece_of(&out));
    text_free(&out);
    cfg_loops_free(&g.loops);
    cfg_dom_free(&g.dom);
    cfg_rpo_free(&g.rpo);
}

/* ---- verify ---- */

/* A line without the comment at its end: from the annotation if there is one, which may follow an
 * unfinished string, else from the first semicolon outside strings. */
static struct piece without_comment(struct piece line) {
    static const char mark[] = " ; error:";
    const char *annotation = memmem(line.p, line.len, mark, sizeof mark - 1);
    bool quoted = false;
    if (annotation)
        line.len = (size_t)(annotation - line.p);
    for (size_t i = 0; i < line.len && !annotation; i++) {
        if (line.p[i] == '\\' && quoted)
            i++;
        else if (line.p[i] == '"')
            quoted = !quoted;
        else if (line.p[i] == ';' && !quoted)
            line.len = i;
    }
    while (line.len > 0 && line.p[line.len - 1] == ' ')
        line.len--;
    return line;
}

/* The body without its annotations; with one in line `at` (0: in none). */
static void put_annotated(struct text *out, struct piece body, uint32_t at,
                          const struct ir_parse_error *e) {
    uint32_t line = 0;
    while (body.len > 0) {
        put_piece(out, without_comment(take_line(&body)));
        if (++line == at)
            text_fmt(out, " ; error: %u: %s", e->col, e->message);
        text_char(out, '\n');
    }
}

struct found {
    struct ir_fault at;
    const char *message;
};

static void annotate_error(struct text *out, const struct ir_names *n, block b, value v,
                           void *context) {
    const struct found *e = context;
    (void)n;
    if (same_value(v, e->at.v) && same_block(b, e->at.b))
        text_fmt(out, "error: %s", e->message);
}

/* Reads the body and finds its first error, in form or in sense. */
static void do_verify(struct test_case *c) {
    struct ir_parse_error e;
    struct text out = {0}, message = {0}, bare = {0};
    put_annotated(&bare, without_tail(c->body), 0, &e);
    struct func *f = ir_parse(bare.p, bare.len, &e);
    struct found found = {0};
    bool sound = false;
    if (!f) {
        put_annotated(&out, piece_of(&bare), e.line, &e);
    } else {
        sound = ir_check(f, &found.at, &message);
        found.message = message.p;
        ir_print(&out, f, &(struct ir_print_options){.beside = annotate_error, .context = &found});
    }
    if (sound)
        fail(c, "the function is sound: `verify` is for wrong ones");
    else
        compare_body(c, piece_of(&out));
    ir_free(f);
    text_free(&bare);
    text_free(&out);
    text_free(&message);
}

/* ---- eval ---- */

static void put_run(struct text *out, const struct func *f, const struct eval *e) {
    text_put(out, "; output: ");
    ir_put_string(out, e->output.p ? e->output.p : "", e->output.len);
    text_fmt(out, "\n; end: %s", ir_eval_end_name(e->end));
    if (e->end == EVAL_OFF_TAPE)
        text_fmt(out, ", cell %lld, source %u", (long long)e->end_cell, e->end_src);
    if (e->end == EVAL_WRONG)
        text_fmt(out, ", %s", e->wrong);
    text_char(out, '\n');
    if (e->end == EVAL_DONE)
        text_fmt(out, "; pointer: %lld\n", (long long)e->pointer);
    uint64_t n = e->ncell;
    while (n > 0 && e->cell[n - 1] == 0)
        n--;
    text_put(out, "; cells:");
    for (uint64_t i = 0; i < n; i++)
        text_fmt(out, " %llu", (unsigned long long)e->cell[i]);
    text_char(out, '\n');
    (void)f;
}

static void do_eval(struct test_case *c, struct func *f) {
    struct text out = {0};
    struct ir_trial t = c->trial;
    t.ncell = f->tape_cells ? f->tape_cells : 80;
    for (unsigned i = 0; i < (c->ninput ? c->ninput : 1); i++) {
        struct eval e;
        t.input = (const uint8_t *)c->input[i].p;
        t.ninput = c->input[i].len;
        ir_trial_run(f, &t, &e);
        put_run(&out, f, &e);
        ir_trial_free(&e);
    }
    compare_expect(c, (struct piece){"", 0}, piece_of(&out), (struct piece){"", 0});
    text_free(&out);
}

/* ---- one case ---- */

static void do_case(struct test_case *c) {
    if (!read_header(c) || !read_sections(c))
        return;
    if (c->action == DO_VERIFY) {
        do_verify(c);
        return;
    }
    struct func *f = read_function(c);
    if (!f)
        return;
    switch (c->action) {
    case DO_PASS:
        do_pass(c, f);
        break;
    case DO_PRINT:
        do_print(c, f);
        break;
    case DO_DOM:
    case DO_LOOPS:
        do_graph(c, f);
        break;
    case DO_EVAL:
        do_eval(c, f);
        break;
    case NO_ACTION:
    case DO_VERIFY:
        break;
    }
    ir_free(f);
}

static void report_failure(const struct test_case *c) {
    printf("FAILED %s:%u\n  %s  rerun: filetest %s\n", c->file, c->line, c->why.p, c->file);
    if (c->blessed.len > 0)
        printf("  bless: BFOPT_BLESS=1 filetest %s\n", c->file);
}

/* With --must-fail a case passes by failing for the reason it names. */
static void judge_failure(struct test_case *c) {
    bool failed = c->why.len > 0;
    struct piece why = piece_of(&c->why);
    if (c->fails.len == 0)
        printf("FAILED %s:%u\n  no `fails:` line\n", c->file, c->line);
    else if (!failed)
        printf("FAILED %s:%u\n  passed, but must fail\n", c->file, c->line);
    else if (!memmem(why.p, why.len, c->fails.p, c->fails.len))
        printf("FAILED %s:%u\n  failed for another reason: %s", c->file, c->line, c->why.p);
    else
        run.passed++;
    run.failed += c->fails.len == 0 || !failed || !memmem(why.p, why.len, c->fails.p, c->fails.len);
}

/* Runs a case; appends it, perhaps blessed, to *out. */
static void test(const char *file, unsigned line, struct piece text, struct text *out) {
    struct test_case *c = xcalloc(1, sizeof *c);
    c->file = file;
    c->line = line;
    split_case(text, c);
    do_case(c);
    bool bless = run.bless && c->blessed.len > 0;
    put_piece(out, bless ? piece_of(&c->blessed) : text);
    run.blessed += bless;
    if (run.must_fail) {
        judge_failure(c);
    } else if (c->why.len > 0 && !bless) {
        report_failure(c);
        run.failed++;
    } else {
        run.passed++;
        if (run.verbose)
            printf("passed %s:%u\n", file, line);
    }
    for (unsigned i = 0; i < c->ninput; i++)
        text_free(&c->input[i]);
    text_free(&c->why);
    text_free(&c->blessed);
    xfree(c);
}

/* ---- files ---- */

static bool read_whole(const char *name, struct text *t) {
    FILE *in = fopen(name, "rb");
    if (!in)
        return false;
    char buf[4096];
    for (size_t n; (n = fread(buf, 1, sizeof buf, in)) > 0;)
        text_add(t, buf, n);
    bool ok = !ferror(in);
    fclose(in);
    return ok;
}

static bool write_whole(const char *name, const struct text *t) {
    FILE *out = fopen(name, "wb");
    if (!out)
        return false;
    bool ok = fwrite(t->p, 1, t->len, out) == t->len;
    return fclose(out) == 0 && ok;
}

static void test_cases(const char *file, struct piece rest, struct text *out) {
    unsigned line = 1;
    while (rest.len > 0) {
        struct piece text = {rest.p, 0};
        unsigned lines = 0;
        while (rest.len > 0 && !starts_with(rest, "; ----")) {
            (void)take_line(&rest);
            lines++;
        }
        text.len = (size_t)(rest.p - text.p);
        test(file, line, text, out);
        line += lines + 1;
        if (rest.len > 0) {
            put_piece(out, take_line(&rest));
            text_char(out, '\n');
        }
    }
}

static void test_file(const char *file) {
    struct text in = {0}, out = {0};
    if (!read_whole(file, &in) || in.len == 0) {
        printf("FAILED %s\n  %s\n", file, in.len == 0 ? "no case in the file" : strerror(errno));
        run.failed++;
    } else {
        test_cases(file, piece_of(&in), &out);
        if (run.bless && !same_text(piece_of(&in), piece_of(&out)) && !write_whole(file, &out)) {
            printf("FAILED %s\n  %s\n", file, strerror(errno));
            run.failed++;
        }
    }
    text_free(&in);
    text_free(&out);
}

static struct {
    char **name;
    uint32_t n, cap;
} files;

static int collect(const char *name, const struct stat *st, int type, struct FTW *ftw) {
    (void)st;
    size_t len = strlen(name);
    /* A file named on the command line is taken whatever its name. */
    if (type == FTW_F && (ftw->level == 0 || (len > 5 && strcmp(name + len - 5, ".bfir") == 0))) {
        files.name = xgrow(files.name, &files.cap, (uint64_t)files.n + 1, sizeof *files.name);
        files.name[files.n] = xalloc(len + 1, 1);
        memcpy(files.name[files.n++], name, len + 1);
    }
    return 0;
}

static int compare_names(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool collect_files(char **argv) {
    for (; *argv; argv++) {
        if (strcmp(*argv, "-v") == 0) {
            run.verbose = true;
        } else if (strcmp(*argv, "--must-fail") == 0) {
            run.must_fail = true;
        } else if (nftw(*argv, collect, 16, FTW_PHYS) != 0) {
            fprintf(stderr, "filetest: %s: %s\n", *argv, strerror(errno));
            return false;
        }
    }
    if (files.n == 0)
        fprintf(stderr, "filetest: no cases\n");
    else
        qsort(files.name, files.n, sizeof *files.name, compare_names);
    return files.n != 0;
}

int main(int argc, char **argv) {
    (void)argc;
    const char *bless = getenv("BFOPT_BLESS");
    run.bless = bless && strcmp(bless, "1") == 0;
    if (!collect_files(argv + 1))
        return 2;
    for (uint32_t i = 0; i < files.n; i++) {
        test_file(files.name[i]);
        xfree(files.name[i]);
    }
    xfree(files.name);
    printf("%u passed, %u failed", run.passed, run.failed);
    printf(run.blessed ? ", %u of the passed blessed\n" : "\n", run.blessed);
    return run.failed != 0;
}
