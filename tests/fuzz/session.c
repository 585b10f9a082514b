/* session.c: programs run in a worker process, which ends at the first one that does not agree.
 *
 *   parent ── fork ──▶ worker: source → session_program → differ
 *      ▲                  │ differs, crashes, hangs
 *      └── shared memory ─┘ (the program, the configuration, why)
 *
 * The parent then reduces the program, one child process a trial, so that crashes shrink as wrong
 * results do, reports it, and starts a new worker behind it.  Relies on: sources repeat themselves.
 */
#include "tests/fuzz/session.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "passes/pipeline.h"
#include "runtime/alloc.h"
#include "runtime/text.h"
#include "tests/fuzz/generate.h"
#include "tests/fuzz/reduce.h"

#define MAX_PROGRAM     (1 << 20)
#define MAX_INPUT       (1 << 16)
#define MAX_REPORTS     10 /* reduced and printed; the others are only counted */
#define MAX_DIFFERENCES 200
#define MAX_PASSES      64
#define MESSAGES        1500 /* bytes */
#define PROGRAM_SECONDS 60   /* of processor time, for all configurations of a program */
#define STATUS_DIFFERS  3
#define STATUS_AGAIN    4                   /* not finished: a new worker goes on */
#define MAX_KIB         (UINT64_C(1) << 20) /* a worker takes; runs that are left lose memory */

/* What the worker tells its parent, also when it crashes. */
struct shared {
    uint64_t begun; /* programs, the current one included */
    uint64_t skipped, runs, differences, off_tape;
    uint64_t fired[MAX_PASSES]; /* programs in which a pass changed something */
    uint64_t by_engine[ENGINE_COUNT];
    struct config config;
    uint32_t tape_seed;
    size_t len, ninput;
    char why[512];
    char program[MAX_PROGRAM];
    uint8_t input[MAX_INPUT];
};

struct session {
    const struct session_options *o;
    struct shared *shared;
    struct differ *d;
    uint64_t at;                  /* number of the program at hand */
    uint64_t first;               /* to be run by this worker */
    uint64_t changes[MAX_PASSES]; /* runs of passes that changed something, before this program */
    char messages[MESSAGES];      /* the last ones of a worker that ended */
};

/* Writes what was counted, in builds that measure coverage. */
extern void __gcov_dump(void) __attribute__((weak));

/* ---- in the worker ---- */

/* More than this for one program is a hang of the compiler: SIGPROF ends the process. */
static void limit_time(void) {
    struct itimerval t = {.it_value.tv_sec = PROGRAM_SECONDS};
    setitimer(ITIMER_PROF, &t, NULL);
}

/* Ends the worker if the program differs under c. */
static void run_config(struct session *s, const struct config *c) {
    struct text why = {0};
    s->shared->config = *c;
    s->shared->runs++;
    s->shared->by_engine[c->engine]++;
    if (differ_run(s->d, c, &why) == DIFFERS) {
        snprintf(s->shared->why, sizeof s->shared->why, "%s", why.p ? why.p : "");
        _exit(STATUS_DIFFERS);
    }
    text_free(&why);
}

/* ---- the configurations ---- */

#define MAX_CONFIGS 128

struct configs {
    struct config c[MAX_CONFIGS];
    unsigned n;
};

static void add_config(struct configs *list, const struct config *c) {
    if (list->n == MAX_CONFIGS)
        abort();
    list->c[list->n++] = *c;
}

/* The variations of one engine and level. */
static void add_variations(struct configs *list, struct config c, enum effort effort,
                           uint32_t ra_seed) {
    static const unsigned few[] = {4, 5, 8};
    add_config(list, &c);
    c.strict = true;
    add_config(list, &c);
    c.strict = false;
    if (effort == EFFORT_QUICK)
        return;
    c.max_regs = 3;
    c.baseline = true;
    c.ra_seed = ra_seed;
    add_config(list, &c);
    if (effort == EFFORT_NORMAL)
        return;
    c.baseline = false;
    c.ra_seed = 0;
    for (unsigned i = 0; i < 3; i++) {
        c.max_regs = few[i];
        add_config(list, &c);
    }
    if (c.engine != ENGINE_JIT)
        return;
    c.max_regs = 0;
    c.bounds = true;
    add_config(list, &c);
    c.strict = true;
    add_config(list, &c);
}

/* How far prerun may go: too far and there is nothing left to compile, so mostly not far. */
static uint64_t draw_prerun(uint32_t seed) {
    static const uint64_t steps[] = {1, 10, 25, 60, 150, 400, 1, 0};
    return steps[seed * UINT32_C(2654435761) >> 29];
}

