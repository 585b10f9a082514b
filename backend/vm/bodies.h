/* bodies.h: what each instruction of vm.def does, as a macro DO_name.  interp_ops.h makes the
 * interpreters of them: alone, and in the sequences of fused.def one behind the other.
 *
 * In a body, w is the decoded word; R(n) its register n, X a number cut to the cell's width.  C is
 * the cell a memory instruction accesses, `at` its address, which is checked if need be before the
 * body.  A body that is left by GOTO, or by `return` (an error of input or output, or the end), is
 * left for good; at its end the next instruction begins. */

/* What the allocator needs. */
#define DO_PHI     __builtin_unreachable(); /* decoded to moves, or gone */
#define DO_RELOAD  __builtin_unreachable();
#define DO_SPILL   __builtin_unreachable();
#define DO_WALK    __builtin_unreachable();
#define DO_MOVE    R(0) = R(1);
#define DO_P_MOVE  SET_PTR(R(1));
#define DO_SWAP                                                                                    \
    uint64_t t = R(0);                                                                             \
    R(0) = R(1);                                                                                   \
    R(1) = t;                                                                                      \
    ptr = frame[0];
#define DO_CONST   R(0) = (uint64_t)w->imm;

/* Cells in registers. */
#define I          ((uint64_t)w->imm)
#define DO_ADD     R(0) = X(R(1) + R(2));
#define DO_ADD_I   R(0) = X(R(1) + I);
#define DO_SUB     R(0) = X(R(1) - R(2));
#define DO_RSUB_I  R(0) = X(I - R(1));
#define DO_MUL     R(0) = X(R(1) * R(2));
#define DO_MUL_I   R(0) = X(R(1) * I);
#define DO_AND     R(0) = R(1) & R(2);
#define DO_AND_I   R(0) = R(1) & I;
#define DO_OR      R(0) = R(1) | R(2);
#define DO_OR_I    R(0) = R(1) | I;
#define DO_XOR     R(0) = R(1) ^ R(2);
#define DO_XOR_I   R(0) = R(1) ^ I;
#define DO_SHL     R(0) = X(R(1) << (R(2) % BITS));
#define DO_SHL_I   R(0) = X(R(1) << (I % BITS));
#define DO_SHR     R(0) = R(1) >> (R(2) % BITS);
#define DO_SHR_I   R(0) = R(1) >> (I % BITS);
#define DO_EQ      R(0) = R(1) == R(2);
#define DO_EQ_I    R(0) = R(1) == I;
#define DO_NE      R(0) = R(1) != R(2);
#define DO_NE_I    R(0) = R(1) != I;
#define DO_ULT     R(0) = R(1) < R(2);
#define DO_ULT_I   R(0) = R(1) < I;
#define DO_UGT_I   R(0) = R(1) > I;
#define DO_TEST    flag = R(1) != 0;
#define DO_SEL     R(0) = flag ? R(2) : R(1);

/* Pointers. */
#define DO_LEA     R(0) = R(1) + I;
#define DO_P_LEA   SET_PTR(R(1) + I);
#define SCAN_FROM(base)                                                                            \
    uint8_t *at = JOIN(scan_, BITS)(code, &rt->tape, AT(base), w->imm);                            \
    if (__builtin_expect(OFF_TAPE(at), 0)) {                                                       \
        bad = at;                                                                                  \
        goto off_tape;                                                                             \
    }
#define FOUND      ((uintptr_t)at - (uintptr_t)(intptr_t)w->disp)
#define DO_SCAN    SCAN_FROM(R(1)) R(0) = FOUND; ptr = frame[0];
#define DO_P_SCAN  SCAN_FROM(R(1)) SET_PTR(FOUND);
#define WALK_FROM(base)                                                                            \
    const struct vm_walk *k = &code->walk[w->imm];                                                 \
    struct vm_walked to = k->run(k, (uint8_t *)(uintptr_t)(base));
#define DO_WALK_ALL                                                                                \
    WALK_FROM(R(1))                                                                                \
    *(uint64_t *)((char *)frame + (to.more ? w->r0 : (uint32_t)w->disp)) = (uintptr_t)to.p;        \
    ptr = frame[0];                                                                                \
    BRANCH(to.more == 0, r2)
