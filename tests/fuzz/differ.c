/* differ.c: the comparison of engines.
 *
 * What must agree (docs/testing.md):
 *   the program ends        output, bytes read and final pointer are the reference's; for a unit
 * the tape is, too it goes off the tape    --strict: the same operation, cell and output.
 * Otherwise: the output that came before is all there; an access whose effect is dead may go
 *                           unreported, so the run may also go on, even for ever
 *
 * A run that takes a fifth of a second of processor time is taken for endless: the reference needed
 * no more than some thousand steps.  It is left by a jump out of the signal handler; nothing but
 * the engine under test runs at that time.
 */
#include "tests/fuzz/differ.h"

#include <fcntl.h>
#include <link.h>
#include <malloc.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "backend/ra.h"
#include "backend/vm/interp.h"
#include "backend/vm/vm.h"
#include "backend/x64/asm.h"
#include "backend/x64/emit.h"
#include "backend/x64/isel.h"
#include "backend/x64/baseline.h"
#include "backend/x64/jit.h"
#include "frontend/parse.h"
#include "frontend/reference.h"
#include "ir/build.h"
#include "passes/pipeline.h"
#include "runtime/alloc.h"
#include "runtime/text.h"
#include "runtime/tiers.h"
#include "tests/fuzz/generate.h"

#define MAX_PATIENCE       100 /* milliseconds for which an endless run is left alone */
#define MAX_LIBRARIES      32
#define MAX_UNITS          400 /* of one tiered run */
#define MAX_OUTPUT         (1 << 16)
#define RUN_MILLISECONDS   200 /* of processor time */
#define COMPILING          10  /* times as much */
#define VALIDATING         40
#define LOOSE_MILLISECONDS 2  /* where a run may go on for ever */
#define ASM_SECONDS        60 /* for an assembled program */
#define SEEDED_CELLS       64 /* that get contents, at the start of the tape of a unit */

struct outcome {
    bool endless;
    enum run_end end;
    uint32_t src;
    int64_t cell, pointer;
    uint64_t consumed;
    size_t nout;
    uint8_t out[MAX_OUTPUT];
};

struct differ {
    struct differ_options o;
    struct rt rt;
    int in_fd, out_fd;
    struct tape tape[4]; /* of cells of 1, 2, 4 and 8 bytes; those without a base are not mapped */
    struct program program;
    const char *text; /* of the program */
    size_t len;
    bool parsed;
    uint32_t tape_seed;
    uint8_t *ref_tape; /* what the reference left */
    struct outcome ref, got;
};

static const char *const engine_option[ENGINE_COUNT] = {"--interp", "--interp=switch", "--jit",
                                                        "--tiered --tier-wait", "-S"};

void config_text(struct text *out, const struct config *c) {
    static const char *const eof[] = {"unchanged", "0", "-1"};
    text_fmt(out, "%s -O%u --cell-bits=%u --eof=%s", engine_option[c->engine], c->level,
             c->cell_bits, eof[c->eof]);
    if (c->threshold != 0)
        text_fmt(out, " --tier-threshold=%u --tier-seed=%u%s", c->threshold, c->tier_seed,
                 c->tier_max == TIERS_BASELINE ? " --tier-max=baseline" : "");
    if (c->strict)
        text_put(out, " --strict");
    if (c->baseline)
        text_put(out, " --cpu=x86-64");
    if (c->bounds)
        text_put(out, " --guard=off");
    if (c->prerun_steps)
        text_fmt(out, " --prerun-steps=%llu", (unsigned long long)c->prerun_steps);
    if (c->max_regs)
        text_fmt(out, " --max-regs=%u", c->max_regs);
    if (c->ra_seed)
        text_fmt(out, " --ra-seed=%u", c->ra_seed);
    if (c->unit)
        text_put(out, " (as a unit)");
}

/* Where the shared libraries' code is. */
static struct range { uintptr_t start, end; } library[MAX_LIBRARIES];
static unsigned nlibrary;

static int note_library(struct dl_phdr_info *info, size_t size, void *argument) {
    bool *first = argument; /* the program itself */
    (void)size;
    for (unsigned i = 0; i < info->dlpi_phnum && !*first && nlibrary < MAX_LIBRARIES; i++) {
        const ElfW(Phdr) *h = &info->dlpi_phdr[i];
        uintptr_t start = info->dlpi_addr + h->p_vaddr;
        if (h->p_type == PT_LOAD && (h->p_flags & PF_X))
            library[nlibrary++] = (struct range){start, start + h->p_memsz};
    }
    *first = false;
    return 0;
}

