/* irfuzz.c: changes the functions of text cases at random and looks for contradictions.
 *
 *   irfuzz [-n COUNT] [-s SEED] [-p PASS,...] FILE|DIRECTORY...
 *
 * Each mutant is read; if it has the form of a function, then
 *   - printing and reading it again must give the same text, and the same verdict of the verifier;
 *   - if it is sound, each pass must leave it sound, with the same meaning (ir/validate.h), and
 * must not say that it changed nothing when it did. A failure is reduced by leaving out lines and
 * printed: it is a case for tests/ir.  A mutant that crashes bfopt is printed by a signal handler.
 * The statistics say how good the mutants were.
 */
#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ir/dot.h"
#include "ir/parse.h"
#include "ir/print.h"
#include "ir/validate.h"
#include "ir/verify.h"
#include "passes/pass.h"
#include "runtime/alloc.h"
#include "runtime/text.h"

#define TRIALS      8
#define MAX_CELLS   4096 /* larger tapes would only take time */
#define MAX_REDUCED 400  /* lines of a function that is worth reducing */

static struct {
    uint64_t random;
    char **seed; /* the functions to start from */
    uint32_t nseed, seed_cap;
    const char *passes; /* NULL: all */
    uint64_t formed, sound, changed;
    bool op_seen[OP_COUNT];
    struct text now; /* the mutant being tried, for the signal handler */
} fuzz;

static uint64_t next_random(void) {
    uint64_t x = fuzz.random += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 32)) * UINT64_C(0xd6e8feb86659fd93);
    x = (x ^ (x >> 32)) * UINT64_C(0xd6e8feb86659fd93);
    return x ^ (x >> 32);
}

static uint32_t below(uint64_t n) {
    return n == 0 ? 0 : (uint32_t)(next_random() % n);
}

/* ---- mutation ---- */

