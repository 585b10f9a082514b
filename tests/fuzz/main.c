/* main.c: the differential tests.
 *
 *   fuzz exhaustive LENGTH        every balanced program up to that many characters
 *   fuzz random COUNT [SEED]      random programs
 *   fuzz files FILE...            programs from files (FILE.in beside FILE is their input)
 *   fuzz reduce FILE              shrinks a program that shows a difference
 *   options: --quick (fewer configurations)  --all (all of them)  --verify  --validate  --check-ra
 *
 * Every program runs under the reference interpreter and under each configuration.  The first
 * difference of a program is reduced and printed with the command line that shows it.  A run that
 * takes 20 seconds is taken for endless and reported as a difference. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/alloc.h"
#include "runtime/text.h"
#include "tests/fuzz/differ.h"
#include "tests/fuzz/generate.h"
#include "tests/fuzz/reduce.h"

#define WATCHDOG_SECONDS 20
#define MAX_REPORTS      20

struct session {
    struct differ *d;
    bool quick, all;
    uint64_t programs, skipped, runs, differences;
    uint8_t input[16];
    size_t ninput;
};

/* What the watchdog prints when a run does not end. */
static char current[4096];

static void on_alarm(int signal_number) {
    static const char say[] = "\nfuzz: no end within the time limit:\n";
    (void)signal_number;
    (void)!write(2, say, sizeof say - 1);
    (void)!write(2, current, strlen(current));
    (void)!write(2, "\n0 passed, 1 failed\n", 20);
    _exit(1);
}

static void remember(const struct config *c, const char *program, size_t len) {
    struct text t = {0};
    config_text(&t, c);
    snprintf(current, sizeof current, "%s -e '%.*s'", t.p, (int)(len < 3500 ? len : 3500), program);
    text_free(&t);
}

/* ---- configurations ---- */

static const unsigned widths[] = {8, 16, 32, 64};

/* Calls visit for each configuration at one width and EOF mode until it returns false. */
typedef bool visit_fn(struct session *s, const struct config *c, void *arg);

static bool each_config(struct session *s, unsigned bits, enum eof_mode eof, visit_fn *visit,
                        void *arg) {
    static const unsigned registers[] = {0, 3, 5};
    for (unsigned level = 0; level <= 3; level++) {
        for (unsigned engine = 0; engine < ENGINE_COUNT; engine++) {
            if (engine == ENGINE_SWITCH && (!s->all || level != 1))
                continue;
            unsigned nregs = s->quick ? 1 : s->all ? 3 : 2;
            for (unsigned k = 0; k < nregs; k++) {
                struct config c = {.engine = (enum engine)engine, .level = level,
                                   .cell_bits = bits, .eof = eof, .max_regs = registers[k]};
                if (!visit(s, &c, arg))
                    return false;
                c.strict = true;
                if (k == 0 && !visit(s, &c, arg))
                    return false;
            }
        }
    }
    return true;
}

/* ---- one program ---- */

struct trial {
    const char *program;
    size_t len;
    struct config bad; /* the configuration that differed */
    struct text why;
};

static bool try_config(struct session *s, const struct config *c, void *arg) {
    struct trial *t = arg;
    s->runs++;
    remember(c, t->program, t->len);
    alarm(WATCHDOG_SECONDS);
    t->why.len = 0;
    if (differ_run(s->d, c, &t->why) != DIFFERS)
        return true;
    t->bad = *c;
    return false;
}

/* Does the reduced program still differ under the configuration of arg? */
static bool still_differs(const char *program, size_t len, void *arg) {
    struct {
        struct session *s;
        struct trial *t;
    } *a = arg;
    const struct config *c = &a->t->bad;
    struct text why = {0};
    remember(c, program, len);
    alarm(WATCHDOG_SECONDS);
    bool bad = differ_reference(a->s->d, program, len, a->s->input, a->s->ninput, c->cell_bits,
                                c->eof) == AGREES &&
               differ_run(a->s->d, c, &why) == DIFFERS;
    text_free(&why);
    return bad;
}

static void report(struct session *s, struct trial *t) {
    struct text small = {0}, options = {0};
    struct {
        struct session *s;
        struct trial *t;
    } arg = {s, t};
    text_add(&small, t->program, t->len);
    reduce_program(&small, still_differs, &arg);
    config_text(&options, &t->bad);
    printf("FAIL bfopt %s -e '%s'\n     %.*s\n", options.p, small.p, (int)t->why.len, t->why.p);
    if (s->ninput) {
        printf("     input:");
        for (size_t i = 0; i < s->ninput; i++)
            printf(" %u", s->input[i]);
        printf("\n");
    }
    fflush(stdout);
    text_free(&small);
    text_free(&options);
}