static bool is_in_library(uintptr_t pc) {
    for (unsigned i = 0; i < nlibrary; i++)
        if (pc >= library[i].start && pc < library[i].end)
            return true;
    return false;
}

static void on_endless(int signal_number, siginfo_t *info, void *context);

struct differ *differ_new(const struct differ_options *o) {
    mallopt(M_TRIM_THRESHOLD, 64 << 20); /* memory goes back to the system after every run, else */
    struct sigaction action = {.sa_sigaction = on_endless, .sa_flags = SA_SIGINFO};
    sigaction(SIGVTALRM, &action, NULL);
    bool first = true;
    if (nlibrary == 0)
        dl_iterate_phdr(note_library, &first);
    struct differ *d = xcalloc(1, sizeof *d);
    d->o = *o;
    d->ref_tape = xalloc(tape_round(o->cells, 8), 8);
    d->in_fd = memfd_create("input", MFD_CLOEXEC);
    d->out_fd = memfd_create("output", MFD_CLOEXEC);
    if (d->in_fd < 0 || d->out_fd < 0)
        abort();
    return d;
}

static void drop_program(struct differ *d) {
    if (d->parsed)
        program_free(&d->program);
    d->parsed = false;
}

void differ_free(struct differ *d) {
    drop_program(d);
    for (unsigned i = 0; i < 4; i++)
        tape_unmap(&d->tape[i]);
    close(d->in_fd);
    close(d->out_fd);
    xfree(d->ref_tape);
    xfree(d);
}

/* ---- one run ---- */

/* What a unit finds: mostly small numbers, zeros among them, and a few at the right end. */
static void seed_tape(const struct tape *t, uint32_t seed) {
    struct rng r = {seed};
    uint64_t n = tape_cells(t), style = rng_below(&r, 3);
    for (uint64_t i = 0; i < SEEDED_CELLS + 4; i++) {
        uint64_t at = i < SEEDED_CELLS ? i : n - 1 - (i - SEEDED_CELLS);
        uint64_t x = rng_next(&r), v = x % (style + 2) == 0 ? 0 : x >> 61;
        if (style == 1 && t->cell_bytes == 1)
            v = x >> 50;
        if (at < n)
            memcpy(t->base + at * t->cell_bytes, &v, t->cell_bytes);
    }
}

/* An empty tape of the right width, the input rewound, the output empty. */
static void prepare(struct differ *d, unsigned cell_bits, enum eof_mode eof) {
    unsigned bytes = cell_bits / 8;
    struct tape *t = &d->tape[__builtin_ctz(bytes)];
    if (!t->base && !tape_map(t, d->o.cells, bytes, 0, true))
        abort();
    d->rt.tape = *t;
    memset(t->base, 0, t->bytes);
    if (d->tape_seed)
        seed_tape(t, d->tape_seed);
    rt_io_init(&d->rt, d->in_fd, d->out_fd, eof);
    if (lseek(d->in_fd, 0, SEEK_SET) != 0)
        abort();
    if (lseek(d->out_fd, 0, SEEK_CUR) != 0 &&
        (ftruncate(d->out_fd, 0) != 0 || lseek(d->out_fd, 0, SEEK_SET) != 0))
        abort();
}

static void collect(struct differ *d, struct outcome *o, bool endless) {
    o->consumed = rt_bytes_in(&d->rt);
    rt_flush(&d->rt);
    o->endless = endless;
    o->end = d->rt.end;
    o->src = d->rt.end_src;
    o->cell = d->rt.end_cell;
    o->pointer = d->rt.end_pointer;
    ssize_t n = pread(d->out_fd, o->out, sizeof o->out, 0);
    o->nout = n < 0 ? 0 : (size_t)n;
}

