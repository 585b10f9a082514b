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
#include <unistd.h>

#include "passes/pipeline.h"
#include "runtime/alloc.h"
#include "runtime/text.h"
#include "tests/fuzz/reduce.h"

#define MAX_PROGRAM     (1 << 20)
#define MAX_INPUT       (1 << 16)
#define MAX_REPORTS     10 /* reduced and printed; the others are only counted */
#define MAX_DIFFERENCES 200
#define PROGRAM_SECONDS 60 /* of processor time, for all configurations of a program */
#define STATUS_DIFFERS  3

/* What the worker tells its parent, also when it crashes. */
struct shared {
    uint64_t begun; /* programs, the current one included */
    uint64_t skipped, runs, differences;
    struct config config;
    uint32_t ra_seed;
    size_t len, ninput;
    char why[512];
    char program[MAX_PROGRAM];
    uint8_t input[MAX_INPUT];
};

struct session {
    const struct session_options *o;
    struct shared *shared;
    struct differ *d;
    uint64_t at;    /* number of the program at hand */
    uint64_t first; /* to be run by this worker */
    bool finished;
};

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
    if (differ_run(s->d, c, &why) == DIFFERS) {
        snprintf(s->shared->why, sizeof s->shared->why, "%s", why.p ? why.p : "");
        _exit(STATUS_DIFFERS);
    }
    text_free(&why);
}

/* The variations of one engine and level. */
static void run_variations(struct session *s, struct config c, uint32_t ra_seed) {
    run_config(s, &c);
    c.strict = true;
    run_config(s, &c);
    c.strict = false;
    if (s->o->effort == EFFORT_QUICK)
        return;
    c.max_regs = 3;
    c.ra_seed = ra_seed;
    run_config(s, &c);
    if (s->o->effort == EFFORT_NORMAL)
        return;
    c.max_regs = 5;
    c.ra_seed = 0;
    run_config(s, &c);
    if (c.engine != ENGINE_JIT)
        return;
    c.max_regs = 0;
    c.bounds = true;
    run_config(s, &c);
    c.strict = true;
    run_config(s, &c);
}

static void run_configs(struct session *s, const struct fuzz_program *p) {
    for (unsigned level = 0; level <= 3; level++)
        for (unsigned engine = 0; engine < ENGINE_COUNT; engine++) {
            struct config c = {.engine = (enum engine)engine,
                               .level = level,
                               .cell_bits = p->cell_bits,
                               .eof = p->eof};
            /* The two interpreters differ in how they dispatch; once is enough to see it. */
            if (engine != ENGINE_SWITCH || (s->o->effort == EFFORT_ALL && level == 1))
                run_variations(s, c, p->ra_seed);
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
    h->ra_seed = p->ra_seed;
    h->why[0] = 0;
}

void session_program(struct session *s, const struct fuzz_program *p) {
    if (s->at++ < s->first)
        return;
    s->shared->begun = s->at;
    remember(s->shared, p);
    limit_time();
    if (differ_reference(s->d, p->text, p->len, p->input, p->ninput, p->cell_bits, p->eof) ==
        SKIPPED)
        s->shared->skipped++;
    else
        run_configs(s, p);
    if (s->at % 100000 == 0)
        fprintf(stderr, "fuzz: %llu programs, %llu runs, %llu differences\n",
                (unsigned long long)s->at, (unsigned long long)s->shared->runs,
                (unsigned long long)s->shared->differences);
}

static _Noreturn void work(struct session *s, source_fn *source, void *arg) {
    struct differ_options o = s->o->differ;
    o.stats = s->o->stats ? pass_stats_new() : NULL;
    s->d = differ_new(&o);
    source(s, arg);
    differ_free(s->d);
    if (o.stats) {
        struct text t = {0};
        pass_stats_print(o.stats, &t);
        printf("%s", t.p ? t.p : "");
        text_free(&t);
        pass_stats_free(o.stats);
    }
    fflush(stdout);
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
    if (differ_reference(d, program, len, h->input, h->ninput, h->config.cell_bits,
                         h->config.eof) == AGREES) {
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
    char messages[1500];
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
static void report(struct session *s) {
    struct shared *h = s->shared;
    struct text small = {0}, options = {0};
    text_add(&small, h->program, h->len);
    config_text(&options, &h->config);
    if (!still_fails(small.p, small.len, s)) {
        printf("FAIL, but not by itself: ");
    } else {
        reduce_program(&small, still_fails, s);
        printf("FAIL ");
    }
    printf("bfopt %s --tape=%llu -e '%.*s'\n", options.p, (unsigned long long)s->o->differ.cells,
           (int)small.len, small.p);
    print_failure(s, &small);
    print_input(h);
    text_free(&small);
    text_free(&options);
}

/* One worker, from s->first on.  False if it ended before the programs did. */
static bool run_worker(struct session *s, source_fn *source, void *arg) {
    int fd = memory_file();
    pid_t child = fork_child(s->o->stats ? -1 : fd);
    if (child == 0)
        work(s, source, arg);
    int status = status_of(child);
    close(fd);
    return status == 0;
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
    while (!run_worker(s, source, arg)) {
        if (h->begun == s->first) {
            printf("FAIL the worker ended before its first program\n");
            h->differences++;
            return;
        }
        s->first = h->begun;
        if (++h->differences <= MAX_REPORTS)
            report(s);
        if (h->differences == MAX_DIFFERENCES) {
            printf("FAIL too many differences; the remaining programs were not run\n");
            return;
        }
    }
}

bool session_run(const struct session_options *o, source_fn *source, void *arg) {
    struct session s = {.o = o, .shared = map_shared()};
    struct shared *h = s.shared;
    run_workers(&s, source, arg);
    printf("%llu programs, %llu of them endless or too long, %llu runs compared\n",
           (unsigned long long)h->begun, (unsigned long long)h->skipped,
           (unsigned long long)h->runs);
    printf("%llu passed, %llu failed\n",
           (unsigned long long)(h->begun - h->skipped - h->differences),
           (unsigned long long)h->differences);
    bool ok = h->differences == 0;
    munmap(h, sizeof *h);
    return ok;
}
