/* writer.c: writes each instruction when it comes; see writer.h. */
#include "backend/x64/writer.h"

#include <Zydis/Zydis.h>
#include <assert.h>
#include <string.h>

#include "backend/x64/bytes.h"
#include "runtime/alloc.h"
#include "runtime/bug.h"

#define NOWHERE UINT32_MAX

/* ---- fixed parts ---- */

static const uint32_t part_labels[] = {LABEL_OUT, LABEL_IN, LABEL_HASH, LABEL_CALL, LABEL_LOOK};

/* They end where what follows begins: at the label of a block. */
static struct emitted *emit_parts(const struct mach *m) {
    struct emitted *e = emit_new(m, 1, 0, 0);
    for (unsigned n = 0; n < sizeof part_labels / sizeof *part_labels; n++)
        e->used[part_labels[n]] = true;
    emit_prologue(e);
    emit1(e, ZYDIS_MNEMONIC_JMP, op_label(LABEL_BLOCKS));
    emit_stubs(e);
    emit_place(e, LABEL_BLOCKS);
    e->code_end = e->n;
    return e;
}

static void keep_labels(struct parts *p, const struct bytes *b, const struct emitted *e) {
    memset(p->label, 0xff, sizeof p->label);
    for (uint32_t n = 0; n < e->n; n++) {
        const struct x64_insn *in = &e->item[n].in;
        if ((in->tag & ITEM_KIND) == ITEM_LABEL && in->disp < LABEL_BLOCKS)
            p->label[in->disp] = b->label[in->disp];
    }
}

struct parts *parts_new(struct x64_encoder *encoder) {
    static const struct mach m = {.cell_bits = 8}; /* a trap would ask for them, and is not there */
    struct parts *p = xcalloc(1, sizeof *p);
    struct emitted *e = emit_parts(&m);
    struct bytes b;
    bool ok = bytes_layout(&b, e, encoder);
    assert(ok && b.nsite == 0);
    (void)ok;
    p->code = xcalloc(1, (size_t)b.size + X64_SLACK);
    p->size = b.size;
    p->frame = e->frame;
    bytes_write(&b, e, encoder, p->code);
#ifndef NDEBUG
    bytes_verify(&b, e, p->code);
#endif
    keep_labels(p, &b, e);
    bytes_free(&b);
    emit_free(e);
    return p;
}

void parts_free(struct parts *p) {
    if (p == NULL)
        return;
    xfree(p->code);
    xfree(p);
}

/* ---- labels ---- */

uint32_t writer_label(struct writer *w) {
    w->label = xgrow(w->label, &w->label_cap, (uint64_t)w->nlabel + 1, sizeof *w->label);
    w->label[w->nlabel] = NOWHERE;
    return w->nlabel++;
}

void writer_place(struct writer *w, uint32_t label) {
    assert(w->label[label] == NOWHERE);
    w->label[label] = w->n;
}

/* ---- the second opinion ---- */

struct writer_check {
    uint32_t at;
    struct x64_insn in;
};

#ifndef NDEBUG
static void note(struct writer *w, const struct x64_insn *in) {
    w->check = xgrow(w->check, &w->check_cap, (uint64_t)w->ncheck + 1, sizeof *w->check);
    w->check[w->ncheck++] = (struct writer_check){w->n, *in};
}

static void verify(const struct writer *w) {
    for (uint32_t n = 0; n < w->ncheck; n++) {
        const struct writer_check *c = &w->check[n];
        uint32_t end = n + 1 < w->ncheck ? w->check[n + 1].at : w->n;
        bool branch = x64_find(&c->in, X64_LABEL) >= 0;
        int32_t relative = branch ? (int32_t)(w->label[c->in.disp] - end) : 0;
        const char *why;
        if (!x64_verify(&c->in, relative, w->code + c->at, end - c->at, &why))
            bug("writer: at offset %u: %s", c->at, why);
    }
}
#endif

/* ---- instructions ---- */

void writer_put(struct writer *w, const struct x64_insn *in) {
    bool branch = x64_kind(in->operand[0]) == X64_LABEL;
    assert(in->base != X64_RIP && (!branch || x64_size(in->operand[0]) == 4));
    w->code = xgrow(w->code, &w->cap, (uint64_t)w->n + X64_SLACK, 1);
#ifndef NDEBUG
    note(w, in);
#endif
    w->last = w->n;
    w->n += x64_write(w->encoder, x64_template(w->encoder, in), in, 0, w->code + w->n);
    if (!branch)
        return;
    w->branch = xgrow(w->branch, &w->branch_cap, (uint64_t)w->nbranch + 1, sizeof *w->branch);
    w->branch[w->nbranch++] = (struct writer_branch){w->n, (uint32_t)in->disp};
}

void writer_may_trap(struct writer *w, uint32_t src) {
    w->site = xgrow(w->site, &w->site_cap, (uint64_t)w->nsite + 1, sizeof *w->site);
    w->site[w->nsite++] = (struct trap_site){w->last, src};
}

/* ---- a unit ---- */

void writer_start(struct writer *w, struct x64_encoder *encoder, const struct parts *p) {
    *w = (struct writer){.encoder = encoder};
    w->code = xgrow(w->code, &w->cap, (uint64_t)p->size + 4096, 1);
    memcpy(w->code, p->code, p->size);
    w->n = p->size;
    w->label = xgrow(w->label, &w->label_cap, LABEL_BLOCKS + 64, sizeof *w->label);
    memcpy(w->label, p->label, sizeof p->label);
    w->nlabel = LABEL_BLOCKS;
}

void writer_end(struct writer *w) {
    for (uint32_t n = 0; n < w->nbranch; n++) {
        struct writer_branch b = w->branch[n];
        assert(w->label[b.label] != NOWHERE);
        int32_t distance = (int32_t)(w->label[b.label] - b.end);
        memcpy(w->code + b.end - sizeof distance, &distance, sizeof distance);
    }
#ifndef NDEBUG
    verify(w);
#endif
}

void writer_free(struct writer *w) {
    xfree(w->code);
    xfree(w->label);
    xfree(w->branch);
    xfree(w->site);
    xfree(w->check);
    *w = (struct writer){0};
}
