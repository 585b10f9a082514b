/* test_emit.c: units of machine code: what the stubs promise, branches of every distance, faults at
 * the edge of the tape, and that the assembly text means the bytes of the JIT. */
#include <Zydis/Zydis.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/ra.h"
#include "backend/x64/asm.h"
#include "backend/x64/isel.h"
#include "backend/x64/jit.h"
#include "backend/x64/writer.h"
#include "frontend/parse.h"
#include "ir/build.h"
#include "ir/parse.h"
#include "runtime/alloc.h"
#include "runtime/text.h"

#define CELLS 65536

static struct rt rt;

/* ---- compiling and running ---- */

struct unit {
    struct func *f;
    struct mach *m;
    struct emitted *e;
};

static struct unit unit_of(struct func *f, unsigned max_regs) {
    struct unit u = {.f = f};
    struct isel_options select = {0};
    struct mach *m = x64_select(f, &select);
    struct ra_options allocate = {.max_regs = max_regs};
    struct ra_stats stats = {0};
    u.m = ra_allocate(m, &allocate, &stats);
    mach_free(m);
    u.e = emit(u.m, X64_LEVEL_BASE);
    cr_assert_not_null(u.e);
    return u;
}

static struct func *build(const char *code, unsigned bits) {
    struct program p;
    struct parse_options parse = {.hash = true};
    size_t len = strlen(code);
    struct parse_result r = parse_program(&p, (const uint8_t *)code, 0, (uint32_t)len, &parse);
    cr_assert_eq(r.error, PARSE_OK);
    struct build_options o = {.cell_bits = bits, .eof_unchanged = true, .tape_cells = CELLS};
    struct func *f = ir_build_program(&p, &o);
    program_free(&p);
    return f;
}

static void unit_free(struct unit *u) {
    emit_free(u->e);
    mach_free(u->m);
    ir_free(u->f);
}

/* Sets up rt with these descriptors and a tape. */
static void prepare(int in, int out, unsigned bits) {
    rt_io_init(&rt, in, out, EOF_UNCHANGED);
    rt.end_src = 0;
    cr_assert(tape_map(&rt.tape, CELLS, bits / 8, 0, true));
}

static void run(struct unit *u) {
    struct jit_unit unit;
    const char *why;
    cr_assert(jit_make(&unit, u->e, &why), "%s", why);
    cr_assert(jit_run(&rt, &unit));
    jit_free(&unit);
}

/* Runs code on an input; the output is in rt.out_buf, its length returned. */
static size_t run_code(const char *code, const char *input, unsigned bits, unsigned max_regs) {
    struct unit u = unit_of(build(code, bits), max_regs);
    prepare(-1, STDOUT_FILENO, bits);
    rt_preload(&rt, (const uint8_t *)input, strlen(input));
    rt.out_limit = rt.out_buf + RT_OUT_SIZE;
    run(&u);
    tape_unmap(&rt.tape);
    unit_free(&u);
    return (size_t)(rt.out_pos - rt.out_buf);
}

static void expect(const char *code, const char *input, const char *output) {
    for (unsigned bits = 8; bits <= 64; bits *= 2)
        for (unsigned regs = 3; regs < 20; regs += 6) {
            size_t n = run_code(code, input, bits, regs);
            cr_assert(n == strlen(output) && memcmp(rt.out_buf, output, n) == 0,
                      "%s at %u bits: %.*s", code, bits, (int)n, rt.out_buf);
            cr_assert_eq(rt.end, RUN_DONE);
        }
}

Test(emit, small_programs) {
    expect("", "", "");
    expect("+++[>+++++<-]>[>+++++<-]>--------.", "", "C");
    expect(",.,.,.", "xyz", "xyz");
    expect(">,[>,]<[.<]", "xyz", "zyx");
    expect("+[,.>+++[<->-]<]", "ab\3", "ab\3");
    expect("++[>++[>++[>++[>++[>++<-]<-]<-]<-]<-]>>>>>+.", "", "A");
}

