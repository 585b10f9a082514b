/* targets.c: what is fuzzed, one function each.  The rows stand at the end. */
#include "tests/fuzz/targets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "backend/ra.h"
#include "backend/vm/vm.h"
#include "backend/x64/asm.h"
#include "backend/x64/disasm.h"
#include "backend/x64/emit.h"
#include "backend/x64/isel.h"
#include "backend/x64/jit.h"
#include "backend/x64/x64.h"
#include "frontend/lint.h"
#include "frontend/parse.h"
#include "frontend/source.h"
#include "ir/build.h"
#include "ir/dot.h"
#include "ir/parse.h"
#include "ir/print.h"
#include "ir/validate.h"
#include "ir/verify.h"
#include "passes/pipeline.h"
#include "runtime/alloc.h"
#include "runtime/text.h"
#include "tests/fuzz/differ.h"
#include "tests/fuzz/irgen.h"

static _Noreturn void fail(const char *what, const struct text *details) {
    fprintf(stderr, "fuzz target: %s\n%s\n", what, details && details->p ? details->p : "");
    abort();
}

static void check(bool ok, const char *what) {
    if (!ok)
        fail(what, NULL);
}

/* ---- source: the parser of programs ---- */

static void check_program(const struct program *p, const struct source *s) {
    uint32_t depth = 0, last = 0;
    check(p->nop > 0 && p->op[p->nop - 1].kind == BF_END, "the program has no end");
    for (uint32_t i = 0; i < p->nop; i++) {
        const struct bf_op *op = &p->op[i];
        check(op->src <= s->size && op->src >= last, "operations are out of order");
        last = op->src;
        if (op->kind == BF_OPEN || op->kind == BF_CLOSE) {
            check((uint32_t)op->arg < p->nop, "a bracket's partner is not there");
            const struct bf_op *other = &p->op[op->arg];
            check(other->arg == (int32_t)i &&
                      other->kind == (uint32_t)(BF_OPEN + BF_CLOSE) - op->kind,
                  "a bracket's partner has another one");
        }
        depth += op->kind == BF_OPEN;
        check(depth <= p->max_depth, "brackets are deeper than that");
        depth -= op->kind == BF_CLOSE;
    }
    check(depth == 0, "brackets do not match");
}

static void run_source(const uint8_t *bytes, size_t n) {
    uint8_t flags = n > 0 ? bytes[0] : 0;
    struct text why = {0};
    struct source s;
    if (!source_copy(&s, "fuzz.b", (const char *)bytes + (n > 0), n - (n > 0), &why))
        fail("a source that cannot be copied", &why);
    struct parse_options po = {
        .hash = flags & 1, .bang = (flags & 2) != 0, .one_by_one = (flags & 4) != 0};
    struct program p;
    struct parse_result r = parse_program(&p, s.text, s.start, s.size, &po);
    if (r.error == PARSE_OK) {
        check_program(&p, &s);
        if (s.size < 4000) {
            struct build_options bo = {.cell_bits = 8u << (flags >> 3 & 3),
                                       .strict = (flags & 32) != 0,
                                       .eof_unchanged = (flags & 64) != 0,
                                       .tape_cells = 4096};
            struct func *f = ir_build_program(&p, &bo);
            if (!ir_verify(f, &why))
                fail("what was built breaks a rule", &why);
            ir_free(f);
        }
    } else {
        check(r.at < s.size && (s.text[r.at] == '[' || s.text[r.at] == ']'), "an error elsewhere");
        struct position at = source_position(&s, r.at);
        check(at.line > 0 && at.line_start + at.column - 1 == r.at,
              "a position that is not its own");
    }
    for (uint32_t i = 0; i <= s.size && i < 300; i++) {
        struct position at = source_position(&s, s.size - i);
        check(at.line_start + at.column - 1 == s.size - i, "a position that is not its own");
    }
    program_free(&p);
    source_free(&s);
    text_free(&why);
}