/* Mostly few rounds, as programs that end soon make few. */
static uint32_t draw_threshold(uint32_t seed) {
    static const uint32_t most[] = {1, 2, 3, 4, 6, 12, 50, 700};
    return most[seed * UINT32_C(2246822519) >> 29];
}

static struct config plain_config(const struct fuzz_program *p, enum engine engine,
                                  unsigned level) {
    return (struct config){
        .engine = engine,
        .level = level,
        .cell_bits = p->cell_bits,
        .eof = p->eof,
        .threshold = engine == ENGINE_TIERED ? draw_threshold(p->seed + level) : 0,
        .tier_max =
            engine == ENGINE_TIERED && (p->seed / 8 + level) % 4 == 0 ? TIERS_BASELINE : TIERS_ALL,
        .tier_seed = engine == ENGINE_TIERED && (p->seed + level) % 4 != 0 ? p->seed : 0,
        .prerun_steps = level == 3 || engine == ENGINE_ASM ? draw_prerun(p->seed + engine) : 0,
        .unit = p->tape_seed != 0};
}

static void list_configs(struct configs *list, const struct fuzz_program *p, enum effort effort) {
    list->n = 0;
    for (unsigned level = 0; level <= 3; level++)
        for (unsigned engine = 0; engine < ENGINE_ASM; engine++)
            /* The two interpreters differ in how they dispatch; once is enough to see it. */
            if (engine != ENGINE_SWITCH || (effort == EFFORT_ALL && level == 1))
                add_variations(list, plain_config(p, (enum engine)engine, level), effort, p->seed);
}

/* Optimized machine code, and others drawn from all configurations. */
static void run_sample(struct session *s, const struct fuzz_program *p) {
    struct configs all;
    struct rng r = {p->seed};
    struct config first = plain_config(p, ENGINE_JIT, 2 + rng_below(&r, 2));
    list_configs(&all, p, EFFORT_ALL);
    run_config(s, &first);
    for (unsigned i = 1; i < s->o->sample; i++)
        run_config(s, &all.c[rng_below(&r, all.n)]);
}

/* The assembled program: a process and a compiler's run each. */
static void run_asm(struct session *s, const struct fuzz_program *p) {
    struct rng r = {p->seed + 1};
    struct config c = plain_config(p, ENGINE_ASM, rng_below(&r, 4));
    c.strict = rng_below(&r, 2) != 0;
    c.bounds = rng_below(&r, 4) == 0;
    c.max_regs = rng_below(&r, 3) == 0 ? 3 : 0;
    run_config(s, &c);
}

static void run_configs(struct session *s, const struct fuzz_program *p) {
    if (s->o->sample) {
        run_sample(s, p);
    } else {
        struct configs list;
        list_configs(&list, p, s->o->effort);
        for (unsigned i = 0; i < list.n; i++)
            run_config(s, &list.c[i]);
    }
    if (s->o->asm_every && s->at % s->o->asm_every == 0 && p->tape_seed == 0)
        run_asm(s, p);
}

/* ---- the programs ---- */

/* Notes which passes changed something in the program at hand. */
static void count_passes(struct session *s) {
    const struct pass_stats *stats = s->o->differ.stats;
    for (unsigned i = 0; stats && i < pass_table_size && i < MAX_PASSES; i++) {
        uint64_t now = pass_stats_changes(stats, i);
        s->shared->fired[i] += now != s->changes[i];
        s->changes[i] = now;
    }
}

static void remember(struct shared *h, const struct fuzz_program *p) {
    if (p->len > MAX_PROGRAM || p->ninput > MAX_INPUT)
        abort();
    memcpy(h->program, p->text, p->len);
    memcpy(h->input, p->input, p->ninput);
    h->len = p->len;
    h->ninput = p->ninput;
    h->config = (struct config){.cell_bits = p->cell_bits, .eof = p->eof};
    h->tape_seed = p->tape_seed;
    h->why[0] = 0;
}

/* A new process now and then, for the memory of runs that were left. */
static void start_anew_if_large(const struct session *s) {
    struct rusage u;
    if (s->at % 1024 != 0 || getrusage(RUSAGE_SELF, &u) != 0 || (uint64_t)u.ru_maxrss < MAX_KIB)
        return;
    fflush(stdout);
    _exit(STATUS_AGAIN);
}