/* The number of tests of a register in the unit's code, stubs left out. */
static unsigned count_tests(const char *text) {
    struct ir_parse_error e;
    struct func *f = ir_parse(text, strlen(text), &e);
    cr_assert(f != NULL, "%u:%u: %s", e.line, e.col, e.message);
    struct unit u = unit_of(f, 0);
    unsigned n = 0;
    for (uint32_t i = 0; i < u.e->n; i++)
        n += u.e->item[i].from != 0 && u.e->item[i].in.mnemonic == ZYDIS_MNEMONIC_TEST;
    unit_free(&u);
    return n;
}

#define CHOICES(between, cond, last)                                                               \
    "unit cells=8 {\n"                                                                             \
    "b1:\n"                                                                                        \
    "  %1 = tape\n"                                                                                \
    "  %2 = load %1\n"                                                                             \
    "  %3 = load %1 + 1\n"                                                                         \
    "  %4 = load %1 + 2\n"                                                                         \
    "  %5 = select %2, %3, %4\n"                                                                   \
    "  store %1 + 1, %5\n" between "  %6 = select " cond ", %4, %3\n"                              \
    "  store %1 + 2, %6\n"                                                                         \
    "  store %1 + 3, " last "\n"                                                                   \
    "  ret %1\n"                                                                                   \
    "}\n"

/* Choices by one condition are made after one test, if nothing between them changes the flags. */
Test(emit, one_test_for_many_choices) {
    cr_assert_eq(count_tests(CHOICES("", "%2", "%2")), 1);
    cr_assert_eq(count_tests(CHOICES("", "%4", "%2")), 2);
    /* One that comes into the register of the first. */
    cr_assert_eq(count_tests(CHOICES("  store %1 + 5, %2\n  %7 = load %1 + 4\n", "%7", "%7")), 2);
    cr_assert_eq(count_tests(CHOICES("  %7 = mul %3, %4\n  store %1 + 4, %7\n", "%2", "%2")), 2);
    cr_assert_eq(count_tests(CHOICES("  %7 = in %3\n  store %1 + 4, %7\n", "%2", "%2")), 2);
}

Test(emit, final_pointer) {
    run_code(">>>+[>]", "", 32, 0);
    cr_assert_eq(rt.end_pointer, 4);
}

/* A branch with a successor behind it and one with none; a jump on, and one that is left out. */
static const char branches_and_jumps[] = "unit cells=8 {\n"
                                         "b1:\n"
                                         "  %1 = tape @1\n"
                                         "  jmp b2 @2\n"
                                         "b2:\n"
                                         "  %2 = in 0 @3\n"
                                         "  br %2, b3, b4 @4\n"
                                         "b3:\n"
                                         "  %3 = load %1 @5\n"
                                         "  br %3, b5, b2 @6\n"
                                         "b4:\n"
                                         "  out 65 @7\n"
                                         "  %4 = in %2 @8\n"
                                         "  br %4, b6, b7 @9\n"
                                         "b6:\n"
                                         "  out 66 @10\n"
                                         "  jmp b8 @11\n"
                                         "b7:\n"
                                         "  out 67 @12\n"
                                         "  jmp b8 @13\n"
                                         "b8:\n"
                                         "  jmp b5 @14\n"
                                         "b5:\n"
                                         "  ret %1 @15\n"
                                         "}\n";

/* What listings rest on: each item of a block knows the machine instruction it was made of, and its
 * place in the source. */
Test(emit, items_know_their_instructions) {
    struct ir_parse_error error;
    struct func *f = ir_parse(branches_and_jumps, strlen(branches_and_jumps), &error);
    cr_assert_not_null(f, "%u:%u: %s", error.line, error.col, error.message);
    struct unit u = unit_of(f, 0);
    unsigned branches = 0, jumps = 0;
    for (uint32_t i = 0; i < u.e->code_end; i++) {
        const struct item *k = &u.e->item[i];
        if (k->from == 0)
            continue;
        cr_assert_leq(k->from, u.m->ninsn);
        const struct minsn *mi = &u.m->insn[k->from - 1];
        cr_expect_eq(k->src, mi->src, "item %u: src %u, not %u", i, k->src, mi->src);
        bool leads = (k->in.tag & ITEM_KIND) == ITEM_INSN && x64_find(&k->in, X64_LABEL) == 0 &&
                     emit_label_is_block(u.e, (uint32_t)k->in.disp);
        bool jump = leads && k->in.mnemonic == ZYDIS_MNEMONIC_JMP, branch = leads && !jump;
        cr_expect_eq(mi->op == X64_JMP, jump, "item %u is of %s", i, x64_op_name(mi->op));
        cr_expect_eq(mi->op == X64_JCC, branch, "item %u is of %s", i, x64_op_name(mi->op));
        jumps += jump;
        branches += branch;
    }
    cr_expect_eq(branches, 3);
    cr_expect_eq(jumps, 2);
    unit_free(&u);
}