/* ---- ir: the parser of IR text, printer and verifier ---- */

static void run_ir(const uint8_t *bytes, size_t n) {
    struct ir_parse_error e;
    struct func *f = ir_parse((const char *)bytes, n, &e);
    if (!f) {
        check(e.offset <= n && e.message[0] != 0, "an error without a place");
        return;
    }
    struct text once = {0}, twice = {0}, why = {0};
    bool sound = ir_verify(f, &why);
    ir_print(&once, f, NULL);
    struct func *g = ir_parse(once.p, once.len, &e);
    if (!g)
        fail("what was printed cannot be read", &once);
    ir_print(&twice, g, NULL);
    if (once.len != twice.len || memcmp(once.p, twice.p, once.len) != 0)
        fail("printing and reading changes the function", &once);
    if (ir_verify(g, &why) != sound)
        fail("printing and reading changes the verdict", &why);
    if (sound) {
        ir_dot(&twice, f);
        ir_drop_unreachable(f);
        ir_compact(f);
        if (!ir_verify(f, &why))
            fail("compacting breaks the function", &why);
    }
    ir_free(f);
    ir_free(g);
    text_free(&once);
    text_free(&twice);
    text_free(&why);
}

/* ---- compile: any IR through passes, allocation and encoding, and run ---- */

#define EVAL_FUEL 3000

/* Where the engines run what the evaluator ran. */
static struct rt target_rt;
static struct tape target_tape[4];
static int target_out = -1;

static void start_run(const struct func *f, const struct ir_trial *t) {
    unsigned width = f->cell_bits / 8;
    struct tape *tape = &target_tape[__builtin_ctz(width)];
    if (!tape->base && !tape_map(tape, t->ncell, width, 1 << 20, true))
        abort();
    target_rt.tape = *tape;
    memset(tape->base, 0, tape->bytes);
    for (uint64_t i = 0; i < t->ninit; i++)
        memcpy(tape->base + i * width, &t->cell[i], width);
    if (target_out < 0)
        target_out = memfd_create("output", MFD_CLOEXEC);
    if (target_out < 0 || ftruncate(target_out, 0) != 0 || lseek(target_out, 0, SEEK_SET) != 0)
        abort();
    rt_io_init(&target_rt, -1, target_out, t->eof);
    rt_preload(&target_rt, t->input, t->ninput);
    target_rt.in_eof = true; /* behind the preloaded bytes */
}

/* The run as it should be, and as it was.  Off the tape selection may have moved an access past
 * another one, so that a different cell is reported and stores are missing. */
static void compare_run(const struct func *f, const struct ir_trial *t, const struct eval *e,
                        const char *engine) {
    static uint8_t out[EVAL_FUEL * 8];
    struct rt *rt = &target_rt;
    struct text why = {0};
    rt_flush(rt);
    size_t n = (size_t)pread(target_out, out, sizeof out, 0);
    bool off = e->end == EVAL_OFF_TAPE;
    unsigned width = f->cell_bits / 8;
    if (rt->end != (off ? RUN_OFF_TAPE : RUN_DONE))
        text_fmt(&why, "%s: it ends with %d\n", engine, (int)rt->end);
    else if (n != e->output.len || (n > 0 && memcmp(out, e->output.p, n) != 0))
        text_fmt(&why, "%s: %zu bytes of output, expected %zu\n", engine, n, e->output.len);
    else if (off && rt->end_cell >= 0 && rt->end_cell < (int64_t)t->ncell)
        text_fmt(&why, "%s: cell %lld is on the tape\n", engine, (long long)rt->end_cell);
    else if (!off && (rt->end_pointer != e->pointer || rt_bytes_in(rt) != e->nread))
        text_fmt(&why, "%s: pointer %lld, %llu bytes read, expected %lld, %zu\n", engine,
                 (long long)rt->end_pointer, (unsigned long long)rt_bytes_in(rt),
                 (long long)e->pointer, e->nread);
    for (uint64_t i = 0; i < t->ncell && !off && why.len == 0; i++) {
        uint64_t v = 0;
        memcpy(&v, rt->tape.base + i * width, width);
        if (v != e->cell[i])
            text_fmt(&why, "%s: cell %llu is %llu, expected %llu\n", engine, (unsigned long long)i,
                     (unsigned long long)v, (unsigned long long)e->cell[i]);
    }
    if (why.len > 0) {
        ir_print(&why, f, NULL);
        fail("an engine does not do what the IR says", &why);
    }
}

