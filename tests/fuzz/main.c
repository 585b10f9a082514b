/* main.c: the differential tests: programs, the reference interpreter, and every configuration.
 *
 *   fuzz [OPTION...] exhaustive LENGTH     every balanced program up to that many characters
 *   fuzz [OPTION...] random COUNT [SEED]   random programs
 *   fuzz [OPTION...] files FILE...         programs from files, NAME.in beside NAME.b their input
 *
 *   --quick | --all   fewer configurations, or more
 *   --sample=N        N configurations a program, drawn from all there are
 *   --asm=N           one program of N is assembled from -S and run, too
 *   --tape-seed=N     files: as units, on a tape with these contents
 *   --from=N          random: skip the first N
 *   --seconds=N       stop after so many seconds, and report
 *   --print           random: print the programs, one a line, instead of running them
 *   --verify          verify the IR after every pass (builds with assertions always do)
 *   --validate        evaluate the IR before and after every pass
 *   --check-ra        prove each register allocation
 *   --stats           print what the passes did
 *   --steps=N         what the reference may need for a program; longer ones are skipped
 *   --cells=N         size of the tape
 *   --sabotage=output|crash|end   make that fault, to see that it is found
 *
 * A program that differs under some configuration, or crashes there, is reduced and printed with
 * the command line that shows it.  The last line is `N passed, M failed`.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/text.h"
#include "tests/fuzz/generate.h"
#include "tests/fuzz/session.h"

#define MAX_LENGTH 15 /* of exhaustive programs */

static const unsigned widths[] = {8, 16, 32, 64};

/* ---- sources of programs ---- */

static void short_program(struct session *s, const char *text, size_t len) {
    static const uint8_t input[] = {3, 1};
    static uint64_t number;
    struct rng r = {number++};
    struct fuzz_program p = {.text = text,
                             .len = len,
                             .input = input,
                             .ninput = sizeof input,
                             .cell_bits = 8,
                             .seed = rng_below(&r, 1u << 30)};
    session_program(s, &p);
}

/* Every balanced program of exactly n characters, by depth-first enumeration. */
static void exactly(struct session *s, unsigned n) {
    static const char alphabet[] = "+-><.,[]";
    char p[MAX_LENGTH + 1] = {0};
    unsigned choice[MAX_LENGTH + 1] = {0}, at = 0, depth[MAX_LENGTH + 1] = {0};
    if (n == 0)
        short_program(s, p, 0);
    while (n > 0) {
        if (choice[at] == 8) { /* all was tried here */
            choice[at] = 0;
            if (at-- == 0)
                return;
            continue;
        }
        char c = alphabet[choice[at]++];
        if (c == ']' && depth[at] == 0)
            continue;
        unsigned d = depth[at] + (c == '[') - (c == ']');
        if (d > n - at - 1)
            continue;
        p[at] = c;
        if (at + 1 == n)
            short_program(s, p, n);
        else
            depth[++at] = d;
    }
}

static void exhaustive(struct session *s, void *arg) {
    const unsigned *length = arg;
    for (unsigned n = 0; n <= *length; n++)
        exactly(s, n);
}

struct series {
    uint64_t from, count, seed;
    bool print;
};

static void random_programs(struct session *s, void *arg) {
    const struct series *series = arg;
    struct text t = {0};
    for (uint64_t i = series->from; i < series->from + series->count; i++) {
        struct rng r = {series->seed * UINT64_C(0x9fb21c651e98df25) +
                        i * UINT64_C(0x5851f42d4c957f2d)};
        uint8_t input[16];
        t.len = 0;
        generate_program(&t, &r, 12);
        if (s == NULL) {
            printf("%.*s\n", (int)t.len, t.p ? t.p : "");
            continue;
        }
        struct fuzz_program p = {.text = t.p ? t.p : "",
                                 .len = t.len,
                                 .input = input,
                                 .ninput = generate_input(input, sizeof input, &r),
                                 .cell_bits = rng_below(&r, 2) ? 8 : widths[rng_below(&r, 4)],
                                 .eof = (enum eof_mode)rng_below(&r, 3),
                                 .seed = rng_below(&r, 1u << 30),
                                 .tape_seed = rng_below(&r, 4) ? 0 : 1 + rng_below(&r, 1u << 30)};
        session_program(s, &p);
    }
    text_free(&t);
}

static bool read_file(const char *path, struct text *out) {
    FILE *f = fopen(path, "rb");
    if (!f)
        return false;
    char buffer[65536];
    size_t n;
    while ((n = fread(buffer, 1, sizeof buffer, f)) > 0)
        text_add(out, buffer, n);
    fclose(f);
    return true;
}

/* The input that belongs to NAME.b: what NAME.in holds, if there is one. */
static void read_input(const char *path, struct text *out) {
    struct text name = {0};
    size_t len = strlen(path);
    text_add(&name, path, len > 2 && strcmp(path + len - 2, ".b") == 0 ? len - 2 : len);
    text_put(&name, ".in");
    read_file(name.p, out);
    text_free(&name);
}