/* ---- the stubs ---- */

/* What a C function may destroy, it destroys. */
#define DESTROY_REGISTERS                                                                          \
    __asm__ volatile("mov $-1, %%rax; mov %%rax, %%rcx; mov %%rax, %%rdx; mov %%rax, %%rsi;"       \
                     "mov %%rax, %%rdi; mov %%rax, %%r8; mov %%rax, %%r9; mov %%rax, %%r10;"       \
                     "mov %%rax, %%r11" ::                                                         \
                         : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "cc")

static unsigned calls, fail_at;
static bool stack_aligned;

/* Part of its callers at every level of optimization: it is their frame that is looked at. */
__attribute__((always_inline)) static inline void note_call(void) {
    /* The frame pointer was pushed right below the return address. */
    stack_aligned &= ((uintptr_t)__builtin_frame_address(0) & 15) == 0;
    calls++;
}

__attribute__((noinline)) static int rude_out(struct rt *r, uint32_t byte) {
    note_call();
    *r->out_pos++ = (uint8_t)byte;
    DESTROY_REGISTERS;
    return calls == fail_at;
}

__attribute__((noinline)) static int rude_in(struct rt *r, uint64_t *cell) {
    (void)r;
    note_call();
    *cell = *cell + calls;
    DESTROY_REGISTERS;
    return calls == fail_at;
}

__attribute__((noinline)) static int rude_hash(struct rt *r, uint8_t *pointer, uint32_t src) {
    (void)r;
    note_call();
    *pointer = (uint8_t)src;
    DESTROY_REGISTERS;
    return calls == fail_at;
}

__attribute__((noinline)) static int rude_bytes(struct rt *r, const uint8_t *p, uint64_t n) {
    note_call();
    memcpy(r->out_pos, p, (size_t)n);
    r->out_pos += n;
    DESTROY_REGISTERS;
    return calls == fail_at;
}

/* Like a unit, it sets saved_sp; unlike one, not to what its caller needs. */
static uint8_t *rude_loop(struct rt *r, uint8_t *pointer, uint32_t number) {
    note_call();
    *r->out_pos++ = (uint8_t)number;
    r->saved_sp = NULL;
    if (calls == fail_at)
        r->end = RUN_OFF_TAPE;
    DESTROY_REGISTERS;
    return pointer + 1;
}

static struct rt_slot rude_table[8] = {[5] = {.run = rude_loop}};

static void prepare_rude(unsigned bits) {
    prepare(-1, STDOUT_FILENO, bits);
    rt.out_limit = rt.out_buf; /* always the slow path */
    rt.out_byte = rude_out;
    rt.out_bytes = rude_bytes;
    rt.in_cell = rude_in;
    rt.hash = rude_hash;
    rt.loop = rude_table;
    rt.loop_deep = rude_loop;
    rt.stack_limit = NULL;
    calls = 0;
    fail_at = 0;
    stack_aligned = true;
}

/* Holds two values over a call of loop 5, from a cell further right. */
static struct func *calling_function(void) {
    struct func *f = ir_new(8);
    block b = ir_block_new(f, NO_BLOCK);
    value tape = ir_append(f, b, OP_TAPE, NO_VALUE, NO_VALUE, 0, 0);
    f->entry = b;
    value one = ir_append(f, b, OP_LOAD, tape, NO_VALUE, 0, 1);
    value two = ir_append(f, b, OP_ADD, one, ir_const(f, 1), 0, 1);
    value after = ir_append(f, b, OP_CALL, tape, NO_VALUE, 2, 2);
    ir_at(f, after)->loop = 5;
    ir_append(f, b, OP_STORE, after, one, 0, 3);
    ir_append(f, b, OP_STORE, after, two, 1, 3);
    ir_ret(f, b, after, 4);
    return f;
}