enum verdict differ_reference(struct differ *d, const struct fuzz_program *p) {
    drop_program(d);
    struct parse_options po = {0};
    if (parse_program(&d->program, (const uint8_t *)p->text, 0, (uint32_t)p->len, &po).error)
        return SKIPPED;
    d->parsed = true;
    d->text = p->text;
    d->len = p->len;
    d->tape_seed = p->tape_seed;
    if (ftruncate(d->in_fd, 0) != 0 ||
        pwrite(d->in_fd, p->input, p->ninput, 0) != (ssize_t)p->ninput)
        abort();
    prepare(d, p->cell_bits, p->eof);
    reference_run(&d->program, &d->rt, d->o.max_steps);
    collect(d, &d->ref, false);
    memcpy(d->ref_tape, d->rt.tape.base, d->rt.tape.bytes);
    return d->ref.end == RUN_MAX_STEPS || d->ref.nout == MAX_OUTPUT ? SKIPPED : AGREES;
}

enum run_end differ_end(const struct differ *d) {
    return d->ref.end;
}

/* ---- leaving endless runs ---- */

/* What the compiler behind the tiers works with; and all it made. */
static struct {
    struct differ *d;
    const struct config *c;
    struct text *why;
    struct jit_unit *unit[MAX_UNITS];
    unsigned n;
    bool failed;
    bool running;      /* the tiers are */
    unsigned patience; /* times that an endless run was left alone */
} behind;

static sigjmp_buf endless_jump;
static volatile sig_atomic_t timed; /* a run is under way; not so when its last signal comes late */

static void set_timer(long milliseconds) {
    struct itimerval t = {.it_value.tv_usec = milliseconds * 1000};
    setitimer(ITIMER_VIRTUAL, &t, NULL);
}

/* Is the signal's context in code that can be left at any point?  No function of a library can: it
 * may be malloc, which is good for nothing afterwards.  Nor can the compiler, which tiers call in
 * an attempt (runtime/alloc.h); what else tiers do is seldom left, as it is seldom long. */