static struct mach *allocate(struct mach *m, unsigned max_regs, uint32_t seed) {
    struct ra_options o = {.max_regs = max_regs, .seed = seed};
    struct ra_stats stats = {0};
    struct text why = {0};
    struct mach *a = ra_allocate(m, &o, &stats);
    if (!ra_check(m, a, &why)) {
        mach_print(&why, a);
        fail("wrong allocation", &why);
    }
    mach_free(m);
    return a;
}

static void run_vm(struct func *f, const struct ir_trial *t, const struct eval *e, unsigned regs) {
    struct mach *m = allocate(vm_select(f), regs, 0);
    if (e) {
        start_run(f, t);
        vm_run(m, &target_rt, target_rt.tape.base, regs % 2 ? VM_SWITCH : VM_THREADED);
        compare_run(f, t, e, "interpreter");
    }
    mach_free(m);
}

static void run_x64(struct func *f, const struct ir_trial *t, const struct eval *e, unsigned regs,
                    bool bounds) {
    struct isel_options io = {.check_bounds = bounds};
    struct mach *m = allocate(x64_select(f, &io), regs, regs * 7);
    struct emitted *code = emit(m, bounds ? X64_LEVEL_BASE : x64_native_level());
    struct jit_unit unit;
    const char *why = "";
    check(code != NULL, "a frame that is too large");
    check(jit_make(&unit, code, &why), why); /* decodes every instruction again */
    if (e) {
        start_run(f, t);
        check(jit_run(&target_rt, &unit), "faults cannot be caught");
        compare_run(f, t, e, bounds ? "machine code with checks" : "machine code");
    } else {
        struct text listing = {0};
        struct source_view view = {.name = "fuzz"};
        struct asm_options ao = {.tape_cells = f->tape_cells, .code_only = true, .source = &view};
        asm_print(&listing, code, &ao);
        disasm_print(&listing, code, &view);
        text_free(&listing);
    }
    jit_free(&unit);
    emit_free(code);
    mach_free(m);
}

static void run_engines(struct func *f, const struct ir_trial *t, unsigned regs) {
    struct eval e;
    ir_trial_run(f, t, &e);
    bool ends = e.end == EVAL_DONE || e.end == EVAL_OFF_TAPE;
    const struct eval *wanted = ends ? &e : NULL;
    run_vm(f, t, wanted, regs);
    run_x64(f, t, wanted, regs, false);
    run_x64(f, t, wanted, regs, true);
    ir_trial_free(&e);
}

static void run_compile(const uint8_t *bytes, size_t n) {
    static const unsigned registers[] = {0, 3, 4, 8, 5, 15, 6, 0};
    struct byte_reader r = {bytes, bytes + n};
    uint8_t how = next_byte(&r), seed = next_byte(&r);
    struct func *f = irgen_make(&r);
    struct text why = {0};
    if (!ir_verify(f, &why))
        fail("the generator made a function that is not valid", &why);
    struct func *before = ir_clone(f);
    struct pipeline_options po = {.level = how & 3, .verify_each = true};
    if (!pipeline_run(f, &po, &why))
        fail("a pass broke the function", &why);
    if (!ir_same_meaning(before, f, 4, seed, &why)) {
        ir_print(&why, before, NULL);
        fail("the passes changed the meaning", &why);
    }
    uint64_t cell[32];
    for (unsigned i = 0; i < 32; i++)
        cell[i] = ir_wrap(f, f->program ? 0 : (uint64_t)seed * i % 5 * (i % 3));
    struct ir_trial t = {.ncell = 4096,
                         .cell = cell,
                         .ninit = 32,
                         .input = bytes,
                         .ninput = n < 10 ? n : 10,
                         .eof = (enum eof_mode)(how >> 2 & 3) % 3,
                         .fuel = EVAL_FUEL};
    ir_drop_unreachable(f);
    run_engines(f, &t, registers[how >> 5]);
    ir_free(before);
    ir_free(f);
    text_free(&why);
}

