/* test_frontend.c: sources, the parser and the command line, against simpler ways to the answer. */
#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>

#include "frontend/diag.h"
#include "frontend/options.h"
#include "frontend/parse.h"
#include "frontend/source.h"
#include "runtime/alloc.h"
#include "runtime/text.h"

/* ---- sources ---- */

static struct source source_of(const char *bytes, size_t n) {
    struct source s;
    struct text why = {0};
    cr_assert(source_copy(&s, "t.b", bytes, n, &why));
    return s;
}

Test(source, positions_are_those_of_counting) {
    size_t n = 50000;
    char *bytes = xalloc(n, 1);
    srand(1);
    for (size_t i = 0; i < n; i++)
        bytes[i] = rand() % (i < 20000 ? 5 : 9000) == 0 ? '\n' : 'x';
    struct source s = source_of(bytes, n);
    uint32_t line = 1, start = 0;
    for (uint32_t i = 0; i <= n; i++) {
        struct position p = source_position(&s, i);
        cr_assert_eq(p.line, line);
        cr_assert_eq(p.column, i - start + 1);
        cr_assert_eq(p.line_start, start);
        if (i < n && bytes[i] == '\n') {
            line++;
            start = i + 1;
        }
    }
    source_free(&s);
    xfree(bytes);
}

Test(source, skips_a_first_line_for_the_shell) {
    cr_assert_eq(source_of("#!/usr/bin/bfopt -O3\n+", 22).start, 20);
    cr_assert_eq(source_of("#!no end.", 9).start, 9);
    cr_assert_eq(source_of("+\n#!\n", 5).start, 0);
    cr_assert_eq(source_of("#", 1).start, 0);
}

static void shows(const char *bytes, size_t n, uint32_t offset, const char *want) {
    struct source s = source_of(bytes, n);
    struct text t = {0};
    diag_show_line(&t, &s, offset);
    cr_assert_str_eq(t.p, want);
    text_free(&t);
    source_free(&s);
}
#define SHOWS(bytes, offset, want) shows(bytes, sizeof bytes - 1, offset, want)

Test(diag, points_at_the_byte) {
    SHOWS("ab\n+[-\nx", 4, "  +[-\n   ^\n");
    SHOWS("a\t[", 2, "  a\t[\n   \t^\n");
    SHOWS("[\r\n", 0, "  [\n  ^\n");
    SHOWS("", 0, "  \n  ^\n");
    SHOWS("ab", 2, "  ab\n    ^\n");
}

Test(diag, shows_characters_and_hides_bytes) {
    SHOWS("\xC3\xA9[", 2, "  \xC3\xA9[\n   ^\n");
    SHOWS("\xE2\x82\xAC\xF0\x9F\x98\x80[", 7, "  \xE2\x82\xAC\xF0\x9F\x98\x80[\n    ^\n");
    SHOWS("\xFF\x1B\xC3[", 3, "  ???[\n     ^\n");
    SHOWS("\xC2\x9B[", 2, "  ??[\n    ^\n");
    SHOWS("\xC0\x80\xED\xA0\x80[", 5, "  ?????[\n       ^\n");
    SHOWS("a\0[", 2, "  a?[\n    ^\n");
    /* The first and last of each length, and what stands beside them. */
    SHOWS("\xC2\xA0\xDF\xBF\xE0\xA0\x80[", 7, "  \xC2\xA0\xDF\xBF\xE0\xA0\x80[\n     ^\n");
    SHOWS("\xED\x9F\xBF\xF0\x90\x80\x80\xF4\x8F\xBF\xBF[", 11,
          "  \xED\x9F\xBF\xF0\x90\x80\x80\xF4\x8F\xBF\xBF[\n     ^\n");
    SHOWS("\xE0\x9F\xBF\xF0\x8F\xBF\xBF[", 7, "  ???????[\n         ^\n");
    SHOWS("\xF4\x90\x80\x80\xF5\x80\x80\x80[", 8, "  ????????[\n          ^\n");
    SHOWS("\xC3[", 1, "  ?[\n   ^\n");
    SHOWS("\xE2\x82[", 2, "  ??[\n    ^\n");
    SHOWS("[\xF0\x9F\x98", 0, "  [???\n  ^\n");
    SHOWS("\x7F\x1F [", 3, "  ?? [\n     ^\n");
    SHOWS("+[\r", 2, "  +[?\n    ^\n");
}