void session_program(struct session *s, const struct fuzz_program *p) {
    if (s->at++ < s->first)
        return;
    s->shared->begun = s->at;
    remember(s->shared, p);
    limit_time();
    if (differ_reference(s->d, p) == SKIPPED) {
        s->shared->skipped++;
    } else {
        s->shared->off_tape += differ_end(s->d) == RUN_OFF_TAPE;
        run_configs(s, p);
        count_passes(s);
    }
    start_anew_if_large(s);
    if (s->at % 100000 == 0)
        fprintf(stderr, "fuzz: %llu programs, %llu runs, %llu differences\n",
                (unsigned long long)s->at, (unsigned long long)s->shared->runs,
                (unsigned long long)s->shared->differences);
}

static _Noreturn void work(struct session *s, source_fn *source, void *arg) {
    signal(SIGTERM, SIG_DFL);
    signal(SIGINT, SIG_DFL);
    struct session_options o = *s->o;
    o.differ.stats = pass_stats_new(false);
    s->o = &o;
    s->d = differ_new(&o.differ);
    source(s, arg);
    differ_free(s->d);
    if (o.stats) {
        struct text t = {0};
        pass_stats_print(o.differ.stats, &t);
        printf("%s", t.p ? t.p : "");
        text_free(&t);
    }
    pass_stats_free(o.differ.stats);
    fflush(stdout);
    if (__gcov_dump)
        __gcov_dump();
    _exit(0);
}

/* ---- in the parent ---- */

/* Forks a child that does not dump core and whose messages go to fd (-1: where ours go). */
static pid_t fork_child(int fd) {
    fflush(stdout);
    pid_t child = fork();
    if (child < 0)
        abort();
    if (child > 0)
        return child;
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    if (fd >= 0)
        dup2(fd, STDERR_FILENO);
    return 0;
}

