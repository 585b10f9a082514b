/* x64.c: the tables of the x86-64 target, from x64.def, and how its instructions look in dumps.
 *
 *   ADD_MI v3 + 5, 1, one byte   =>   add      byte [v3 + 5], 1
 */
#include "backend/x64/x64.h"

#include <ctype.h>
#include <string.h>

#include "backend/x64/isel.h"
#include "runtime/text.h"

#define DEF   ROLE_DEF
#define USE   ROLE_USE
#define LATE  ROLE_USE_LATE
#define ____  ROLE_NONE
#define ___   (-1)
#define RAX   X64_RAX
#define RCX   X64_RCX
#define RSI   X64_RSI
#define M_RAX (UINT32_C(1) << X64_RAX)
/* What a C function may destroy besides rax. */
#define M_CALL                                                                                     \
    (UINT32_C(1) << X64_RCX | UINT32_C(1) << X64_RDX | UINT32_C(1) << X64_RSI |                    \
     UINT32_C(1) << X64_RDI | UINT32_C(0xf) << X64_R8)

static const struct mdesc x64_desc[X64_OP_COUNT] = {
#define X64(name, mnemonic, operands, r0, r1, r2, f0, f1, f2, flags, clobbers)                     \
    [X64_##name] = {#name, {r0, r1, r2}, {f0, f1, f2}, flags, clobbers},
#include "backend/x64/x64.def"
#undef X64
};

struct x64_text {
    const char *name, *mnemonic, *operands;
};

static const struct x64_text x64_text[X64_OP_COUNT] = {
#define X64(name, mnemonic, operands, ...) [X64_##name] = {#name, #mnemonic, operands},
#include "backend/x64/x64.def"
#undef X64
};

enum x64_level x64_native_level(void) {
#if defined(__x86_64__)
    /* All that v4 stands for, though scans use the first two only. */
    bool v4 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
              __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
              __builtin_cpu_supports("avx512cd");
    return v4 ? X64_LEVEL_V4 : __builtin_cpu_supports("avx2") ? X64_LEVEL_V3 : X64_LEVEL_BASE;
#else
    return X64_LEVEL_BASE;
#endif
}

const char *x64_op_name(unsigned op) {
    return x64_text[op].name;
}

const char *x64_cc_name(unsigned cc) {
    static const char *const name[16] = {"o", "no", "b", "ae", "z", "nz", "be", "a",
                                         "s", "ns", "p", "np", "l", "ge", "le", "g"};
    return name[cc & 15];
}

/* ---- registers ---- */

/* Caller-saved registers first (rax and rcx are what fixed operands want, but also short to
 * encode), those that need a prefix last. */
static const uint8_t x64_order[X64_NREGS] = {X64_RAX, X64_RCX, X64_RDX, X64_RSI, X64_RDI, X64_R8,
                                             X64_R9,  X64_R10, X64_R11, X64_RBX, X64_RBP, X64_R12,
                                             X64_R13, X64_R14, X64_R15, X64_RSP /* never */};

static const char *x64_reg_name(mreg r, unsigned size) {
    static const char *const name[4][X64_NREGS] = {
        {"al", "cl", "dl", "bl", "spl", "bpl", "sil", "dil", "r8b", "r9b", "r10b", "r11b", "r12b",
         "r13b", "r14b", "r15b"},
        {"ax", "cx", "dx", "bx", "sp", "bp", "si", "di", "r8w", "r9w", "r10w", "r11w", "r12w",
         "r13w", "r14w", "r15w"},
        {"eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi", "r8d", "r9d", "r10d", "r11d",
         "r12d", "r13d", "r14d", "r15d"},
        {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12",
         "r13", "r14", "r15"}};
    unsigned row = size == 1 ? 0 : size == 2 ? 1 : size == 4 ? 2 : 3;
    return r < X64_NREGS ? name[row][r] : "?";
}

static bool x64_rematerializable(const struct minsn *in) {
    return in->op == X64_MOV_RI;
}

/* ---- dumps ---- */

static const char *size_name(unsigned size) {
    return size == 1 ? "byte" : size == 2 ? "word" : size == 4 ? "dword" : "qword";
}

static void print_reg(struct text *out, const struct mach *m, mreg r, unsigned size) {
    mach_print_reg(out, m, r, size);
    if (!m->allocated && size != 8)
        text_char(out, size == 1 ? 'b' : size == 2 ? 'w' : 'd');
}

static void print_disp(struct text *out, int64_t disp) {
    if (disp != 0)
        text_fmt(out, " %c %lld", disp < 0 ? '-' : '+', (long long)(disp < 0 ? -disp : disp));
}

/* One operand of x64.def from p on; `size` is its explicit or the instruction's size. */
static void print_operand(struct text *out, const struct mach *m, const struct minsn *in,
                          const char *p, unsigned size) {
    if (*p == 'i') {
        text_fmt(out, "%lld", (long long)in->imm);
    } else if (*p >= '0' && *p <= '2') {
        print_reg(out, m, in->r[*p - '0'], size);
        /* Until allocation, the operand that has to become the same register is a second one. */
        if (*p == '0' && !m->allocated && (mach_desc(m, in)->flags & MD_TIED)) {
            text_put(out, " = ");
            print_reg(out, m, in->r[1], size);
        }
    } else if (in->op == X64_LOAD_RT) {
        text_put(out, "[rt]");
    } else if (strncmp(p, "[rsp]", 5) == 0) {
        text_fmt(out, "[slot %d]", (int)in->disp);
    } else if (*p == '[') {
        bool address_only = in->op == X64_LEA || in->op == X64_LEA_RR;
        if (!address_only)
            text_fmt(out, "%s ", size_name(size));
        text_char(out, '[');
        print_reg(out, m, in->r[p[1] - '0'], 8);
        if (p[2] == '+') {
            text_put(out, " + ");
            print_reg(out, m, in->r[p[3] - '0'], 8);
            if (in->aux != 0)
                text_fmt(out, " * %u", 1U << in->aux);
        }
        print_disp(out, in->disp);
        text_char(out, ']');
    }
}

/* All operands of a row, "0:4,[1]:1". */
static void print_operands(struct text *out, const struct mach *m, const struct minsn *in,
                           const char *p) {
    const char *comma = " ";
    while (*p != '\0' && *p != 'L') {
        size_t len = strcspn(p, ",");
        const char *colon = memchr(p, ':', len);
        text_put(out, comma);
        print_operand(out, m, in, p, colon != NULL ? (unsigned)(colon[1] - '0') : in->size);
        comma = ", ";
        p += len + (p[len] == ',');
    }
}

/* A pseudo row: its definition, its uses, its number. */
static void print_pseudo(struct text *out, const struct mach *m, const struct minsn *in) {
    const struct mdesc *d = mach_desc(m, in);
    const char *comma = " ";
    for (unsigned n = 0; n < 3; n++) {
        if (d->role[n] == ROLE_NONE || in->r[n] == NO_REG)
            continue;
        text_put(out, comma);
        print_reg(out, m, in->r[n], 8);
        comma = ", ";
    }
    if (in->op == X64_OUTS || in->op == X64_TABLE)
        text_fmt(out, " string %lld", (long long)in->imm);
}

static void x64_print(struct text *out, const struct mach *m, const struct minsn *in) {
    const struct x64_text *t = &x64_text[in->op];
    bool pseudo = strcmp(t->mnemonic, "INVALID") == 0;
    const char *s = pseudo ? t->name : t->mnemonic;
    char name[16];
    size_t len = strlen(s);
    bool cc = mach_desc(m, in)->flags & MD_USES_FLAGS;
    if (cc)
        len--; /* the Z of JZ, SETZ, CMOVZ: in->cond says which it is */
    for (size_t i = 0; i < len; i++)
        name[i] = (char)tolower((unsigned char)s[i]);
    name[len] = '\0';
    if (cc)
        strcpy(name + len, x64_cc_name(in->cond));
    text_fmt(out, "%-8s", name);
    if (pseudo)
        print_pseudo(out, m, in);
    else
        print_operands(out, m, in, t->operands);
}

const struct target x64_target = {
    .name = "x86-64",
    .desc = x64_desc,
    .ndesc = X64_OP_COUNT,
    .nregs = X64_NREGS,
    .allocatable = 0xffff & ~(UINT32_C(1) << X64_RSP),
    .order = x64_order,
    .op_move = X64_MOVE,
    .op_swap = X64_SWAP,
    .op_reload = X64_RELOAD,
    .op_spill = X64_SPILL,
    .op_jump = X64_JMP,
    .op_phi = X64_PHI,
    .rematerializable = x64_rematerializable,
    .reg_name = x64_reg_name,
    .print = x64_print,
    .rule_name = x64_rule_name,
};