#define DO_P_WALK_ALL                                                                              \
    WALK_FROM(ptr)                                                                                 \
    SET_PTR((uintptr_t)to.p);                                                                      \
    BRANCH(to.more == 0, r2)

/* Cells on the tape. */
#define DO_LOAD    R(0) = C;
#define DO_STORE   C = X(R(2));
#define DO_STORE_I C = X(I);
#define DO_ADD_M   C = X(C + R(2));
#define DO_ADD_MI  C = X(C + I);
#define DO_SUB_M   C = X(C - R(2));
#define DO_MADD_M  C = X(C + R(2) * I);
#define DO_TOUCH   (void)at;
#define DO_ADD_CLEAR                                                                               \
    C = X(C + R(2));                                                                               \
    *(CELL *)(uintptr_t)(R(0) + I) = 0;
#define DO_FILL                                                                                    \
    if (!OFF_TAPE(at) && !OFF_TAPE(at + w->r2)) {                                                  \
        fill(at, w->r2 + BITS / 8, I);                                                             \
        w += w->r0;                                                                                \
    }

/* Input and output. */
#define DO_OUT                                                                                     \
    if (rt_out(rt, (uint8_t)R(1)) != 0)                                                            \
        return;
#define DO_OUT_M                                                                                   \
    if (rt_out(rt, (uint8_t)C) != 0)                                                               \
        return;
#define DO_OUTS                                                                                    \
    const struct ir_string *s = &code->ir->string[w->imm];                                         \
    if (rt_out_bytes(rt, (const uint8_t *)code->ir->text + s->start, s->len) != 0)                 \
        return;
#define DO_LOOKUP                                                                                  \
    const struct ir_string *s = &code->ir->string[w->imm];                                         \
    R(0) = (uint8_t)code->ir->text[s->start + (R(1) & 255)];
#define DO_IN                                                                                      \
    uint64_t cell = R(1);                                                                          \
    if (rt_in(rt, &cell) != 0)                                                                     \
        return;                                                                                    \
    R(0) = X(cell);
#define DO_HASH                                                                                    \
    if (rt->hash != NULL && rt->hash(rt, AT(R(1)), code->src[w - code->word]) != 0)                \
        return;

/* Control. */
#define DO_ENTRY   R(0) = (uintptr_t)entry; ptr = frame[0];
#define DO_RET                                                                                     \
    rt->end_pointer = (int64_t)(R(1) - tape_base) / (BITS / 8);                                    \
    return;
#define DO_TRAP    bad = AT(R(1)); goto off_tape;
#define DO_JUMP    GOTO(r0);
#define DO_BRNZ    BRANCH(R(1) != 0, r0)
#define DO_BRZ     BRANCH(R(1) == 0, r0)
#define DO_BRNZ_M  BRANCH(C != 0, r0)
#define DO_BRZ_M   BRANCH(C == 0, r0)
#define DO_BREQ    BRANCH(R(1) == R(2), r0)
#define DO_BRNE    BRANCH(R(1) != R(2), r0)
#define DO_BREQ_I  BRANCH(R(1) == I, r0)
#define DO_BRNE_I  BRANCH(R(1) != I, r0)
#define DO_BRLT    BRANCH(R(1) < R(2), r0)
#define DO_BRGE    BRANCH(R(1) >= R(2), r0)
#define DO_BRLT_I  BRANCH(R(1) < I, r0)
#define DO_BRGE_I  BRANCH(R(1) >= I, r0)
#define DO_ADD_BRNZ  BRANCH((C = X(C + I)) != 0, r2)
#define DO_ADD_BRZ   BRANCH((C = X(C + I)) == 0, r2)
#define DO_LEA_BRNZ  BRANCH(C != 0, r2)
#define DO_LEA_BRZ   BRANCH(C == 0, r2)
#define DO_LOAD_BRNZ BRANCH((R(0) = C) != 0, r2)
#define DO_LOAD_BRZ  BRANCH((R(0) = C) == 0, r2)