Test(emit, calls_of_loops_go_through_the_table) {
    struct unit u = unit_of(calling_function(), 15);
    for (unsigned deep = 0; deep <= 1; deep++)
        for (unsigned fail = 0; fail <= 1; fail++) {
            prepare_rude(8);
            rt.tape.base[0] = 30;
            fail_at = fail;
            rt.stack_limit = deep ? (void *)UINTPTR_MAX : NULL;
            rude_table[5].run = deep ? NULL : rude_loop;
            run(&u);
            cr_assert_eq(calls, 1);
            cr_assert(stack_aligned);
            cr_assert_eq(rt.out_buf[0], 5);
            cr_assert_eq(rt.end, fail ? RUN_OFF_TAPE : RUN_DONE);
            cr_assert_eq(rt.tape.base[3], fail ? 0 : 30);
            cr_assert_eq(rt.tape.base[4], fail ? 0 : 31);
            tape_unmap(&rt.tape);
        }
    unit_free(&u);
}

/* A function that holds n values over calls of every stub, then stores them. */
static struct func *busy_function(unsigned n) {
    struct func *f = ir_new(8);
    block b = ir_block_new(f, NO_BLOCK);
    value tape = ir_append(f, b, OP_TAPE, NO_VALUE, NO_VALUE, 0, 0), held[32];
    f->entry = b;
    for (unsigned i = 0; i < n; i++) {
        held[i] = ir_append(f, b, OP_LOAD, tape, NO_VALUE, (int64_t)i, i);
        held[i] = ir_append(f, b, OP_ADD, held[i], ir_const(f, i), 0, i);
    }
    ir_append(f, b, OP_OUT, held[0], NO_VALUE, 0, 50);
    ir_append(f, b, OP_OUTS, NO_VALUE, NO_VALUE, ir_string(f, "a\0b", 3), 51);
    value in = ir_append(f, b, OP_IN, held[1], NO_VALUE, 0, 52);
    ir_append(f, b, OP_HASH, tape, NO_VALUE, 200, 53);
    ir_append(f, b, OP_OUT, in, NO_VALUE, 0, 54);
    for (unsigned i = 0; i < n; i++)
        ir_append(f, b, OP_STORE, tape, held[i], 100 + (int64_t)i, i);
    ir_ret(f, b, tape, 60);
    f->program = true;
    return f;
}

Test(emit, stubs_keep_registers_and_align_the_stack) {
    for (unsigned n = 2; n <= 20; n++)
        for (unsigned regs = 3; regs <= 15; regs += 4) {
            struct unit u = unit_of(busy_function(n), regs);
            prepare_rude(8);
            for (unsigned i = 0; i < n; i++)
                rt.tape.base[i] = (uint8_t)(3 * i + 7);
            run(&u);
            cr_assert_eq(rt.end, RUN_DONE);
            cr_assert_eq(calls, 5);
            cr_assert(stack_aligned);
            for (unsigned i = 0; i < n; i++)
                cr_assert_eq(rt.tape.base[100 + i], (uint8_t)(4 * i + 7));
            cr_assert_eq(rt.tape.base[200], 53, "the position reaches `#`");
            /* rude_in, the third call, adds 3 to the old cell, which is 11. */
            cr_assert(memcmp(rt.out_buf, "\7a\0b\16", 5) == 0);
            tape_unmap(&rt.tape);
            unit_free(&u);
        }
}

Test(emit, every_call_can_end_the_run) {
    for (unsigned at = 1; at <= 5; at++) {
        struct unit u = unit_of(busy_function(14), 0);
        prepare_rude(8);
        fail_at = at;
        run(&u);
        cr_assert_eq(calls, at);
        cr_assert_eq(rt.tape.base[100], 0);
        tape_unmap(&rt.tape);
        unit_free(&u);
    }
}

/* ---- memory of code ---- */

static bool saw_code, saw_writable_code;

static int read_maps(struct rt *r, uint8_t *pointer, uint32_t src) {
    (void)r, (void)pointer, (void)src;
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[512];
    while (maps != NULL && fgets(line, sizeof line, maps) != NULL) {
        saw_writable_code |= strstr(line, " rwx") != NULL;
        saw_code |= strstr(line, " r-xp 00000000 00:00 0") != NULL;
    }
    if (maps != NULL)
        fclose(maps);
    return 0;
}

