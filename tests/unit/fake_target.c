/* fake_target.c: see fake_target.h. */
#include "tests/unit/fake_target.h"

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
