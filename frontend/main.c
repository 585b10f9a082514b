/* main.c: the program bfopt: from the command line to an exit status.
 *
 * Leads to every other part.  Each action of the command line is one function here that
 * returns the exit status; each error is reported where it is found, once.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/vm/vm.h"
#include "backend/x64/jit.h"
#include "frontend/compile.h"
#include "frontend/diag.h"
#include "frontend/ending.h"
#include "frontend/hash.h"
#include "frontend/lint.h"
#include "frontend/list.h"
#include "frontend/listing.h"
#include "frontend/options.h"
#include "frontend/parse.h"
#include "frontend/perf_map.h"
#include "frontend/reference.h"
#include "frontend/source.h"
#include "frontend/tiered.h"
#include "ir/dot.h"
#include "ir/print.h"
#include "ir/verify.h"
#include "passes/pipeline.h"
#include "runtime/alloc.h"
#include "runtime/rt.h"
#include "runtime/sandbox.h"
#include "runtime/text.h"

/* What one call of bfopt works on. */
struct job {
    struct options o;
    struct source source;
    struct program program; /* empty with --ir */
    struct func *func;      /* until the engine that needs it builds it: with --ir only */
    uint32_t program_end;   /* where in the source the program ended: at a `!`, or its end */
    bool bang;              /* at a `!`: what follows is input */
};

/* The state of the run; static because it is large and the signal handler needs it to the end. */
static struct rt main_rt;
/* A thread still compiles: what it uses is left alone. */
static bool main_rt_busy;

/* ---- files ---- */

/* A closed standard descriptor would be taken by the next file that is opened.  Fill it with one
 * that fails in the right direction. */
static void main_fill_descriptors(void) {
    static const int flags[] = {O_WRONLY, O_RDONLY, O_RDONLY};
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
            (void)!open("/dev/null", flags[fd]);
}

static enum exit_status main_cannot(const char *what, const char *name, int error) {
    diag_error("cannot %s `%s`: %s", what, name, strerror(error));
    return EXIT_IO;
}

/* Is `name` the file behind `st`? */
static bool main_is_file(const char *name, const struct stat *st) {
    struct stat other;
    return name != NULL && stat(name, &other) == 0 && other.st_dev == st->st_dev &&
           other.st_ino == st->st_ino;
}