/* Replaces n bytes at `at`. */
static void splice(struct text *t, size_t at, size_t n, const char *by, size_t len) {
    struct text out = {0};
    text_add(&out, t->p, at);
    text_add(&out, by, len);
    text_add(&out, t->p + at + n, t->len - at - n);
    text_free(t);
    *t = out;
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* What a number counts: blocks, values or neither. */
static char number_class(const struct text *t, size_t at) {
    char before = at > 0 ? t->p[at - 1] : ' ';
    return before == 'b' || before == '%' ? before : ' ';
}

/* The first number of this class (0: any) at or behind a random place; *len 0: there is none. */
static size_t random_number(const struct text *t, char class, size_t *len) {
    size_t at = below(t->len), end;
    for (;; at = end) {
        while (at < t->len && !is_digit(t->p[at]))
            at++;
        for (end = at; end < t->len && is_digit(t->p[end]);)
            end++;
        *len = end - at;
        if (*len == 0 || class == 0 || number_class(t, at) == class)
            return at;
    }
}

/* A number becomes another of the same class, or a small one. */
static void change_number(struct text *t) {
    size_t n, m, at = random_number(t, 0, &n);
    char digits[24], class = n > 0 ? number_class(t, at) : 0;
    size_t from = random_number(t, class, &m);
    if (n == 0)
        return;
    if (m > 0 && m < sizeof digits && (class != ' ' || below(2))) {
        memcpy(digits, t->p + from, m);
        splice(t, at, n, digits, m);
    } else {
        int len = snprintf(digits, sizeof digits, "%u", below(below(8) ? 12 : 300));
        splice(t, at, n, digits, (size_t)len);
    }
}

static size_t line_start(const struct text *t, size_t at) {
    while (at > 0 && t->p[at - 1] != '\n')
        at--;
    return at;
}

static size_t line_end(const struct text *t, size_t at) {
    while (at < t->len && t->p[at] != '\n')
        at++;
    return at < t->len ? at + 1 : at;
}

static void delete_line(struct text *t) {
    size_t start = line_start(t, below(t->len));
    splice(t, start, line_end(t, start) - start, "", 0);
}

/* Puts a copy of one line elsewhere, its result (`%3 = ...`) under a new name. */
static void copy_line(struct text *t) {
    size_t from = line_start(t, below(t->len)), to = line_start(t, below(t->len));
    size_t n = line_end(t, from) - from, skip = 0;
    struct text copy = {0};
    if (n > 3 && t->p[from + 2] == '%') {
        text_fmt(&copy, "  %%%u", 1000 + below(100000));
        for (skip = 3; skip < n && is_digit(t->p[from + skip]);)
            skip++;
    }
    text_add(&copy, t->p + from + skip, n - skip);
    splice(t, to, 0, copy.p, copy.len);
    text_free(&copy);
}

/* A new instruction, with a new name, that uses old ones. */
static void add_line(struct text *t) {
    /* The operation and what stands between its operands. */
    static const char *const form[][2] = {
        {"add", ", "}, {"mul", ", "},  {"xor", ", "},   {"sub", ", "},       {"eq", ", "},
        {"and", ", "}, {"shl", ", "},  {"load", " + "}, {"load", " - "},     {"move", " + "},
        {"in", " ;"},  {"add", ", %"}, {"mul", ", %"},  {"scan", ", step "}, {"call", ", loop "},
    };
    struct text line = {0};
    unsigned old = 1 + below(9), number = 1 + below(9);
    if (below(3) == 0) {
        text_fmt(&line, "  store %%%u + %u, %%%u\n", old, below(4), number);
    } else {
        const char *const *f = form[below(sizeof form / sizeof *form)];
        text_fmt(&line, "  %%%u = %s %%%u%s%u\n", 1000 + below(100000), f[0], old, f[1], number);
    }
    splice(t, line_start(t, below(t->len)), 0, line.p, line.len);
    text_free(&line);
}

/* One word becomes another that can stand in its place. */
static void change_word(struct text *t) {
    static const char *const word[] = {"add",  "sub",     "mul",     "and",       "or",  "xor",
                                       "shl",  "shr",     "eq",      "ne",        "ult", "load",
                                       "unit", "program", "cells=8", "cells=16",  "",    " strict",
                                       " + ",  " - ",     "1",       "tape=4096", "out", "in"};
    unsigned n = sizeof word / sizeof *word;
    const char *from = word[below(n)], *to = word[below(n)];
    char *at = *from && t->p ? memmem(t->p, t->len, from, strlen(from)) : NULL;
    if (at)
        splice(t, (size_t)(at - t->p), strlen(from), to, strlen(to));
}

static void change_byte(struct text *t) {
    char c = (char)(below(4) ? 32 + below(95) : below(256));
    splice(t, below(t->len), below(2), &c, below(2));
}

static void mutate(struct text *t) {
    for (unsigned n = 1 + below(5); n > 0 && t->len > 0; n--) {
        switch (below(16)) {
        case 0:
            delete_line(t);
            break;
        case 1:
            copy_line(t);
            break;
        case 2:
        case 3:
        case 4:
        case 5:
            add_line(t);
            break;
        case 6:
        case 7:
            change_word(t);
            break;
        case 8:
            change_byte(t);
            break;
        default:
            change_number(t);
            break;
        }
    }
}

/* ---- checks ---- */

static bool same_texts(const struct text *a, const struct text *b) {
    return a->len == b->len && (a->len == 0 || memcmp(a->p, b->p, a->len) == 0);
}

/* Printing and reading again: same text, same verdict. */
static bool check_text(const struct func *f, bool sound, struct text *why) {
    struct text once = {0}, twice = {0}, ignored = {0};
    struct ir_parse_error e;
    ir_print(&once, f, &(struct ir_print_options){.raw_numbers = true});
    struct func *g = ir_parse(once.p, once.len, &e);
    bool ok = g != NULL;
    if (!g) {
        text_fmt(why, "what was printed does not parse: %u:%u: %s", e.line, e.col, e.message);
    } else {
        once.len = 0;
        ir_print(&once, f, NULL);
        ir_print(&twice, g, NULL);
        ok = same_texts(&once, &twice) && ir_verify(g, &ignored) == sound;
        if (!ok)
            text_put(why, "printing and reading changes the function");
    }
    ir_free(g);
    text_free(&once);
    text_free(&twice);
    text_free(&ignored);
    return ok;
}

static bool check_after(const struct pass_info *p, const struct func *f, const struct func *g,
                        bool claims, struct text *why) {
    struct text was = {0}, is = {0}, what = {0};
    bool ok = ir_verify(g, &what);
    if (!ok) {
        text_fmt(why, "%s breaks the function:\n%s", p->name, what.p);
    } else {
        ir_print(&was, f, NULL);
        ir_print(&is, g, NULL);
        fuzz.changed += !same_texts(&was, &is);
        ok = claims || same_texts(&was, &is);
        if (!ok)
            text_fmt(why, "%s changed the function and says it did not", p->name);
    }
    if (ok && !ir_same_meaning(f, g, TRIALS, fuzz.random, &what)) {
        ok = false;
        text_fmt(why, "%s changes what the function does: %sit became\n%s", p->name, what.p, is.p);
    }
    text_free(&was);
    text_free(&is);
    text_free(&what);
    return ok;
}

static bool is_wanted(const char *name) {
    size_t n = strlen(name);
    for (const char *p = fuzz.passes; p; p = strchr(p, ',')) {
        p += *p == ',';
        if (strncmp(p, name, n) == 0 && (p[n] == ',' || p[n] == '\0'))
            return true;
    }
    return !fuzz.passes;
}

static bool check_passes(const struct func *f, struct text *why) {
    bool ok = true;
    for (unsigned i = 0; i < pass_table_size && ok; i++) {
        const struct pass_info *p = &pass_table[i];
        if (!is_wanted(p->name))
            continue;
        struct func *g = ir_clone(f);
        /* As the driver does for most: a mark does not outlive a pass. */
        for (uint32_t k = 1; k < g->ninsn; k++)
            g->insn[k].trap = MAY_TRAP;
        struct func *before = ir_clone(g);
        struct pass_env env = {.opt_limit = UINT64_MAX, .pass = p->name};
        bool claims = p->run(g, &env);
        ir_settle(g);
        ok = check_after(p, before, g, claims, why);
        ir_free(before);
        ir_free(g);
    }
    return ok;
}

/* True if nothing is wrong with this text. */
static bool check(const struct text *t, struct text *why) {
    struct ir_parse_error e;
    struct func *f = ir_parse(t->p ? t->p : "", t->len, &e);
    if (!f)
        return true;
    struct text ignored = {0};
    bool sound = ir_verify(f, &ignored), ok = check_text(f, sound, why);
    fuzz.formed++;
    fuzz.sound += sound;
    if (sound && f->tape_cells > MAX_CELLS)
        sound = false;
    if (ok && sound) {
        IR_FOR_BLOCKS (f, b) {
            IR_FOR_INSNS (f, b, v)
                fuzz.op_seen[ir_at(f, v)->op] = true;
        }
        struct text picture = {0};
        ir_dot(&picture, f);
        text_free(&picture);
        ir_drop_unreachable(f);
        ir_settle(f);
        f->strict = false; /* in strict functions each access has its touch; mutants lose that */
        ok = check_passes(f, why);
    }
    ir_free(f);
    text_free(&ignored);
    return ok;
}

/* ---- failures ---- */

/* Leaves out lines as long as something is still wrong. */
static void reduce(struct text *t) {
    bool smaller = true;
    size_t lines = 0;
    for (size_t i = 0; i < t->len; i++)
        lines += t->p[i] == '\n';
    while (smaller && lines < MAX_REDUCED) {
        smaller = false;
        for (size_t at = 0; at < t->len;) {
            struct text less = {0}, why = {0};
            text_add(&less, t->p, t->len);
            size_t end = line_end(t, at);
            splice(&less, at, end - at, "", 0);
            if (check(&less, &why)) {
                text_free(&less);
                at = end;
            } else {
                text_free(t);
                *t = less;
                smaller = true;
            }
            text_free(&why);
        }
    }
}

static void on_crash(int signal) {
    static const char head[] = "irfuzz: bfopt crashed on:\n";
    if (write(2, head, sizeof head - 1) > 0 && fuzz.now.len > 0)
        (void)!write(2, fuzz.now.p, fuzz.now.len);
    _exit(128 + signal);
}

static void report(struct text *t, uint64_t number) {
    struct text why = {0};
    reduce(t);
    (void)check(t, &why);
    printf("FAILED mutant %llu: %s\n%s\n", (unsigned long long)number, why.p, t->p);
    text_free(&why);
}

/* ---- seeds ---- */

static void add_seed(const char *text, size_t len) {
    fuzz.seed = xgrow(fuzz.seed, &fuzz.seed_cap, (uint64_t)fuzz.nseed + 1, sizeof *fuzz.seed);
    fuzz.seed[fuzz.nseed] = xalloc(len + 1, 1);
    memcpy(fuzz.seed[fuzz.nseed], text, len);
    fuzz.seed[fuzz.nseed++][len] = '\0';
}

/* Every function of a file of cases: from its header to the closing brace. */
static void add_functions(const struct text *t) {
    size_t start = SIZE_MAX;
    for (size_t at = 0; at < t->len; at = line_end(t, at)) {
        if (strncmp(t->p + at, "unit ", 5) == 0 || strncmp(t->p + at, "program ", 8) == 0)
            start = at;
        if (t->p[at] == '}' && start != SIZE_MAX) {
            add_seed(t->p + start, line_end(t, at) - start);
            start = SIZE_MAX;
        }
    }
}

static int collect(const char *name, const struct stat *st, int type, struct FTW *ftw) {
    (void)st;
    (void)ftw;
    size_t len = strlen(name), n;
    FILE *in =
        type == FTW_F && len > 5 && strcmp(name + len - 5, ".bfir") == 0 ? fopen(name, "rb") : NULL;
    if (!in)
        return 0;
    struct text t = {0};
    char buf[4096];
    while ((n = fread(buf, 1, sizeof buf, in)) > 0)
        text_add(&t, buf, n);
    fclose(in);
    if (t.len > 0)
        add_functions(&t);
    text_free(&t);
    return 0;
}

static int compare_seeds(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* ---- main ---- */

static uint64_t run(uint64_t count) {
    uint64_t failed = 0;
    for (uint64_t i = 0; i < count && failed < 10; i++) {
        const char *seed = fuzz.seed[below(fuzz.nseed)];
        struct text why = {0};
        fuzz.now.len = 0;
        text_put(&fuzz.now, seed);
        mutate(&fuzz.now);
        if (!check(&fuzz.now, &why)) {
            failed++;
            report(&fuzz.now, i);
        }
        text_free(&why);
    }
    return failed;
}

static void print_quality(uint64_t count) {
    unsigned seen = 0;
    for (unsigned i = 0; i < OP_COUNT; i++)
        seen += fuzz.op_seen[i];
    printf("%llu mutants: %llu have the form of a function, %llu are sound; %u operations; passes "
           "changed something %llu times\n",
           (unsigned long long)count, (unsigned long long)fuzz.formed,
           (unsigned long long)fuzz.sound, seen, (unsigned long long)fuzz.changed);
}

int main(int argc, char **argv) {
    uint64_t count = 10000;
    setvbuf(stdout, NULL, _IOLBF, 0);
    fuzz.random = 1;
    for (int o; (o = getopt(argc, argv, "n:s:p:")) != -1;) {
        if (o == 'n')
            count = strtoull(optarg, NULL, 10);
        else if (o == 's')
            fuzz.random = strtoull(optarg, NULL, 10);
        else if (o == 'p')
            fuzz.passes = optarg;
        else
            return 2;
    }
    for (; optind < argc; optind++) {
        if (nftw(argv[optind], collect, 16, FTW_PHYS) != 0) {
            fprintf(stderr, "irfuzz: %s: %s\n", argv[optind], strerror(errno));
            return 2;
        }
    }
    if (fuzz.nseed == 0) {
        fprintf(stderr, "irfuzz: no functions to start from\n");
        return 2;
    }
    /* Sorted, so that a seed number means the same on every machine. */
    qsort(fuzz.seed, fuzz.nseed, sizeof *fuzz.seed, compare_seeds);
    signal(SIGSEGV, on_crash);
    signal(SIGABRT, on_crash);
    uint64_t failed = run(count);
    print_quality(count);
    for (uint32_t i = 0; i < fuzz.nseed; i++)
        xfree(fuzz.seed[i]);
    xfree(fuzz.seed);
    text_free(&fuzz.now);
    printf("%llu passed, %llu failed\n", (unsigned long long)(count - failed),
           (unsigned long long)failed);
    return failed != 0;
}