Test(emit, memory_is_never_writable_and_executable) {
    struct unit u = unit_of(build("+#", 8), 0);
    prepare(-1, STDOUT_FILENO, 8);
    rt.hash = read_maps;
    run(&u);
    cr_assert(saw_code);
    cr_assert_not(saw_writable_code);
    tape_unmap(&rt.tape);
    unit_free(&u);
}

/* ---- the edge of the tape ---- */

static void expect_fault(const char *code, unsigned bits, uint32_t src, int64_t cell) {
    run_code(code, "", bits, 0);
    cr_assert_eq(rt.end, RUN_OFF_TAPE, "%s at %u bits", code, bits);
    cr_assert_eq(rt.end_cell, cell, "%s at %u bits: cell %lld", code, bits, (long long)rt.end_cell);
    cr_assert_eq(rt.end_src, src, "%s at %u bits: offset %u", code, bits, rt.end_src);
}

Test(emit, faults_end_the_run_where_they_happen) {
    for (unsigned bits = 8; bits <= 64; bits *= 2) {
        expect_fault("+.<+", bits, 3, -1);
        expect_fault("<<<<[-]", bits, 4, -4);
        expect_fault("+[>+]", bits, 3, CELLS);
        expect_fault("+[<+]", bits, 3, -1);
        expect_fault("<,", bits, 1, -1);
        expect_fault("<.", bits, 1, -1);
    }
}

Test(emit, output_before_a_fault_is_kept) {
    cr_assert_eq(run_code("+.++.<<-", "", 8, 0), 2);
    cr_assert_eq(rt.end, RUN_OFF_TAPE);
    cr_assert(memcmp(rt.out_buf, "\1\3", 2) == 0);
}

/* ---- branches ---- */

/* Loops and guards over bodies of every size around the reach of a short branch.  What jit_make
 * made is decoded and compared, label by label, in builds with assertions. */
Test(emit, branches_of_every_distance) {
    for (unsigned size = 1; size < 80; size++) {
        struct text t = {0};
        text_put(&t, "+++[>");
        for (unsigned i = 0; i < size; i++)
            text_put(&t, ">+");
        text_put(&t, "[<]<-]>>[.>]");
        size_t n = run_code(t.p, "", 8, 3 + size % 12);
        cr_assert_eq(rt.end, RUN_DONE, "%s", t.p);
        cr_assert_eq(n, size);
        for (unsigned i = 0; i < size; i++)
            cr_assert_eq(rt.out_buf[i], 3);
        text_free(&t);
    }
}

/* ---- the assembly text ---- */

/* An instruction of a decoded unit; branch targets are numbers of instructions. */
struct piece {
    uint32_t at, target;
    ZydisDecodedInstruction in;
    ZydisDecodedOperand operand[ZYDIS_MAX_OPERAND_COUNT];
};

/* Decodes code without its padding; *n instructions. */
static struct piece *decode_all(const uint8_t *code, size_t size, uint32_t *n) {
    ZydisDecoder decoder;
    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    struct piece *p = xcalloc(size + 1, sizeof *p);
    *n = 0;
    for (size_t at = 0; at < size;) {
        struct piece *i = &p[*n];
        cr_assert(ZYAN_SUCCESS(
            ZydisDecoderDecodeFull(&decoder, code + at, size - at, &i->in, i->operand)));
        i->at = (uint32_t)at;
        at += i->in.length;
        /* xchg ax, ax is the assembler's nop of two bytes. */
        *n += i->in.mnemonic != ZYDIS_MNEMONIC_NOP &&
              !(i->in.mnemonic == ZYDIS_MNEMONIC_XCHG && i->in.length == 2 &&
                i->operand[0].size == 16);
    }
    p[*n].at = (uint32_t)size;
    for (uint32_t k = 0; k < *n; k++) {
        ZyanU64 to;
        if (!p[k].operand[0].imm.is_relative ||
            p[k].operand[0].type != ZYDIS_OPERAND_TYPE_IMMEDIATE)
            continue;
        ZydisCalcAbsoluteAddress(&p[k].in, &p[k].operand[0], p[k].at, &to);
        /* A target in padding means the first instruction behind it. */
        while (p[p[k].target].at < to)
            p[k].target++;
    }
    return p;
}