Test(diag, cuts_long_lines) {
    char line[1000];
    memset(line, '+', sizeof line);
    line[500] = '[';
    struct source s = source_of(line, sizeof line);
    struct text t = {0};
    diag_show_line(&t, &s, 500);
    cr_assert_eq(t.len, 5 + 100 + 4 + 5 + 60 + 2);
    char *caret = strchr(t.p, '^');
    cr_assert_eq(caret - strchr(t.p, '\n') - 1, strchr(t.p, '[') - t.p);
    text_free(&t);
    /* Near the start, near the end, and where a character would be cut. */
    for (uint32_t at = 0; at < sizeof line; at += 111) {
        diag_show_line(&t, &s, at);
        cr_assert_eq(strncmp(t.p, "  ...", 5) == 0, at > 100, "%u: %s", at, t.p);
        text_free(&t);
    }
    source_free(&s);
    for (unsigned i = 0; i + 2 < sizeof line; i += 3)
        memcpy(line + i, "\xE2\x82\xAC", 3);
    for (uint32_t at = 495; at < 501; at++) {
        line[at] = '[';
        s = source_of(line, sizeof line);
        diag_show_line(&t, &s, at);
        const char *first = t.p + 5, *last = strstr(t.p, "...\n");
        cr_assert(last != NULL && memcmp(first, "\xE2\x82\xAC", 3) == 0, "%s", t.p);
        cr_assert(memcmp(last - 3, "\xE2\x82\xAC", 3) == 0, "%s", t.p);
        text_free(&t);
        source_free(&s);
        memcpy(line + at - at % 3, "\xE2\x82\xAC", 3);
    }
    /* What continues for ever is cut anyway. */
    memset(line, '\x80', sizeof line);
    line[500] = '[';
    s = source_of(line, sizeof line);
    diag_show_line(&t, &s, 500);
    cr_assert(strstr(t.p, "?[?") != NULL);
    text_free(&t);
    source_free(&s);
}

/* ---- the parser ---- */

#define PLAIN_MAX 256

/* The commands of the program, one character each, with a matching bracket's index. */
struct plain {
    char command[PLAIN_MAX];
    int partner[PLAIN_MAX];
    unsigned src[PLAIN_MAX];
    int n;
    bool balanced;
};

static void plain_parse(struct plain *p, const char *text, size_t n) {
    int stack[PLAIN_MAX], depth = 0;
    *p = (struct plain){.balanced = true};
    for (unsigned i = 0; i < n; i++) {
        if (text[i] == '\0' || strchr("+-<>,.[]", text[i]) == NULL)
            continue;
        p->command[p->n] = text[i];
        p->src[p->n] = i;
        if (text[i] == '[')
            stack[depth++] = p->n;
        if (text[i] == ']') {
            if (depth == 0) {
                p->balanced = false;
                return;
            }
            p->partner[p->n] = stack[--depth];
            p->partner[stack[depth]] = p->n;
        }
        p->n++;
    }
    p->balanced = depth == 0;
}

static void check_one_by_one(const struct program *got, const struct plain *want) {
    static const char kinds[] = "+>,.[]";
    static const enum bf_kind kind[] = {BF_ADD, BF_MOVE, BF_IN, BF_OUT, BF_OPEN, BF_CLOSE};
    cr_assert_eq(got->nop, want->n + 1);
    for (int i = 0; i < want->n; i++) {
        char c = want->command[i];
        int sign = c == '-' || c == '<' ? -1 : 1;
        char up = c == '-' ? '+' : c == '<' ? '>' : c;
        cr_assert_eq(got->op[i].kind, kind[strchr(kinds, up) - kinds]);
        cr_assert_eq(got->op[i].src, want->src[i]);
        if (up == '+' || up == '>')
            cr_assert_eq(got->op[i].arg, sign);
        if (c == '[' || c == ']')
            cr_assert_eq(got->op[i].arg, want->partner[i]);
    }
}

/* Folding must keep the order and the sums. */
static void check_folded(const struct program *got, const struct plain *want) {
    int at = 0;
    uint64_t moves = 0;
    for (uint32_t i = 0; got->op[i].kind != BF_END; i++) {
        const struct bf_op *op = &got->op[i];
        /* MOVEs of 0 are dropped. */
        while (want->src[at] != op->src)
            at++;
        if (op->kind == BF_OPEN || op->kind == BF_CLOSE) {
            cr_assert_eq(got->op[op->arg].src, want->src[want->partner[at]]);
            cr_assert_eq(got->op[op->arg].arg, i);
        }
        if (op->kind == BF_ADD || op->kind == BF_MOVE) {
            const char *both = op->kind == BF_ADD ? "+-" : "><";
            int sum = 0;
            for (; at < want->n && strchr(both, want->command[at]); at++)
                sum += want->command[at] == both[0] ? 1 : -1;
            cr_assert_eq(op->arg, sum);
            moves += op->kind == BF_MOVE ? (uint64_t)abs(sum) : 0;
        } else {
            at++;
        }
    }
    cr_assert_eq(got->total_moves, moves);
}