/* Runs one program at one width and EOF mode under all configurations. */
static void run_program(struct session *s, const char *program, size_t len, unsigned bits,
                        enum eof_mode eof) {
    struct trial t = {.program = program, .len = len};
    s->programs++;
    if (differ_reference(s->d, program, len, s->input, s->ninput, bits, eof) == SKIPPED) {
        s->skipped++;
        return;
    }
    if (!each_config(s, bits, eof, try_config, &t)) {
        s->differences++;
        if (s->differences <= MAX_REPORTS)
            report(s, &t);
    }
    text_free(&t.why);
}

/* ---- sources of programs ---- */

/* Every balanced program of exactly n characters, by depth-first enumeration. */
static void exhaustive(struct session *s, unsigned n) {
    static const char alphabet[] = "+-><.,[]";
    char p[16] = {0};
    unsigned choice[16] = {0}, at = 0;
    int depth[17] = {0};
    s->ninput = 2;
    memcpy(s->input, "\3\1", 2);
    for (;;) {
        if (at == n && depth[at] == 0)
            run_program(s, p, n, 8, EOF_UNCHANGED);
        if (at == n || choice[at] == 8) { /* back up */
            if (at < n)
                choice[at] = 0;
            if (at-- == 0)
                return;
            continue;
        }
        char c = alphabet[choice[at]++];
        int d = depth[at] + (c == '[') - (c == ']');
        if (d < 0 || d > (int)(n - at - 1))
            continue;
        p[at++] = c;
        depth[at] = d;
    }
}

static void random_programs(struct session *s, uint64_t count, uint64_t seed) {
    for (uint64_t i = 0; i < count; i++) {
        struct rng r = {seed + i * UINT64_C(0x5851f42d4c957f2d)};
        struct text p = {0};
        generate_program(&p, &r, 12);
        s->ninput = generate_input(s->input, sizeof s->input, &r);
        unsigned bits = rng_below(&r, 2) ? 8 : widths[rng_below(&r, 4)];
        run_program(s, p.p ? p.p : "", p.len, bits, (enum eof_mode)rng_below(&r, 3));
        text_free(&p);
        if ((i + 1) % 100000 == 0)
            fprintf(stderr, "fuzz: %llu programs, %llu skipped, %llu runs, %llu differences\n",
                    (unsigned long long)s->programs, (unsigned long long)s->skipped,
                    (unsigned long long)s->runs, (unsigned long long)s->differences);
    }
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

static int files(struct session *s, char **path) {
    for (; *path; path++) {
        struct text p = {0};
        if (!read_file(*path, &p)) {
            fprintf(stderr, "fuzz: cannot read %s\n", *path);
            return 1;
        }
        for (unsigned k = 0; k < 4; k++)
            run_program(s, p.p, p.len, widths[k], EOF_UNCHANGED);
        text_free(&p);
    }
    return 0;
}

/* ---- the command ---- */

static int usage(void) {
    fprintf(stderr, "usage: fuzz [--quick|--all] [--verify] [--validate] [--check-ra]\n"
                    "            exhaustive LENGTH | random COUNT [SEED] | files FILE...\n");
    return 1;
}

static int run(struct session *s, int argc, char **argv) {
    if (argc >= 2 && strcmp(argv[0], "exhaustive") == 0) {
        for (unsigned n = 0; n <= strtoul(argv[1], NULL, 10) && n < 15; n++)
            exhaustive(s, n);
        return 0;
    }
    if (argc >= 2 && strcmp(argv[0], "random") == 0) {
        random_programs(s, strtoull(argv[1], NULL, 10), argc > 2 ? strtoull(argv[2], NULL, 10) : 1);
        return 0;
    }
    if (argc >= 2 && strcmp(argv[0], "files") == 0)
        return files(s, argv + 1);
    return usage();
}

int main(int argc, char **argv) {
    struct differ_options o = {.max_steps = 20000, .cells = 4096};
    struct session s = {0};
    int at = 1;
    for (; at < argc && argv[at][0] == '-'; at++) {
        s.quick |= strcmp(argv[at], "--quick") == 0;
        s.all |= strcmp(argv[at], "--all") == 0;
        o.verify |= strcmp(argv[at], "--verify") == 0;
        o.validate |= strcmp(argv[at], "--validate") == 0;
        o.check_ra |= strcmp(argv[at], "--check-ra") == 0;
    }
    signal(SIGALRM, on_alarm);
    s.d = differ_new(&o);
    int status = run(&s, argc - at, argv + at);
    differ_free(s.d);
    if (status)
        return status;
    uint64_t ran = s.programs - s.skipped;
    printf("%llu programs, %llu of them endless or too long, %llu runs compared\n",
           (unsigned long long)s.programs, (unsigned long long)s.skipped,
           (unsigned long long)s.runs);
    printf("%llu passed, %llu failed\n", (unsigned long long)(ran - s.differences),
           (unsigned long long)s.differences);
    return s.differences != 0;
}
