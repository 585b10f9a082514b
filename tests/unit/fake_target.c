/* fake_target.c: see fake_target.h. */
#include "tests/unit/fake_target.h"

#include <criterion/criterion.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/alloc.h"

#define N -1
const struct mdesc fake_rows[T_COUNT] = {
    [T_PHI] = {"phi", {ROLE_DEF, ROLE_USE, ROLE_USE}, {N, N, N}, MD_PHI, 0},
    [T_MOVE] = {"move", {ROLE_DEF, ROLE_USE, ROLE_NONE}, {N, N, N}, MD_MOVE, 0},
    [T_SWAP] = {"swap", {ROLE_USE_LATE, ROLE_USE_LATE, ROLE_NONE}, {N, N, N}, 0, 0},
    [T_RELOAD] = {"reload", {ROLE_DEF, ROLE_NONE, ROLE_NONE}, {N, N, N}, 0, 0},
    [T_SPILL] = {"spill", {ROLE_NONE, ROLE_USE, ROLE_NONE}, {N, N, N}, 0, 0},
    [T_JUMP] = {"jump", {ROLE_NONE, ROLE_NONE, ROLE_NONE}, {N, N, N}, MD_JUMP, 0},
    [T_BRANCH] = {"branch", {ROLE_NONE, ROLE_USE, ROLE_NONE}, {N, N, N}, MD_BRANCH, 0},
    [T_RET] = {"ret", {ROLE_NONE, ROLE_USE, ROLE_NONE}, {N, 0, N}, MD_RETURN, 0},
    [T_CONST] = {"const", {ROLE_DEF, ROLE_NONE, ROLE_NONE}, {N, N, N}, 0, 0},
    [T_ADD] = {"add", {ROLE_DEF, ROLE_USE, ROLE_USE_LATE}, {N, N, N}, MD_TIED | MD_COMMUTES, 0},
    [T_SUB] = {"sub", {ROLE_DEF, ROLE_USE, ROLE_USE}, {N, N, N}, MD_TIED, 0},
    [T_MIX] = {"mix", {ROLE_DEF, ROLE_USE, ROLE_USE}, {N, N, N}, 0, 0},
    [T_LATE] = {"late", {ROLE_DEF, ROLE_USE, ROLE_USE_LATE}, {N, N, N}, 0, 0},
    [T_DIV] = {"div", {ROLE_DEF, ROLE_USE, ROLE_USE_LATE}, {0, 0, N}, MD_TIED, 1u << 2},
    [T_SHIFT] = {"shift", {ROLE_DEF, ROLE_USE, ROLE_USE_LATE}, {N, N, 1}, MD_TIED, 0},
    [T_CALL] = {"call", {ROLE_DEF, ROLE_USE, ROLE_NONE}, {0, 1, N}, 0, 7u},
    [T_TEMP] = {"temp", {ROLE_DEF, ROLE_USE, ROLE_TEMP}, {N, N, N}, 0, 0},
    [T_FIRST] = {"first", {ROLE_TEMP, ROLE_USE, ROLE_NONE}, {N, N, N}, 0, 0},
    [T_OUT] = {"out", {ROLE_NONE, ROLE_USE, ROLE_NONE}, {N, N, N}, 0, 1u << 3},
};
#undef N

static bool is_const(const struct minsn *in) {
    return in->op == T_CONST;
}

static const char *reg_name(mreg r, unsigned size) {
    static const char *const names[] = {"r0", "r1", "r2", "r3", "r4", "r5", "r6", "r7"};
    (void)size;
    return r < 8 ? names[r] : "?";
}

static const uint8_t order[] = {0, 1, 2, 3, 4, 5, 6, 7};
const struct target fake_target = {.name = "fake",
                                   .desc = fake_rows,
                                   .ndesc = T_COUNT,
                                   .nregs = 8,
                                   .allocatable = 0xff,
                                   .order = order,
                                   .op_move = T_MOVE,
                                   .op_swap = T_SWAP,
                                   .op_reload = T_RELOAD,
                                   .op_spill = T_SPILL,
                                   .op_jump = T_JUMP,
                                   .op_phi = T_PHI,
                                   .rematerializable = is_const,
                                   .reg_name = reg_name};