/* A random text of about `length` bytes whose characters come up to `repeat` times in a row. */
static size_t plain_text(char text[PLAIN_MAX], int length, int repeat) {
    static const char alphabet[] = "++--<>,.[]#! \0";
    size_t n = 0;
    for (length = rand() % length; length > 0;) {
        char c = alphabet[rand() % (int)(sizeof alphabet - 1)];
        int times = 1 + rand() % repeat;
        for (int i = 0; i < times && length > 0; i++, length--)
            text[n++] = c;
    }
    text[n] = '\0';
    return n;
}

/* Parses `rounds` such texts; returns how many of them had their brackets matched. */
static int plain_agrees(int rounds, int length, int repeat) {
    int balanced = 0;
    for (int round = 0; round < rounds; round++) {
        char text[PLAIN_MAX];
        size_t n = plain_text(text, length, repeat);
        struct plain want;
        plain_parse(&want, text, n);
        for (int single = 0; single <= 1; single++) {
            struct program p;
            struct parse_options o = {.one_by_one = single};
            struct parse_result r = parse_program(&p, (const uint8_t *)text, 0, (uint32_t)n, &o);
            cr_assert_eq(r.error == PARSE_OK, want.balanced);
            if (want.balanced)
                (single ? check_one_by_one : check_folded)(&p, &want);
            program_free(&p);
        }
        balanced += want.balanced;
    }
    return balanced;
}

Test(parse, agrees_with_a_plain_parser) {
    srand(2);
    cr_assert_gt(plain_agrees(200000, 20, 1), 20000);
}

/* Runs are compared eight bytes at a time, from any of their bytes on. */
Test(parse, counts_runs_of_any_length) {
    srand(3);
    cr_assert_gt(plain_agrees(100000, 200, 30), 2000);
    for (int n = 0; n < 100; n++) {
        char text[128];
        memset(text, '>', (size_t)n);
        strcpy(text + n, "<");
        struct program p;
        struct parse_result r = parse_program(&p, (const uint8_t *)text, 0, (uint32_t)n + 1,
                                              &(struct parse_options){0});
        cr_assert_eq(r.error, PARSE_OK);
        cr_assert_eq(p.total_moves, (uint64_t)abs(n - 1));
        /* What follows the text is not part of it, even if it would prolong the run. */
        memset(text, '+', sizeof text);
        text[n] = '\0';
        program_free(&p);
        parse_program(&p, (const uint8_t *)text, 0, (uint32_t)n, &(struct parse_options){0});
        cr_assert_eq(p.nop, n == 0 ? 1 : 2);
        cr_assert_eq(n == 0 ? 0 : p.op[0].arg, n);
        program_free(&p);
    }
}

static struct parse_result parse_of(const char *text, struct parse_options o, struct program *p) {
    return parse_program(p, (const uint8_t *)text, 0, (uint32_t)strlen(text), &o);
}

Test(parse, names_the_bracket_without_a_partner) {
    struct program p;
    struct parse_options o = {0};
    struct parse_result r = parse_of("+[-]]+", o, &p);
    cr_assert_eq(r.error, PARSE_UNMATCHED_CLOSE);
    cr_assert_eq(r.at, 4);
    r = parse_of("[]+[[]", o, &p);
    cr_assert_eq(r.error, PARSE_UNMATCHED_OPEN);
    cr_assert_eq(r.at, 3);
    cr_assert_eq(r.count, 1);
    r = parse_of("[[[", o, &p);
    cr_assert_eq(r.at, 0);
    cr_assert_eq(r.count, 3);
}

Test(parse, ends_at_a_bang_that_separates) {
    struct program p;
    struct parse_options o = {.bang = true};
    cr_assert_eq(parse_of("+!,.!x", o, &p).end, 4);
    cr_assert_eq(parse_of(",[!.]!]", o, &p).end, 5);
    cr_assert_eq(parse_of(",!", (struct parse_options){0}, &p).end, 2);
}