/* The descriptor for output, or -1 after a report.  A file is emptied, if it is no input. */
static int main_open_output(const struct options *o) {
    if (o->output == NULL || strcmp(o->output, "-") == 0)
        return STDOUT_FILENO;
    struct stat st;
    int fd = open(o->output, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    bool regular = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
    if (regular && (main_is_file(o->file, &st) || main_is_file(o->input, &st))) {
        diag_error("the output `%s` is an input, too", o->output);
        close(fd);
        return -1;
    }
    if (fd >= 0 && (!regular || ftruncate(fd, 0) == 0))
        return fd;
    main_cannot("write", o->output, errno);
    if (fd >= 0)
        close(fd);
    return -1;
}

/* No part of a file is left: a file of its own is removed, what a link leads to is emptied. */
static void main_discard_output(const char *name) {
    struct stat st;
    if (lstat(name, &st) != 0)
        return;
    if (S_ISREG(st.st_mode) && st.st_nlink == 1)
        unlink(name);
    else if (stat(name, &st) == 0 && S_ISREG(st.st_mode) && truncate(name, 0) != 0)
        diag_error("part of `%s` was written", name);
}

/* Closing can be what reports a failed write. */
static int main_close_output(int fd) {
    return close(fd) != 0 && errno != EBADF && errno != EINTR ? errno : 0;
}

/* Writes bfopt's own output; a regular file that could not be completed is removed. */
static enum exit_status main_write(const struct options *o, const struct text *t) {
    int fd = main_open_output(o);
    if (fd < 0)
        return EXIT_IO;
    int error = rt_write_all(fd, t->p, t->len);
    int close_error = main_close_output(fd);
    if (error == 0)
        error = close_error;
    if (error == 0)
        return EXIT_ENDED;
    if (fd != STDOUT_FILENO)
        main_discard_output(o->output);
    return main_cannot("write", fd != STDOUT_FILENO ? o->output : "<stdout>", error);
}

/* ---- reading the program ---- */

static enum exit_status main_read_source(struct job *j) {
    struct text why = {0};
    const struct options *o = &j->o;
    bool ok = o->has_code
                  ? source_copy(&j->source, "-e", o->code.len ? o->code.p : "", o->code.len, &why)
                  : source_read(&j->source, o->file, !o->ir_input, &why);
    if (!ok)
        diag_error("cannot read `%s`: %s", j->source.name, why.p);
    text_free(&why);
    return ok ? EXIT_ENDED : EXIT_USAGE;
}

static enum exit_status main_parse(struct job *j) {
    bool from_stdin = j->o.file != NULL && strcmp(j->o.file, "-") == 0;
    struct parse_options options = {.hash = j->o.debug_hash,
                                    .bang = from_stdin && j->o.input == NULL,
                                    .one_by_one = j->o.max_steps != UINT64_MAX};
    struct source *s = &j->source;
    struct parse_result r = parse_program(&j->program, s->text, s->start, s->size, &options);
    if (source_lost(s))
        return EXIT_USAGE; /* main reports it */
    switch (r.error) {
    case PARSE_OK:
        j->program_end = r.end;
        j->bang = r.end < s->size;
        return EXIT_ENDED;
    case PARSE_UNMATCHED_CLOSE:
        diag_error_at(s, r.at, "unmatched `]`");
        break;
    case PARSE_UNMATCHED_OPEN:
        if (r.count == 1)
            diag_error_at(s, r.at, "unmatched `[`");
        else
            diag_error_at(s, r.at, "unmatched `[`, the first of %u", r.count);
        break;
    }
    return EXIT_SOURCE;
}

/* Units of the tiers call other loops of their program. */
static bool main_has_calls(const struct func *f) {
    IR_FOR_BLOCKS (f, b)
        IR_FOR_INSNS (f, b, v)
            if (ir_is(f, v, OP_CALL))
                return true;
    return false;
}

static enum exit_status main_read_ir(struct job *j) {
    struct text why = {0};
    j->func = compile_read_ir(&j->source);
    if (j->func == NULL)
        return EXIT_SOURCE;
    if (!ir_verify(j->func, &why)) {
        diag_error("%s: the function breaks a rule\n%s", j->source.name, why.p);
        text_free(&why);
        return EXIT_SOURCE;
    }
    if (main_has_calls(j->func)) {
        diag_error("%s: the function calls loops of a program that is not here", j->source.name);
        return EXIT_SOURCE;
    }
    /* Where nothing leads, an operand may be its own: passes that follow it would not end. */
    ir_drop_unreachable(j->func);
    ir_settle(j->func);
    /* A dump was made for one width and one size of tape. */
    j->o.cell_bits = j->func->cell_bits;
    if (j->func->tape_cells != 0)
        j->o.tape_cells = j->func->tape_cells;
    return EXIT_ENDED;
}

static enum exit_status main_read_program(struct job *j) {
    compile_time(&j->o, NULL);
    enum exit_status status = main_read_source(j);
    if (status != EXIT_ENDED)
        return status;
    status = j->o.ir_input ? main_read_ir(j) : main_parse(j);
    compile_time(&j->o, "parse");
    if (status == EXIT_ENDED && !j->o.ir_input)
        lint_program(&j->program, &j->source, j->o.cell_bits);
    return status;
}

static struct func *main_optimize(struct job *j) {
    if (j->func == NULL)
        j->func = compile_build(&j->program, &j->o);
    xfree(j->program.op); /* the IR says it all */
    j->program.op = NULL;
    compile_optimize(j->func, &j->o);
    return j->func;
}

/* A source that is gone is an error whatever came of it, and reported once, at the end. */
static enum exit_status main_check_source(const struct job *j, enum exit_status status) {
    if (!source_lost(&j->source))
        return status;
    diag_error("cannot read `%s`: it became shorter while it was read, or its disk fails",
               j->source.name);
    return EXIT_USAGE;
}

/* ---- running it ---- */

/* How far, in bytes, the pointer can be carried past an access. */
static uint64_t main_drift(const struct job *j) {
    return j->o.ir_input ? compile_drift(j->func) : j->program.total_moves * (j->o.cell_bits / 8);
}

static void main_flush_output(void) {
    rt_flush(&main_rt);
}

/* Opens the program's input and output and maps its tape. */
static enum exit_status main_set_up_run(struct job *j) {
    const struct options *o = &j->o;
    bool from_file = o->input != NULL && strcmp(o->input, "-") != 0;
    int in = from_file ? open(o->input, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
    if (in < 0)
        return main_cannot("read", o->input, errno);
    unsigned bytes = o->cell_bits / 8;
    if (!tape_map(&main_rt.tape, o->tape_cells, bytes, main_drift(j), o->guard)) {
        diag_error("no memory for a tape of %llu cells", (unsigned long long)o->tape_cells);
        return EXIT_USAGE;
    }
    int out = main_open_output(o); /* last: what cannot start leaves the file as it was */
    if (out < 0)
        return EXIT_IO;
    rt_io_init(&main_rt, in, out, o->eof);
    if (j->bang)
        rt_preload(&main_rt, j->source.text + j->program_end + 1,
                   j->source.size - j->program_end - 1);
    if (o->debug_hash)
        hash_install(&main_rt, &j->source);
    alloc_on_failure = main_flush_output;
    rt_catch_signals(&main_rt);
    return EXIT_ENDED;
}

/* Gives up what a run does not need, once nothing is left to compile.  False after a report. */
static bool main_lock(const struct options *o) {
    code_memory_lock();
    if (!o->sandbox || sandbox_enter())
        return true;
    diag_error("no sandbox: %s", strerror(errno));
    return false;
}

/* The interpreters return false, after a report, if the run could not start. */
static bool main_interpret(const struct options *o, struct func *f) {
    struct mach *m = compile_select(f, TARGET_VM, false, o);
    if (!main_lock(o)) {
        mach_free(m);
        return false;
    }
    vm_run(m, &main_rt, main_rt.tape.base, o->interp_switch ? VM_SWITCH : VM_THREADED);
    compile_time(o, "run");
    mach_free(m);
    return true;
}

/* False: nothing was run; *why: another engine may do. */
static bool main_jit(struct job *j, struct func *f, const char **why) {
    const struct options *o = &j->o;
    struct jit_unit unit;
    if (!compile_unit(f, main_rt.tape.guard == 0, o, NULL, &unit, why))
        return false;
    *why = NULL;
    if (o->perf_map)
        perf_map_add(unit.memory.base, unit.fault.size, &j->source, 0);
    bool ok = main_lock(o);
    if (!ok) {
        jit_free(&unit);
        return false;
    }
    ok = jit_run(&main_rt, &unit);
    *why = "faults cannot be caught";
    jit_free(&unit);
    compile_time(o, "run");
    return ok;
}

/* By default source runs in tiers, unless an option is about the compiler's work on the whole
 * program, or wants all compiling over before the run. */
static bool main_is_tiered(const struct options *o) {
    bool whole = o->ir_input || o->passes != NULL || o->stop_after != NULL ||
                 o->print_before.len != 0 || o->print_after.len != 0 ||
                 o->opt_limit != UINT64_MAX || o->verify_each || o->validate_each || o->check_ra ||
                 o->max_regs != 0 || o->sandbox;
    return o->engine == ENGINE_TIERED || o->profile != PROFILE_NONE ||
           (o->engine == ENGINE_DEFAULT && !whole);
}

/* False if the run could not start, after a report. */
static bool main_execute(struct job *j) {
    const struct options *o = &j->o;
    if (o->engine == ENGINE_REF || o->max_steps != UINT64_MAX) {
        if (!main_lock(o))
            return false;
        reference_run(&j->program, &main_rt, o->max_steps);
        compile_time(o, "run");
        return true;
    }
    if (main_is_tiered(o)) {
        main_rt_busy = !tiered_run(&j->program, &main_rt, &j->source, o);
        return true;
    }
    struct func *f = main_optimize(j);
    const char *why = "";
    if (o->engine != ENGINE_INTERP && main_jit(j, f, &why))
        return true;
    if (o->engine == ENGINE_JIT && why != NULL)
        diag_error("cannot run machine code: %s", why);
    if (o->engine == ENGINE_JIT || why == NULL)
        return false;
    return main_interpret(o, f); /* By default, whatever is possible. */
}

static enum exit_status main_run(struct job *j) {
    enum exit_status status = main_set_up_run(j);
    if (status != EXIT_ENDED)
        return status;
    if (!main_execute(j))
        return EXIT_USAGE;
    rt_flush(&main_rt);
    int error = main_close_output(main_rt.out_fd);
    if (error != 0 && main_rt.end == RUN_DONE) {
        main_rt.end = RUN_OUT_ERROR;
        main_rt.end_errno = error;
    }
    status = ending_report(&main_rt, j->o.ir_input ? NULL : &j->source);
    if (j->o.final_state)
        ending_state(&main_rt);
    return status;
}

/* ---- translating it ---- */

static enum exit_status main_translate(struct job *j) {
    uint64_t drift = main_drift(j);
    struct func *f = main_optimize(j);
    struct text t = {0};
    if (j->o.action == ACT_DUMP_IR)
        ir_print(&t, f, NULL);
    else if (j->o.action == ACT_DUMP_DOT)
        ir_dot(&t, f);
    else if (!listing_make(&t, f, j->o.ir_input ? NULL : &j->source, drift, &j->o))
        return EXIT_USAGE;
    /* No listing of a text that is gone. */
    enum exit_status status = source_lost(&j->source) ? EXIT_USAGE : main_write(&j->o, &t);
    text_free(&t);
    return status;
}

/* ---- main ---- */

static enum exit_status main_text(const struct options *o) {
    struct text t = {0};
    switch (o->action) {
    case ACT_HELP:
        manual_help(&t);
        break;
    case ACT_VERSION:
        text_put(&t, "bfopt " BFOPT_VERSION "\n");
        break;
    case ACT_MAN:
        manual_page(&t);
        break;
    case ACT_COMPLETION:
        manual_bash(&t);
        break;
    case ACT_LIST_PASSES:
        pipeline_list(&t);
        break;
    case ACT_LIST_OPS:
        list_ops(&t);
        break;
    case ACT_RUN:
    case ACT_ASM:
    case ACT_DUMP_IR:
    case ACT_DUMP_DOT:
    case ACT_DUMP_ASM:
        break;
    }
    enum exit_status status = main_write(o, &t);
    text_free(&t);
    return status;
}

static enum exit_status main_job(struct job *j) {
    if (j->o.action >= ACT_HELP)
        return main_text(&j->o);
    if (!compile_check_passes(&j->o))
        return EXIT_USAGE;
    enum exit_status status = main_read_program(j);
    if (status != EXIT_ENDED)
        return status;
    status = j->o.action == ACT_RUN ? main_run(j) : main_translate(j);
    if (!main_rt_busy) /* with anything to report the thread was waited for */
        compile_report(&j->o);
    return status;
}

int main(int argc, char **argv) {
    static struct job job;
    struct text why = {0};
    alloc_set_up();
    main_fill_descriptors();
    /* A reader that is gone, or a file that may not grow, is an error of write like any other. */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    if (!options_parse(&job.o, argc, argv, &why)) {
        diag_error("%s\nTry `bfopt --help`.", why.p);
        text_free(&why);
        options_free(&job.o);
        return EXIT_USAGE;
    }
    enum exit_status status = main_check_source(&job, main_job(&job));
    if (main_rt_busy)
        _exit((int)status);
    tape_unmap(&main_rt.tape);
    if (job.func != NULL)
        ir_free(job.func);
    program_free(&job.program);
    source_free(&job.source);
    options_free(&job.o);
    return status;
}