static void expect_same(const struct piece *a, const struct piece *b, const char *code) {
    cr_assert_eq(a->in.mnemonic, b->in.mnemonic, "%s: mnemonic at %u", code, a->at);
    cr_assert_eq(a->target, b->target, "%s: target of the branch at %u", code, a->at);
    for (unsigned n = 0; n < a->in.operand_count_visible; n++) {
        const ZydisDecodedOperand *x = &a->operand[n], *y = &b->operand[n];
        cr_assert_eq(x->type, y->type);
        if (x->type == ZYDIS_OPERAND_TYPE_REGISTER)
            cr_assert_eq(x->reg.value, y->reg.value);
        if (x->type == ZYDIS_OPERAND_TYPE_IMMEDIATE && !x->imm.is_relative)
            cr_assert_eq(x->imm.value.s, y->imm.value.s);
        if (x->type == ZYDIS_OPERAND_TYPE_MEMORY && x->mem.base != ZYDIS_REGISTER_RIP)
            cr_assert(x->size == y->size && x->mem.base == y->mem.base &&
                      x->mem.index == y->mem.index && x->mem.scale == y->mem.scale &&
                      x->mem.disp.value == y->mem.disp.value);
    }
}

/* The bytes GNU as makes of the unit's code. */
static uint8_t *assemble(const struct unit *u, size_t *size) {
    char source[] = "/tmp/bfopt-test-XXXXXX", command[256];
    struct source_view view = {.name = "test"};
    struct asm_options o = {.code_only = true, .source = &view};
    struct text t = {0};
    asm_print(&t, u->e, &o);
    int fd = mkstemp(source);
    cr_assert(fd >= 0 && write(fd, t.p, t.len) == (ssize_t)t.len);
    close(fd);
    text_free(&t);
    snprintf(command, sizeof command, "as %s -o %s.o && objcopy -O binary -j .text %s.o %s.bin",
             source, source, source, source);
    cr_assert_eq(system(command), 0);
    snprintf(command, sizeof command, "%s.bin", source);
    FILE *in = fopen(command, "rb");
    uint8_t *code = xalloc(1 << 20, 1);
    *size = fread(code, 1, 1 << 20, in);
    fclose(in);
    snprintf(command, sizeof command, "rm -f %s %s.o %s.bin", source, source, source);
    cr_assert_eq(system(command), 0);
    return code;
}

static void expect_same_code(struct func *f, const char *what, unsigned regs) {
    struct unit u = unit_of(f, regs);
    size_t size;
    uint32_t n, m;
    uint8_t *text = assemble(&u, &size);
    struct jit_unit unit;
    const char *why;
    cr_assert(jit_make(&unit, u.e, &why));
    struct piece *a = decode_all(unit.memory.base, unit.fault.size, &n);
    struct piece *b = decode_all(text, size, &m);
    cr_assert_eq(n, m, "%s: %u instructions, in assembly %u", what, n, m);
    for (uint32_t k = 0; k < n; k++)
        expect_same(&a[k], &b[k], what);
    xfree(a);
    xfree(b);
    xfree(text);
    jit_free(&unit);
    unit_free(&u);
}

Test(emit, the_assembly_text_means_the_same_code) {
    static const char *const code[] = {"",
                                       "+++[>+++++<-]>.",
                                       ",[.,]",
                                       "+[>>,.#[-]<[->+>+<<]>]",
                                       "<[>]+[<]-[--]",
                                       "++[>++[>++[>++[>++[>++<-]<-]<-]<-]<-]>>>>>+.[[[[[]]]]]"};
    for (size_t i = 0; i < sizeof code / sizeof *code; i++)
        for (unsigned bits = 8; bits <= 64; bits *= 2)
            expect_same_code(build(code[i], bits), code[i], i % 2 ? 3 : 0);
    expect_same_code(busy_function(20), "busy function", 4);
}

/* A distance that fits 32 bits without a sign is loaded by the short form, which clears the upper
 * half; no other is. */
