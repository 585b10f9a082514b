/* isel_scan.c: scans as loops in place, with a stub for those that turn out long (scan.h).
 *
 *   %2 = scan %1, step 1       =>   four cells a round; SCAN_SHORT cells on, call the stub
 */
#include "backend/x64/isel_parts.h"

#include "backend/x64/scan.h"

static void emit_cell_is_zero(struct isel *x, struct addr a) {
    isel_mem(x, X64_CMP_MI, x->cell, X64_RULE_scan, NO_REG, a, NO_REG, 0);
}

/* The cell at `a`, checked if it may trap and there are no guard pages. */
static void emit_scan_test(struct isel *x, struct addr a) {
    if (a.trap && x->check_bounds) {
        isel_check(x, a);
        a.trap = false;
    }
    emit_cell_is_zero(x, a);
}

static void emit_phi(struct isel *x, mreg r0, mreg r1, mreg r2) {
    isel_emit(x, X64_PHI, 8, X64_RULE_phi, r0, r1, r2);
}

/* to = from + bytes, the flags being free. */
static void emit_step(struct isel *x, mreg to, mreg from, int64_t bytes) {
    if (fits_imm(bytes)) {
        isel_imm(x, X64_ADD_RI, 8, X64_RULE_scan, to, from, bytes);
        return;
    }
    mreg far = select_new_reg(x->s);
    isel_imm(x, X64_MOV_RI, 8, X64_RULE_big_offset, far, NO_REG, bytes);
    isel_emit(x, X64_ADD_RR, 8, X64_RULE_big_offset, to, from, far);
}

/* From `first` on by the stride until the cell at disp is 0; the pointer there becomes `result`. */
static void emit_scan_loop(struct isel *x, mreg first, struct addr cell, int64_t stride,
                           mreg result) {
    struct select *s = x->s;
    select_label loop = select_new_label(s), done = select_new_label(s);
    mreg here = select_new_reg(s), next = select_new_reg(s);
    cell.base = first;
    emit_scan_test(x, cell);
    isel_jcc(x, X64_CC_Z, done, X64_RULE_scan);
    select_jump(s, loop);
    select_place(s, loop);
    emit_phi(x, here, first, next);
    emit_step(x, next, here, stride);
    cell.base = next;
    emit_scan_test(x, cell);
    isel_jcc(x, X64_CC_NZ, loop, X64_RULE_scan);
    select_jump(s, done);
    select_place(s, done);
    emit_phi(x, result, first, next);
}

/* Goes to `out` if the cell is 0, else on. */
static void emit_scan_exit(struct isel *x, struct addr cell, select_label out) {
    select_label on = select_new_label(x->s);
    emit_cell_is_zero(x, cell);
    isel_jcc(x, X64_CC_Z, out, X64_RULE_scan);
    select_jump(x->s, on);
    select_place(x->s, on);
}

/* The block `at`, which makes the pointer here + bytes and goes to `then`. */
static mreg emit_scan_end(struct isel *x, select_label at, mreg here, int64_t bytes,
                          select_label then) {
    mreg r = select_new_reg(x->s);
    select_place(x->s, at);
    isel_lea(x, r, (struct addr){.base = here, .disp = (int32_t)bytes}, X64_RULE_scan_unrolled);
    select_jump(x->s, then);
    return r;
}

static mreg emit_merge(struct isel *x, select_label at, mreg a, mreg b) {
    mreg r = select_new_reg(x->s);
    select_place(x->s, at);
    emit_phi(x, r, a, b);
    return r;
}

/* A scan by four steps a round; out[n] is where it goes when the cell n + 1 steps from `here` is 0,
 * out[3] with the pointer `next`. */
struct scan {
    mreg first, limit, here, next;
    struct addr cell; /* from the pointer on */
    int64_t stride;
    select_label out[4];
    bool jumps; /* after SCAN_SHORT cells a stub goes on */
};
#define SCAN_SHORT 8 /* a multiple of four */

/* The loop.  With a stub, control goes on behind it when SCAN_SHORT cells were not 0. */
static void emit_scan_rounds(struct isel *x, struct scan *k) {
    struct select *s = x->s;
    select_label loop = select_new_label(s);
    k->next = select_new_reg(s);
    k->here = select_new_reg(s);
    select_jump(s, loop);
    select_place(s, loop);
    emit_phi(x, k->here, k->first, k->next);
    struct addr cell = k->cell;
    cell.base = k->here;
    for (unsigned n = 0; n < 3; n++) {
        cell.disp = k->cell.disp + (int32_t)((n + 1) * k->stride);
        emit_scan_exit(x, cell, k->out[n]);
    }
    emit_step(x, k->next, k->here, 4 * k->stride);
    cell.base = k->next;
    cell.disp = k->cell.disp;
    if (k->jumps) {
        emit_scan_exit(x, cell, k->out[3]);
        isel_emit(x, X64_CMP_RR, 8, X64_RULE_scan_long, NO_REG, k->next, k->limit);
        isel_jcc(x, X64_CC_NZ, loop, X64_RULE_scan_long);
        return;
    }
    emit_cell_is_zero(x, cell);
    isel_jcc(x, X64_CC_NZ, loop, X64_RULE_scan);
    select_jump(s, k->out[3]);
}