/* ---- reading functions ---- */

static struct target fake_seven;

static void set_field(struct minsn *in, unsigned *nr, const char *word) {
    int n = atoi(word + 1);
    switch (word[0]) {
    case 'v':
    case 'r':
        in->r[(*nr)++] = (mreg)n;
        break;
    case '_':
        in->r[(*nr)++] = NO_REG;
        break;
    case '#':
        in->imm = n;
        break;
    case 's': /* slot */
    case 'd':
        in->disp = n;
        break;
    case 'c':
        in->cond = (uint8_t)n;
        break;
    case 't':
        in->trap = (uint8_t)n;
        break;
    case 'a':
        in->aux = (uint32_t)n;
        break;
    case 'p':
        in->src = (uint32_t)n;
        break;
    case 'z':
        in->size = (uint8_t)n;
        break;
    default:
        cr_assert_fail("`%s`?", word);
    }
}

static uint16_t op_called(const char *name) {
    for (uint16_t op = 0; op < T_COUNT; op++)
        if (strcmp(fake_rows[op].name, name) == 0)
            return op;
    cr_assert_fail("`%s`?", name);
    return 0;
}

static void add_block(struct mach *m, const char *rest) {
    m->block = xgrow(m->block, &m->block_cap, (uint64_t)m->nblock + 1, sizeof *m->block);
    struct mblock b = {.first = m->ninsn, .end = m->ninsn};
    bool behind = false;
    for (const char *p = rest; *p; p++) {
        if (*p == '>')
            behind = true;
        else if (*p == '/')
            b.loop_end = (uint32_t)(*++p - '0');
        else if (isdigit((unsigned char)*p) && behind)
            b.succ[b.nsucc++] = (uint32_t)(*p - '0');
        else if (isdigit((unsigned char)*p))
            b.pred[b.npred++] = (uint32_t)(*p - '0');
    }
    m->block[m->nblock++] = b;
}

void fake_add(struct mach *m, char *text) {
    struct minsn in = {.size = 8, .r = {NO_REG, NO_REG, NO_REG}, .src = UINT32_MAX};
    unsigned nr = 0;
    char *save, *word = strtok_r(text, " ", &save);
    if (m->allocated) {
        in.again = word[0] == '+';
        in.orig = word[0] == '.' ? 0 : (uint32_t)atoi(word + in.again) + 1;
        word = strtok_r(NULL, " ", &save);
    }
    in.op = op_called(word);
    if (fake_rows[in.op].role[0] == ROLE_NONE)
        nr = 1;
    while ((word = strtok_r(NULL, " ", &save)) != NULL)
        set_field(&in, &nr, word);
    for (unsigned n = 0; n < 3; n++)
        if (!m->allocated && in.r[n] != NO_REG && in.r[n] >= m->nvreg)
            m->nvreg = in.r[n] + 1;
    mach_push(m, in);
    m->block[m->nblock - 1].end = m->ninsn;
}

struct mach *fake_mach(const char *text, bool allocated) {
    fake_seven = fake_target;
    fake_seven.allocatable = 0x7f;
    struct mach *m = mach_new(&fake_seven);
    m->allocated = allocated;
    m->nslots = allocated ? 2 : 0;
    char *copy = strdup(text), *save;
    for (char *s = strtok_r(copy, ";", &save); s != NULL; s = strtok_r(NULL, ";", &save)) {
        s += strspn(s, " ");
        bool block = s[0] == 'b' && s[1] == ' ';
        if (block || m->nblock == 0)
            add_block(m, block ? s + 1 : "");
        if (!block)
            fake_add(m, s);
    }
    free(copy);
    return m;
}