struct named {
    char **path;
    uint32_t tape_seed;
};

static void files(struct session *s, void *arg) {
    const struct named *named = arg;
    for (char **path = named->path; *path; path++) {
        struct text t = {0}, input = {0};
        if (!read_file(*path, &t)) {
            fprintf(stderr, "fuzz: cannot read %s\n", *path);
            exit(1);
        }
        text_put(&t, ""); /* the parser stops at a NUL behind the end */
        read_input(*path, &input);
        for (unsigned k = 0; k < 4; k++)
            for (int eof = EOF_UNCHANGED; eof <= EOF_MINUS_ONE; eof++) {
                struct fuzz_program p = {.text = t.p,
                                         .len = t.len,
                                         .input = (const uint8_t *)(input.p ? input.p : ""),
                                         .ninput = input.len,
                                         .cell_bits = widths[k],
                                         .eof = (enum eof_mode)eof,
                                         .seed = 7,
                                         .tape_seed = named->tape_seed};
                session_program(s, &p);
            }
        text_free(&t);
        text_free(&input);
    }
}

/* ---- the command ---- */

static int usage(void) {
    fprintf(stderr, "usage: fuzz [--quick|--all|--sample=N] [--asm=N] [--verify] [--validate]\n"
                    "            [--check-ra] [--stats] [--steps=N] [--cells=N] [--tape-seed=N]\n"
                    "            [--from=N] [--seconds=N] [--print] [--sabotage=output|crash|end]\n"
                    "            exhaustive LENGTH | random COUNT [SEED] | files FILE...\n");
    return 1;
}

static bool is(const char *a, const char *b) {
    return strcmp(a, b) == 0;
}

/* What the command line asks for. */
struct wishes {
    struct session_options o;
    uint64_t sample, asm_every, tape_seed, from, seconds;
    bool print;
};

static bool take_number(struct wishes *w, const char *a) {
    struct {
        const char *name;
        uint64_t *to;
    } number[] = {
        {"--sample=", &w->sample},        {"--asm=", &w->asm_every},
        {"--tape-seed=", &w->tape_seed},  {"--from=", &w->from},
        {"--seconds=", &w->seconds},      {"--steps=", &w->o.differ.max_steps},
        {"--cells=", &w->o.differ.cells},
    };
    for (unsigned i = 0; i < sizeof number / sizeof *number; i++) {
        size_t n = strlen(number[i].name);
        if (strncmp(a, number[i].name, n) == 0) {
            char *end;
            *number[i].to = strtoull(a + n, &end, 10);
            return a[n] != 0 && *end == 0;
        }
    }
    return false;
}

static bool take_option(struct session_options *o, const char *a) {
    if (is(a, "--quick"))
        o->effort = EFFORT_QUICK;
    else if (is(a, "--all"))
        o->effort = EFFORT_ALL;
    else if (is(a, "--verify"))
        o->differ.verify = true;
    else if (is(a, "--validate"))
        o->differ.validate = true;
    else if (is(a, "--check-ra"))
        o->differ.check_ra = true;
    else if (is(a, "--stats"))
        o->stats = true;
    else if (is(a, "--sabotage=output"))
        o->differ.sabotage = SABOTAGE_OUTPUT;
    else if (is(a, "--sabotage=crash"))
        o->differ.sabotage = SABOTAGE_CRASH;
    else if (is(a, "--sabotage=end"))
        o->differ.sabotage = SABOTAGE_END;
    else
        return false;
    return true;
}

int main(int argc, char **argv) {
    struct wishes w = {
        .o = {.differ = {.max_steps = 20000, .cells = 4096}, .effort = EFFORT_NORMAL}};
    int at = 1;
    for (; at < argc && argv[at][0] == '-'; at++)
        if (is(argv[at], "--print"))
            w.print = true;
        else if (!take_option(&w.o, argv[at]) && !take_number(&w, argv[at]))
            return usage();
    w.o.sample = (unsigned)w.sample;
    w.o.asm_every = (unsigned)w.asm_every;
    w.o.seconds = (unsigned)w.seconds;
    argc -= at;
    argv += at;
    if (argc < 2)
        return usage();
    if (is(argv[0], "exhaustive")) {
        unsigned length = (unsigned)strtoul(argv[1], NULL, 10);
        return length > MAX_LENGTH ? usage() : !session_run(&w.o, exhaustive, &length);
    }
    if (is(argv[0], "random")) {
        struct series series = {w.from, strtoull(argv[1], NULL, 10),
                                argc > 2 ? strtoull(argv[2], NULL, 10) : 1, w.print};
        if (w.print)
            return random_programs(NULL, &series), 0;
        return !session_run(&w.o, random_programs, &series);
    }
    if (is(argv[0], "files")) {
        struct named named = {argv + 1, (uint32_t)w.tape_seed};
        return !session_run(&w.o, files, &named);
    }
    return usage();
}