/* The stub looks at many cells at once.  If it found none, the access behind it leaves the tape. */
static mreg emit_scan_stub(struct isel *x, const struct scan *k, select_label then) {
    struct select *s = x->s;
    select_label at = select_new_label(s);
    struct addr cell = {.base = k->next, .disp = k->cell.disp};
    mreg from = k->next, end = select_new_reg(s), r = end;
    select_jump(s, at);
    select_place(s, at);
    if (cell.disp != 0) {
        from = select_new_reg(s);
        isel_lea(x, from, cell, X64_RULE_scan_long);
    }
    isel_imm(x, X64_SCAN, 8, X64_RULE_scan_long, end, from, k->stride);
    if (k->cell.trap) {
        cell = k->cell;
        cell.base = end;
        cell.disp = 0;
        emit_cell_is_zero(x, cell);
    }
    if (k->cell.disp != 0) {
        r = select_new_reg(s);
        isel_lea(x, r, (struct addr){.base = end, .disp = -k->cell.disp}, X64_RULE_scan_long);
    }
    select_jump(s, then);
    return r;
}

/* As emit_scan_loop, four steps a round: a taken branch and an addition for four cells.
 *
 *     lea limit, [p + 8s];  cmp [p], 0;  jz done
 *   loop:
 *     cmp [p + s], 0;  jz out0    cmp [p + 2s], 0;  jz out1    cmp [p + 3s], 0;  jz out2
 *     add p, 4s;  cmp [p], 0;  jz out3
 *     cmp p, limit;  jnz loop
 *     call the stub
 */
static void emit_scan_unrolled(struct isel *x, mreg first, struct addr cell, int64_t stride,
                               mreg result) {
    struct select *s = x->s;
    struct scan k = {.first = first, .cell = cell, .stride = stride};
    select_label done = select_new_label(s), all = select_new_label(s);
    select_label low = select_new_label(s), four = select_new_label(s);
    for (unsigned n = 0; n < 4; n++)
        k.out[n] = select_new_label(s);
    /* The stub takes the displacement back, which the lowest one does not allow. */
    k.jumps = x64_scan_helps(x->cell * 8, stride) && cell.disp != INT32_MIN;
    cell.base = first;
    emit_cell_is_zero(x, cell);
    if (k.jumps) {
        k.limit = select_new_reg(s);
        struct addr to = {.base = first, .disp = (int32_t)(SCAN_SHORT * stride)};
        isel_lea(x, k.limit, to, X64_RULE_scan_long);
    }
    isel_jcc(x, X64_CC_Z, done, X64_RULE_scan);
    emit_scan_rounds(x, &k);
    mreg p5 = k.jumps ? emit_scan_stub(x, &k, all) : NO_REG;
    mreg p1 = emit_scan_end(x, k.out[0], k.here, stride, low);
    mreg p2 = emit_scan_end(x, k.out[1], k.here, 2 * stride, low);
    mreg p12 = emit_merge(x, low, p1, p2);
    select_jump(s, four);
    mreg p3 = emit_scan_end(x, k.out[2], k.here, 3 * stride, k.out[3]);
    mreg p34 = emit_merge(x, k.out[3], k.next, p3);
    select_jump(s, four);
    mreg p = emit_merge(x, four, p12, p34);
    if (k.jumps) {
        select_jump(s, all);
        p = emit_merge(x, all, p5, p);
    }
    select_jump(s, done);
    select_place(s, done);
    emit_phi(x, result, first, p);
}

void isel_scan(struct isel *x, value v) {
    const struct insn *i = at(x, v);
    int64_t bytes = cells_to_bytes(x, i->imm), stride = cells_to_bytes(x, i->stride);
    struct addr cell = {.disp = (int32_t)bytes, .trap = i->trap == MAY_TRAP, .src = i->src};
    if (fits_imm(bytes)) {
        bool unroll = fits_imm(4 * stride) && fits_imm(bytes + 3 * stride) && !x->check_bounds;
        (unroll ? emit_scan_unrolled : emit_scan_loop)(x, reg(x, i->a), cell, stride, def(x, v));
        return;
    }
    /* Far offsets: scan with the sum, then take the offset off again. */
    mreg end = select_new_reg(x->s);
    struct addr sum = isel_address(x, reg(x, i->a), bytes);
    cell.disp = 0;
    emit_scan_loop(x, sum.base, cell, stride, end);
    emit_step(x, def(x, v), end, -bytes);
}