/* ---- program: bytes as a Brainfuck program, differentially ---- */

static void put_piece(struct text *t, uint8_t c) {
    static const char *const piece[] = {
        "+",      "-",         ">",       "<",          ".",    ",",          "[",      "]",
        "[-]",    "[->+<]",    "[>]",     "[<]",        "++++", "----",       ">>",     "<<",
        "[-<+>]", "[->+>+<<]", "[->++<]", "[>+<-]",     "[>>]", "[<<<]",      "+[",     "-]",
        "[[-]",   ",[",        ".[-]",    ">[-]>[-]<<", "[--]", "[->>>+<<<]", ">>>>>>", "<<<<"};
    text_put(t, piece[c % 32]);
}

/* Opens what was closed too early and closes what is open. */
static void balance(struct text *t) {
    size_t depth = 0, kept = 0;
    for (size_t i = 0; i < t->len; i++) {
        if (t->p[i] == ']' && depth == 0)
            continue;
        depth += t->p[i] == '[';
        depth -= t->p[i] == ']';
        t->p[kept++] = t->p[i];
    }
    t->len = kept;
    for (; depth > 0; depth--)
        text_char(t, ']');
    text_put(t, "");
}

static void run_program(const uint8_t *bytes, size_t n) {
    static struct differ *d;
    if (!d)
        d = differ_new(&(struct differ_options){
            .max_steps = 3000, .cells = 4096, .verify = true, .check_ra = true});
    struct byte_reader r = {bytes, bytes + n};
    uint8_t how = next_byte(&r), seed = next_byte(&r);
    struct text t = {0}, why = {0};
    while (r.at < r.end && t.len < 2000)
        put_piece(&t, next_byte(&r));
    text_put(&t, "");
    balance(&t);
    struct fuzz_program p = {.text = t.p ? t.p : "",
                             .len = t.len,
                             .input = bytes,
                             .ninput = n < 6 ? n : 6,
                             .cell_bits = 8u << (how & 3),
                             .eof = (enum eof_mode)((how >> 2 & 3) % 3),
                             .tape_seed = how & 16 ? seed : 0};
    if (differ_reference(d, &p) == AGREES) {
        struct config c = {.engine = ENGINE_JIT,
                           .cell_bits = p.cell_bits,
                           .eof = p.eof,
                           .unit = p.tape_seed != 0,
                           .max_regs = seed & 1 ? 3 + seed % 6 : 0};
        for (unsigned i = 0; i < 4; i++) {
            c.level = (i + seed) % 4;
            c.strict = (i & 1) != 0;
            c.engine = i < 3 ? ENGINE_JIT : ENGINE_INTERP;
            if (differ_run(d, &c, &why) == DIFFERS) {
                text_fmt(&why, "\nbfopt ");
                config_text(&why, &c);
                text_fmt(&why, " -e '%s'", p.text);
                fail("the engines differ", &why);
            }
        }
    }
    text_free(&t);
    text_free(&why);
}

/* ---- the table ---- */

const struct fuzz_target target_table[] = {
    {"source", "the parser of programs", run_source},
    {"ir", "the parser of IR text, the printer and the verifier", run_ir},
    {"options", "the parser of the command line", target_options},
    {"compile", "bytes to IR, passes, allocation, encoding, and three engines", run_compile},
    {"program", "bytes to Brainfuck, and engines against the reference", run_program},
};
const unsigned target_count = sizeof target_table / sizeof *target_table;