static int status_of(pid_t child) {
    int status;
    while (waitpid(child, &status, 0) < 0)
        ;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Does this program differ, or crash, in a child of its own, under the configuration noted? */
static int try_in_child(struct session *s, const char *program, size_t len, int messages) {
    struct shared *h = s->shared;
    pid_t child = fork_child(messages);
    if (child != 0)
        return status_of(child);
    limit_time();
    struct differ *d = differ_new(&s->o->differ);
    struct fuzz_program p = {.text = program,
                             .len = len,
                             .input = h->input,
                             .ninput = h->ninput,
                             .cell_bits = h->config.cell_bits,
                             .eof = h->config.eof,
                             .tape_seed = h->tape_seed};
    if (differ_reference(d, &p) == AGREES) {
        struct config c = h->config;
        run_config(&(struct session){.o = s->o, .shared = h, .d = d}, &c);
    }
    differ_free(d);
    _exit(0);
}

static int memory_file(void) {
    int fd = memfd_create("messages", MFD_CLOEXEC);
    if (fd < 0)
        abort();
    return fd;
}

static bool still_fails(const char *program, size_t len, void *arg) {
    struct session *s = arg;
    int fd = memory_file();
    int status = try_in_child(s, program, len, fd);
    close(fd);
    return status != 0;
}

/* Prints how the reduced program fails: why, or the signal and the first messages. */
static void print_failure(struct session *s, const struct text *small) {
    int fd = memory_file();
    s->shared->why[0] = 0;
    int status = try_in_child(s, small->p, small->len, fd);
    char messages[MESSAGES];
    ssize_t n = pread(fd, messages, sizeof messages, 0);
    if (status == STATUS_DIFFERS)
        printf("     %s\n", s->shared->why);
    else if (status > 128)
        printf("     killed by signal %d (%s)\n", status - 128, strsignal(status - 128));
    else
        printf("     status %d\n", status);
    if (n > 0)
        printf("%.*s\n", (int)n, messages);
    close(fd);
}

static void print_input(const struct shared *h) {
    if (!h->ninput)
        return;
    printf("     input:");
    for (size_t i = 0; i < h->ninput && i < 64; i++)
        printf(" %u", h->input[i]);
    printf("\n");
}

/* Shrinks the program that was noted and prints it with the options that show its fault. */
static void report(struct session *s, int status) {
    struct shared *h = s->shared;
    char why[sizeof h->why];
    memcpy(why, h->why, sizeof why); /* the trials overwrite it */
    struct text small = {0}, options = {0};
    text_add(&small, h->program, h->len);
    config_text(&options, &h->config);
    if (!still_fails(small.p, small.len, s)) {
        printf("FAIL, but not by itself (status %d: %s): %s\n     ", status, why, s->messages);
    } else {
        reduce_program(&small, still_fails, s);
        printf("FAIL ");
    }
    printf("bfopt %s --tape=%llu -e '%.*s'\n", options.p, (unsigned long long)s->o->differ.cells,
           (int)small.len, small.p);
    print_failure(s, &small);
    print_input(h);
    if (h->tape_seed)
        printf("     tape: --tape-seed=%u of fuzz\n", h->tape_seed);
    text_free(&small);
    text_free(&options);
}

/* Set when time is up, or somebody wants an end: what was done so far is reported. */
static volatile sig_atomic_t stopped;
static volatile pid_t worker;

static void on_stop(int signal_number) {
    (void)signal_number;
    stopped = 1;
    if (worker > 0)
        kill(worker, SIGKILL);
}

static void stop_in_time(unsigned seconds) {
    struct sigaction action = {.sa_handler = on_stop};
    sigaction(SIGALRM, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    alarm(seconds);
}

/* One worker, from s->first on; its status, 0 if all programs were run. */
static int run_worker(struct session *s, source_fn *source, void *arg) {
    int fd = memory_file();
    pid_t child = fork_child(s->o->stats ? -1 : fd);
    if (child == 0)
        work(s, source, arg);
    worker = child;
    int status = status_of(child);
    worker = 0;
    off_t end = lseek(fd, 0, SEEK_END), from = end < MESSAGES - 1 ? 0 : end - (MESSAGES - 1);
    ssize_t n = pread(fd, s->messages, MESSAGES - 1, from);
    s->messages[n < 0 ? 0 : n] = '\0';
    close(fd);
    return status;
}

static struct shared *map_shared(void) {
    void *p = mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                   -1, 0);
    if (p == MAP_FAILED)
        abort();
    return p;
}

static void run_workers(struct session *s, source_fn *source, void *arg) {
    struct shared *h = s->shared;
    for (int status; (status = run_worker(s, source, arg)) != 0;) {
        if (stopped) {
            printf("stopped\n");
            return;
        }
        if (status == STATUS_AGAIN) {
            s->first = h->begun;
            continue;
        }
        if (h->begun == s->first) {
            printf("FAIL the worker ended before its first program\n");
            h->differences++;
            return;
        }
        s->first = h->begun;
        if (++h->differences <= MAX_REPORTS)
            report(s, status);
        if (h->differences == MAX_DIFFERENCES) {
            printf("FAIL too many differences; the remaining programs were not run\n");
            return;
        }
    }
}

/* How good the programs were. */
static void print_quality(const struct session *s) {
    static const char *const name[ENGINE_COUNT] = {"interp", "switch", "jit", "tiered", "-S"};
    const struct shared *h = s->shared;
    uint64_t valid = h->begun - h->skipped;
    double share = valid ? 100.0 / (double)valid : 0;
    if (s->o->stats) {
        printf("programs in which a pass changed something:\n");
        for (unsigned i = 0; i < pass_table_size && i < MAX_PASSES; i++)
            printf("  %-14s %9llu  %5.1f %%\n", pass_table[i].name, (unsigned long long)h->fired[i],
                   (double)h->fired[i] * share);
    }
    printf("%llu programs: %llu run to their end (%.1f %%), %llu of them off the tape; %llu are "
           "endless or too long\n",
           (unsigned long long)h->begun, (unsigned long long)valid,
           h->begun ? 100.0 * (double)valid / (double)h->begun : 0, (unsigned long long)h->off_tape,
           (unsigned long long)h->skipped);
    printf("%llu runs compared:", (unsigned long long)h->runs);
    for (unsigned e = 0; e < ENGINE_COUNT; e++)
        printf(" %s %llu%s", name[e], (unsigned long long)h->by_engine[e],
               e + 1 < ENGINE_COUNT ? "," : "\n");
}

bool session_run(const struct session_options *o, source_fn *source, void *arg) {
    struct session s = {.o = o, .shared = map_shared()};
    struct shared *h = s.shared;
    struct timespec start, end;
    clock_gettime(CLOCK_MONOTONIC, &start);
    stop_in_time(o->seconds);
    run_workers(&s, source, arg);
    clock_gettime(CLOCK_MONOTONIC, &end);
    print_quality(&s);
    struct rusage u;
    getrusage(RUSAGE_CHILDREN, &u);
    double cpu = (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
                 (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1e-6;
    printf("%.1f s, %.1f s of processor time, %.0f programs a second of it\n",
           (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) * 1e-9, cpu,
           cpu > 0 ? (double)h->begun / cpu : 0);
    printf("%llu passed, %llu failed\n",
           (unsigned long long)(h->begun - h->skipped - h->differences),
           (unsigned long long)h->differences);
    bool ok = h->differences == 0;
    munmap(h, sizeof *h);
    return ok;
}