static bool may_leave(const void *context) {
    uintptr_t pc = (uintptr_t)((const ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
    if (is_in_library(pc))
        return false;
    if (!behind.running)
        return true;
    for (unsigned i = 0; i < behind.n; i++)
        if (pc - (uintptr_t)behind.unit[i]->fault.code < behind.unit[i]->fault.size)
            return true;
    return ++behind.patience > MAX_PATIENCE && !alloc_is_attempt();
}

static void on_endless(int signal_number, siginfo_t *info, void *context) {
    (void)signal_number;
    (void)info;
    if (!timed)
        return;
    if (may_leave(context))
        siglongjmp(endless_jump, 1);
    set_timer(1);
}

struct engine_run {
    struct mach *m;
    struct vm_code *code; /* for the interpreters */
    struct jit_unit unit; /* for machine code */
    bool made;
    struct tier_options tiers;
    struct program copy; /* for the tiers, which change it */
};

/* Runs the engine; false: no end in time.  Kept apart so that no local variable lives through the
 * jump. */
static __attribute__((noinline)) bool run_in_time(struct differ *d, struct engine_run *r,
                                                  enum engine engine, long milliseconds) {
    if (sigsetjmp(endless_jump, 1) != 0) {
        timed = behind.running = false;
        if (engine == ENGINE_JIT || engine == ENGINE_TIERED)
            fault_remove();
        return false;
    }
    timed = true;
    set_timer(milliseconds);
    if (engine == ENGINE_JIT) {
        if (!jit_run(&d->rt, &r->unit))
            abort();
    } else if (engine == ENGINE_TIERED) {
        struct tier_stats stats;
        behind.patience = 0;
        behind.running = true;
        tiers_run(&r->copy, &d->rt, &r->tiers, &stats);
        behind.running = false;
    } else {
        vm_execute(r->code, &d->rt, d->rt.tape.base,
                   engine == ENGINE_SWITCH ? VM_SWITCH : VM_THREADED);
    }
    timed = false;
    set_timer(0);
    return true;
}

/* ---- comparing ---- */

static const char *end_name(const struct outcome *o) {
    static const char *const name[] = {"ends",
                                       "goes off the tape",
                                       "has an input error",
                                       "has an output error",
                                       "runs out of steps",
                                       "is interrupted"};
    return o->endless ? "does not end" : name[o->end];
}

static bool same_bytes(const struct outcome *a, const struct outcome *b, size_t n) {
    return a->nout >= n && b->nout >= n && memcmp(a->out, b->out, n) == 0;
}

static enum verdict different_end(const struct outcome *ref, const struct outcome *got,
                                  struct text *why) {
    text_fmt(why, "it %s (cell %lld, offset %u), but %s in the reference (cell %lld, offset %u)",
             end_name(got), (long long)got->cell, got->src, end_name(ref), (long long)ref->cell,
             ref->src);
    return DIFFERS;
}

/* May an engine go on where the reference went off the tape? */
static bool is_loose(const struct outcome *ref, bool strict) {
    return ref->end == RUN_OFF_TAPE && !strict;
}

static enum verdict compare(const struct outcome *ref, const struct outcome *got, bool strict,
                            struct text *why) {
    bool loose = is_loose(ref, strict);
    if (got->endless && !loose)
        return different_end(ref, got, why);
    /* What an endless run has not flushed yet is no loss, and collect has flushed it. */
    if (!same_bytes(ref, got, ref->nout) || (!loose && got->nout != ref->nout)) {
        text_fmt(why, "output: %zu bytes, expected %zu", got->nout, ref->nout);
        return DIFFERS;
    }
    if (loose)
        return AGREES;
    if (got->end != ref->end)
        return different_end(ref, got, why);
    if (ref->end == RUN_OFF_TAPE && (got->cell != ref->cell || got->src != ref->src))
        return different_end(ref, got, why);
    if (ref->end == RUN_DONE && (got->pointer != ref->pointer || got->consumed != ref->consumed)) {
        text_fmt(why, "pointer %lld, %llu bytes read; expected %lld, %llu", (long long)got->pointer,
                 (unsigned long long)got->consumed, (long long)ref->pointer,
                 (unsigned long long)ref->consumed);
        return DIFFERS;
    }
    return AGREES;
}

/* The tape a unit leaves. */
static enum verdict compare_tapes(const struct differ *d, struct text *why) {
    const struct tape *t = &d->rt.tape;
    if (d->ref.end != RUN_DONE || memcmp(d->ref_tape, t->base, t->bytes) == 0)
        return AGREES;
    uint64_t at = 0;
    while (t->base[at] == d->ref_tape[at])
        at++;
    text_fmt(why, "byte %llu of cell %llu is %u on the tape, expected %u",
             (unsigned long long)(at % t->cell_bytes), (unsigned long long)(at / t->cell_bytes),
             t->base[at], d->ref_tape[at]);
    return DIFFERS;
}

/* ---- compiling ---- */

static struct build_options build_options_of(const struct differ *d, const struct config *c) {
    return (struct build_options){.cell_bits = c->cell_bits,
                                  .strict = c->strict,
                                  .eof_unchanged = c->eof == EOF_UNCHANGED,
                                  .simplify = c->level > 0,
                                  .tape_cells = tape_cells(&d->rt.tape)};
}

/* Runs the passes; frees f and returns NULL after a failure. */
static struct func *run_passes(struct differ *d, struct func *f, const struct config *c,
                               struct text *why) {
    struct pipeline_options po = {.level = (int)c->level,
                                  .kept = c->engine == ENGINE_ASM,
                                  .interpreted = c->engine <= ENGINE_SWITCH,
                                  .prerun_steps = c->prerun_steps,
                                  .verify_each = d->o.verify,
                                  .validate_each = d->o.validate,
                                  .stats = d->o.stats};
    if (pipeline_run(f, &po, why))
        return f;
    ir_free(f);
    return NULL;
}

static struct func *optimized(struct differ *d, const struct config *c, struct text *why) {
    struct build_options bo = build_options_of(d, c);
    struct func *f = ir_build_program(&d->program, &bo);
    f->program = !c->unit;
    return run_passes(d, f, c, why);
}

/* Allocated machine code for f, or NULL and why. */
static struct mach *selected(struct differ *d, struct func *f, const struct config *c,
                             struct text *why) {
    struct isel_options io = {.check_bounds = c->bounds};
    struct ra_options ro = {.max_regs = c->max_regs, .seed = c->ra_seed};
    struct ra_stats stats = {0};
    struct mach *before = c->engine >= ENGINE_JIT ? x64_select(f, &io) : vm_select(f);
    struct mach *after = ra_allocate(before, &ro, &stats);
    if (d->o.check_ra && !ra_check(before, after, why)) {
        mach_free(after);
        after = NULL;
    }
    mach_free(before);
    return after;
}

static bool make_unit(struct engine_run *r, const struct config *c, struct text *why) {
    enum x64_level level = c->baseline ? X64_LEVEL_BASE : x64_native_level();
    struct emitted *e = emit(r->m, level);
    const char *reason = "the frame is too large";
    r->made = e && jit_make(&r->unit, e, &reason);
    if (!r->made)
        text_put(why, reason);
    emit_free(e);
    return r->made;
}

/* ---- tiers ---- */

static bool keep_unit(const struct jit_unit *made, struct tier_code *code) {
    struct jit_unit *u = behind.unit[behind.n++] = xalloc(1, sizeof *u);
    *u = *made;
    code->enter = jit_entry(u);
    code->fault = &u->fault;
    return true;
}

static bool compile_baseline(const struct tier_request *q, struct tier_code *code) {
    struct jit_unit unit;
    return !behind.c->bounds && baseline_make(NULL, &unit, &q->program, behind.c->cell_bits / 8) &&
           keep_unit(&unit, code);
}

/* As the tiers want it.  A unit too many is refused, which they have to bear. */
static bool compile_loop(void *context, const struct tier_request *q, struct tier_code *code) {
    (void)context;
    if (behind.n == MAX_UNITS)
        return false;
    if (q->baseline)
        return compile_baseline(q, code);
    struct build_options bo = build_options_of(behind.d, behind.c);
    struct func *f = run_passes(behind.d, ir_build_loop(&q->program, 0, &bo), behind.c, behind.why);
    struct engine_run r = {0};
    if (f)
        r.m = selected(behind.d, f, behind.c, behind.why);
    bool ok = r.m && make_unit(&r, behind.c, behind.why);
    if (r.m)
        mach_free(r.m);
    ir_free(f);
    behind.failed |= !ok;
    return ok && keep_unit(&r.unit, code);
}

static void prepare_tiers(struct differ *d, struct engine_run *r, const struct config *c,
                          struct text *why) {
    behind.d = d;
    behind.c = c;
    behind.why = why;
    behind.n = 0;
    behind.failed = false;
    r->tiers = (struct tier_options){.max = c->tier_max,
                                     .threshold = c->threshold,
                                     .seed = c->tier_seed,
                                     .wait = true,
                                     .compile = compile_loop};
    r->copy = d->program;
    r->copy.op = xalloc(d->program.nop, sizeof *r->copy.op);
    memcpy(r->copy.op, d->program.op, d->program.nop * sizeof *r->copy.op);
}

static void free_tiers(struct engine_run *r) {
    for (unsigned i = 0; i < behind.n; i++) {
        jit_free(behind.unit[i]);
        xfree(behind.unit[i]);
    }
    program_free(&r->copy);
}

/* Makes the fault that tests of the tests ask for. */
static void sabotage(enum sabotage s, struct outcome *got) {
    if (s == NO_SABOTAGE || got->nout == 0)
        return;
    if (s == SABOTAGE_CRASH)
        abort();
    if (s == SABOTAGE_OUTPUT)
        got->out[0] ^= 1;
    got->endless |= s == SABOTAGE_END;
}

/* ---- programs of their own ---- */

static struct source_place place_in_line(void *context, uint32_t offset) {
    (void)context;
    return (struct source_place){1, offset + 1, 0};
}

static bool write_asm(const struct differ *d, const struct mach *m, const struct config *c,
                      const char *path) {
    struct text t = {0};
    struct emitted *e = emit(m, X64_LEVEL_BASE);
    struct source_view view = {.name = "p.b",
                               .text = (const uint8_t *)d->text,
                               .size = (uint32_t)d->len,
                               .place = place_in_line};
    struct asm_options o = {.tape_cells = d->o.cells,
                            .drift = d->program.total_moves * (c->cell_bits / 8),
                            .eof = c->eof,
                            .checks = c->bounds,
                            .source = &view};
    asm_print(&t, e, &o);
    emit_free(e);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    bool ok = fd >= 0 && rt_write_all(fd, t.p, t.len) == 0;
    close(fd);
    text_free(&t);
    return ok;
}

/* Runs a program with these descriptors for its own; its status, as a shell would say it. */
static int run_program(char *const *argv, int in, int out, int err) {
    pid_t child = fork();
    if (child == 0) {
        dup2(in, 0);
        dup2(out, 1);
        dup2(err, 2);
        alarm(ASM_SECONDS);
        execvp(argv[0], argv);
        _exit(127);
    }
    int status;
    if (child < 0 || waitpid(child, &status, 0) != child)
        abort();
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* What the program's status and message say of its end: `p.b:1:7: error: cell -1 is ...`. */
static void read_ending(struct outcome *o, int status, const char *message) {
    unsigned column;
    long long cell;
    o->end = RUN_DONE;
    o->endless = status == 128 + SIGALRM;
    if (status == 0 || o->endless)
        return;
    o->end = status == 3 ? RUN_OFF_TAPE : RUN_OUT_ERROR;
    if (sscanf(message, "p.b:1:%u: error: cell %lld ", &column, &cell) == 2) {
        o->src = column - 1;
        o->cell = cell;
    }
}

/* Assembles, links and runs. */
static bool run_assembled(struct differ *d, const struct mach *m, const struct config *c,
                          struct text *why) {
    char dir[] = "/tmp/fuzz-XXXXXX", s[64], exe[64], message[256] = "";
    if (!mkdtemp(dir))
        abort();
    snprintf(s, sizeof s, "%s/p.s", dir);
    snprintf(exe, sizeof exe, "%s/p", dir);
    int err = memfd_create("messages", MFD_CLOEXEC);
    bool ok = write_asm(d, m, c, s) &&
              run_program((char *[]){"cc", s, "-o", exe, NULL}, d->in_fd, err, err) == 0;
    if (!ok)
        text_put(why, "what -S wrote cannot be assembled");
    if (ok) {
        if (ftruncate(err, 0) != 0 || lseek(err, 0, SEEK_SET) != 0 ||
            lseek(d->in_fd, 0, SEEK_SET) != 0)
            abort();
        int status = run_program((char *[]){exe, NULL}, d->in_fd, d->out_fd, err);
        (void)!pread(err, message, sizeof message - 1, 0);
        collect(d, &d->got, false);
        read_ending(&d->got, status, message);
        /* A process tells nothing of these. */
        d->got.pointer = d->ref.pointer;
        d->got.consumed = d->ref.consumed;
    }
    close(err);
    unlink(s);
    unlink(exe);
    rmdir(dir);
    return ok;
}

/* ---- one configuration ---- */

static bool run_engine(struct differ *d, struct engine_run *r, const struct config *c, bool patient,
                       struct text *why) {
    if (c->engine == ENGINE_ASM)
        return run_assembled(d, r->m, c, why);
    if (c->engine == ENGINE_JIT && !make_unit(r, c, why))
        return false;
    if (c->engine == ENGINE_INTERP || c->engine == ENGINE_SWITCH)
        r->code = vm_decode(r->m);
    bool loose = is_loose(&d->ref, c->strict) && !patient;
    long limit = loose ? LOOSE_MILLISECONDS : RUN_MILLISECONDS;
    if (c->engine == ENGINE_TIERED) /* tiers compile, and validate what they compile, in the run */
        limit *= d->o.validate ? VALIDATING : COMPILING;
    bool ended = run_in_time(d, r, c->engine, limit);
    collect(d, &d->got, !ended);
    return c->engine != ENGINE_TIERED || !behind.failed;
}

static enum verdict run_once(struct differ *d, const struct config *c, bool patient,
                             struct text *why) {
    prepare(d, c->cell_bits, c->eof);
    d->got.endless = false;
    struct engine_run r = {0};
    bool tiered = c->engine == ENGINE_TIERED;
    struct func *f = tiered ? NULL : optimized(d, c, why);
    if (!f && !tiered)
        return DIFFERS;
    if (tiered)
        prepare_tiers(d, &r, c, why);
    else
        r.m = selected(d, f, c, why);
    enum verdict v = DIFFERS;
    if ((tiered || r.m) && run_engine(d, &r, c, patient, why)) {
        sabotage(d->o.sabotage, &d->got);
        v = compare(&d->ref, &d->got, c->strict, why);
        if (v == AGREES && c->unit)
            v = compare_tapes(d, why);
    }
    if (r.made)
        jit_free(&r.unit);
    if (r.code)
        vm_code_free(r.code);
    if (tiered)
        free_tiers(&r);
    if (r.m)
        mach_free(r.m);
    ir_free(f);
    return v;
}

/* Little time is given to runs that may go on for ever, and the kernel counts it in ticks: what has
 * not written all it should by then gets more. */
enum verdict differ_run(struct differ *d, const struct config *c, struct text *why) {
    enum verdict v = run_once(d, c, false, why);
    if (v == AGREES || !d->got.endless || !is_loose(&d->ref, c->strict))
        return v;
    text_free(why);
    return run_once(d, c, true, why);
}