Test(parse, hash_is_an_operation_if_asked_for) {
    struct program p;
    parse_of("+#+", (struct parse_options){.hash = true}, &p);
    cr_assert_eq(p.nop, 4);
    cr_assert_eq(p.op[1].kind, BF_HASH);
    parse_of("+#+", (struct parse_options){0}, &p);
    cr_assert_eq(p.nop, 2);
    cr_assert_eq(p.op[0].arg, 2);
}

/* ---- the command line ---- */

static struct options opts;
static struct text opts_why;

/* Parses words separated by single spaces. */
static bool options_of(const char *line) {
    static char words[256];
    char *argv[32] = {"bfopt"};
    int argc = 1;
    text_free(&opts_why);
    strcpy(words, line);
    for (char *w = strtok(words, " "); w != NULL; w = strtok(NULL, " "))
        argv[argc++] = w;
    return options_parse(&opts, argc, argv, &opts_why);
}

Test(options, have_defaults) {
    cr_assert(options_of("prog.b"));
    cr_assert_str_eq(opts.file, "prog.b");
    cr_assert_eq(opts.level, 2);
    cr_assert_eq(opts.cell_bits, 8);
    cr_assert_eq(opts.tape_cells, 64 << 20);
    cr_assert_eq(opts.eof, EOF_UNCHANGED);
    cr_assert_eq(opts.max_steps, UINT64_MAX);
}

Test(options, are_found_in_every_form) {
    cr_assert(options_of("prog.b -O3 --jit --tape=1k -#o x.s --eof -1 -S"));
    cr_assert_eq(opts.level, 3);
    cr_assert_eq(opts.engine, ENGINE_JIT);
    cr_assert_eq(opts.tape_cells, 1024);
    cr_assert(opts.debug_hash);
    cr_assert_str_eq(opts.output, "x.s");
    cr_assert_eq(opts.eof, EOF_MINUS_ONE);
    cr_assert_eq(opts.action, ACT_ASM);
    cr_assert(options_of("-e+ -e ++"));
    cr_assert_str_eq(opts.code.p, "+++");
    cr_assert(options_of("-- -e"));
    cr_assert_str_eq(opts.file, "-e");
    cr_assert(options_of("- --interp=switch --interp"));
    cr_assert_not(opts.interp_switch);
    cr_assert(options_of("- --max-steps=2m --print-after=a --print-after=b"));
    cr_assert_eq(opts.max_steps, 2000000);
    cr_assert_str_eq(opts.print_after.p, "a,b");
}

Test(options, say_what_is_wrong) {
    static const struct {
        const char *line, *why;
    } cases[] = {
        {"", "no program: give a FILE, `-` for standard input, or -e CODE"},
        {"a b", "two files, `a` and `b`"},
        {"a -e +", "two programs: a FILE and -e CODE"},
        {"a -O4", "option `-O`: `4` is none of 0|1|2|3"},
        {"a --cell-bits=12", "option `--cell-bits`: `12` is none of 8|16|32|64"},
        {"a --nothing=1", "option `--nothing` is unknown"},
        {"a -Sx", "option `-x` is unknown"},
        {"a --jit=1", "option `--jit` takes no value"},
        {"a --tape", "option `--tape` needs a value"},
        {"a -o", "option `-o` needs a value"},
        {"a --tape=0", "option `--tape`: bad number `0`: 1 to 70368744177664 are possible"},
        {"a --tape=1kk", "option `--tape`: bad number `1kk`: 1 to 70368744177664 are possible"},
        {"a --opt-limit=-1", "option `--opt-limit`: bad number `-1`"},
        {"a --opt-limit=18446744073709551616",
         "option `--opt-limit`: bad number `18446744073709551616`"},
        {"a --max-regs=2", "option `--max-regs`: bad number `2`: 3 to 15 are possible"},
        {"a --jit --max-steps=5",
         "--max-steps counts commands of the source, which only --ref does"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cr_assert_not(options_of(cases[i].line));
        cr_assert_str_eq(opts_why.p, cases[i].why);
    }
}

Test(options, are_all_in_every_text) {
    struct text help = {0}, man = {0}, bash = {0};
    manual_help(&help);
    manual_page(&man);
    manual_bash(&bash);
    for (int id = 0; id < OPT_COUNT; id++) {
        char name[64] = "--";
        if (option_table[id].name == NULL)
            continue;
        strcat(name, option_table[id].name);
        cr_assert_not_null(strstr(help.p, name));
        cr_assert_not_null(strstr(bash.p, name));
    }
    for (const char *line = help.p; *line != '\0'; line = strchr(line, '\n') + 1)
        cr_assert_leq(strchr(line, '\n') - line, 80);
    text_free(&help);
    text_free(&man);
    text_free(&bash);
}