Test(emit, far_cells) {
    static const struct {
        int64_t cells;
        uint8_t size; /* of the register */
    } far[] = {{INT64_C(0x80000000), 4},   {UINT32_MAX, 4},
               {INT64_C(0x100000000), 8},  {-INT64_C(0x80000001), 8},
               {-INT64_C(0x100000000), 8}, {INT64_C(0x123456789a), 8}};
    for (unsigned i = 0; i < sizeof far / sizeof *far; i++) {
        struct func *f = ir_new(8);
        block b = ir_block_new(f, NO_BLOCK);
        f->entry = b;
        value tape = ir_append(f, b, OP_TAPE, NO_VALUE, NO_VALUE, 0, 0);
        value x = ir_append(f, b, OP_LOAD, tape, NO_VALUE, far[i].cells, 1);
        ir_append(f, b, OP_OUT, x, NO_VALUE, 0, 2);
        ir_ret(f, b, tape, 3);
        struct unit u = unit_of(f, 0);
        unsigned found = 0;
        for (uint32_t n = 0; n < u.e->n; n++) {
            const struct x64_insn *in = &u.e->item[n].in;
            if ((u.e->item[n].in.tag & ITEM_KIND) != ITEM_INSN ||
                in->mnemonic != ZYDIS_MNEMONIC_MOV ||
                in->operand[1] != x64_operand(X64_IMM, far[i].size) ||
                in->operand[0] != x64_operand(X64_REG, far[i].size))
                continue;
            found += in->imm == (far[i].size == 4 ? (int32_t)(uint32_t)far[i].cells : far[i].cells);
        }
        cr_expect_eq(found, 1, "%lld cells", (long long)far[i].cells);
        unit_free(&u);
    }
}

/* Adds 1 to the pointer until it is a multiple of 16, then 7, over a jump; the code is as large as
 * the writer's memory was at first, and more. */
static void write_walk(struct writer *w) {
    uint32_t again = writer_label(w), over = writer_label(w), unused = writer_label(w);
    write2(w, ZYDIS_MNEMONIC_MOV, op_reg(X64_RAX, 8), op_reg(X64_RSI, 8));
    writer_place(w, again);
    write2(w, ZYDIS_MNEMONIC_MOV, op_mem(X64_RSI, 0, 1), op_imm(1, 1));
    writer_may_trap(w, 77);
    write2(w, ZYDIS_MNEMONIC_ADD, op_reg(X64_RAX, 8), op_imm(1, 8));
    write2(w, ZYDIS_MNEMONIC_TEST, op_reg(X64_RAX, 1), op_imm(15, 1));
    write1(w, ZYDIS_MNEMONIC_JNZ, op_label(again));
    write1(w, ZYDIS_MNEMONIC_JMP, op_label(over));
    for (unsigned n = 0; n < 2000; n++)
        write3(w, ZYDIS_MNEMONIC_IMUL, op_reg(X64_RAX, 8), op_reg(X64_RAX, 8), op_imm(300, 8));
    writer_place(w, over);
    write2(w, ZYDIS_MNEMONIC_ADD, op_reg(X64_RAX, 8), op_imm(7, 8));
    write1(w, ZYDIS_MNEMONIC_JMP, op_label(LABEL_EXIT));
    writer_place(w, unused);
    writer_end(w);
}

/* Code that is written at once finds its labels and the fixed parts, in a pool and outside. */
Test(emit, code_written_at_once) {
    for (int pool = 0; pool < 2; pool++) {
        struct jit_store store = {.encoder = x64_encoder_new(), .pool = {.refused = !pool}};
        store.parts = parts_new(store.encoder);
        cr_assert_eq(store.parts->label[LABEL_TRAP], UINT32_MAX);
        cr_assert_eq(store.parts->label[LABEL_ENTER], 0);
        struct writer w;
        struct jit_unit u;
        writer_start(&w, store.encoder, store.parts);
        write_walk(&w);
        cr_assert(jit_keep(&store, &u, &w));
        writer_free(&w);
        cr_assert_eq(u.memory.bytes == 0, pool);
        _Alignas(16) uint8_t cells[64] = {0};
        cr_assert_eq(jit_entry(&u)(&rt, cells + 3, 0), cells + 16 + 7);
        cr_assert_eq(cells[3], 1);
        cr_assert_eq(u.fault.nsite, 1);
        cr_assert_eq(u.site[0].src, 77);
        cr_assert_eq(u.memory.base[u.site[0].code], 0xc6); /* mov byte ptr [rsi], 1 */
        jit_free(&u);
        jit_store_free(&store);
    }
}
