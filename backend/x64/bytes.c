/* bytes.c: lays out a stream of items and writes its bytes.
 *
 * Branches start with four bytes of distance.  With all padding at its largest, offsets are upper
 * bounds of what they will be, and distances too: a branch that is near by these is near for
 * certain, and gets one byte.  Shrinking brings more of them near, so this is done twice; then
 * offsets are final, and nothing is ever patched later.
 */
#include "backend/x64/bytes.h"

#include <Zydis/Zydis.h>
#include <assert.h>
#include <string.h>

#include "ir/ir.h"
#include "runtime/alloc.h"
#include "runtime/bug.h"

static enum item_kind kind_of(const struct item *i) {
    return (enum item_kind)(i->in.tag & ITEM_KIND);
}

static bool is_branch(const struct item *i) {
    return kind_of(i) == ITEM_INSN && x64_kind(i->in.operand[0]) == X64_LABEL;
}

uint32_t bytes_aligned(uint32_t offset, uint32_t to) {
    return (offset + to - 1) & ~(to - 1);
}

uint64_t bytes_of_string(const struct emitted *e, uint32_t string) {
    return 8 + (uint64_t)e->m->ir->string[string].len;
}

/* ---- layout ---- */

/* Assigns label offsets.  padding: alignments take their largest padding, else what they need.
 * Returns the total. */
static uint64_t place_labels(struct bytes *b, const struct emitted *e, bool padding) {
    uint64_t at = 0, code_size = UINT64_MAX;
    for (uint32_t k = 0; k < b->nmark && at <= INT32_MAX; k++) {
        const struct item *i = &e->item[b->mark[k].item];
        at += b->mark[k].before;
        if (b->mark[k].item >= e->code_end && code_size == UINT64_MAX)
            code_size = at;
        switch (kind_of(i)) {
        case ITEM_INSN:
            at += b->length[b->mark[k].item];
            break;
        case ITEM_LABEL:
            b->label[i->in.disp] = (uint32_t)at;
            break;
        case ITEM_ALIGN:
            at = padding ? at + (uint32_t)i->in.disp - 1
                         : bytes_aligned((uint32_t)at, (uint32_t)i->in.disp);
            break;
        case ITEM_STRING:
            at += bytes_of_string(e, (uint32_t)i->in.imm);
            break;
        }
    }
    at += b->rest;
    b->code_size = (uint32_t)(code_size == UINT64_MAX ? at : code_size);
    return at;
}

static void find_template(struct bytes *b, const struct emitted *e, struct x64_encoder *encoder,
                          uint32_t n) {
    b->templ[n] = x64_template(encoder, &e->item[n].in);
    b->length[n] = (uint8_t)x64_length(encoder, b->templ[n]);
}

/* Gives near branches the short form, by the offsets of place_labels with padding. */
static bool shorten_branches(struct bytes *b, struct emitted *e, struct x64_encoder *encoder) {
    bool changed = false;
    int64_t at = 0;
    for (uint32_t k = 0; k < b->nmark && b->mark[k].item < e->code_end; k++) {
        uint32_t n = b->mark[k].item;
        struct item *i = &e->item[n];
        at += b->mark[k].before;
        if (kind_of(i) == ITEM_ALIGN)
            at += i->in.disp - 1;
        if (kind_of(i) != ITEM_INSN)
            continue;
        at += b->length[n];
        if (x64_size(i->in.operand[0]) == 1 || i->in.mnemonic == ZYDIS_MNEMONIC_CALL)
            continue;
        int64_t distance = (int64_t)b->label[i->in.disp] - at;
        if (distance < -128 || distance > 127)
            continue;
        i->in.operand[0] = x64_operand(X64_LABEL, 1);
        find_template(b, e, encoder, n);
        changed = true;
    }
    return changed;
}

static void find_templates(struct bytes *b, const struct emitted *e, struct x64_encoder *encoder) {
    uint32_t cap = 0;
    b->templ = xalloc(e->n, sizeof *b->templ);
    b->length = xcalloc(e->n, sizeof *b->length);
    for (uint32_t n = 0; n < e->n; n++) {
        const struct item *i = &e->item[n];
        if (kind_of(i) == ITEM_INSN)
            find_template(b, e, encoder, n);
        b->nsite += (i->in.tag & ITEM_TRAP) != 0;
        if (kind_of(i) == ITEM_INSN && !is_branch(i)) {
            b->rest += b->length[n];
            continue;
        }
        b->mark = xgrow(b->mark, &cap, (uint64_t)b->nmark + 1, sizeof *b->mark);
        b->mark[b->nmark++] = (struct bytes_mark){n, b->rest};
        b->rest = 0;
    }
}

static void find_sites(struct bytes *b, const struct emitted *e) {
    uint32_t at = 0, site = 0;
    b->site = xalloc(b->nsite, sizeof *b->site);
    for (uint32_t n = 0; n < e->code_end; n++) {
        const struct item *i = &e->item[n];
        if (kind_of(i) == ITEM_ALIGN)
            at = bytes_aligned(at, (uint32_t)i->in.disp);
        if (kind_of(i) != ITEM_INSN)
            continue;
        if (i->in.tag & ITEM_TRAP)
            b->site[site++] = (struct trap_site){at, i->src};
        at += b->length[n];
    }
    assert(site == b->nsite && at == b->code_size);
}

struct trap_site *bytes_places(const struct bytes *b, const struct emitted *e, uint32_t *n) {
    struct trap_site *place = NULL;
    uint32_t at = 0, cap = 0;
    *n = 0;
    for (uint32_t k = 0; k < e->code_end; k++) {
        const struct item *i = &e->item[k];
        if (kind_of(i) == ITEM_ALIGN)
            at = bytes_aligned(at, (uint32_t)i->in.disp);
        if (kind_of(i) != ITEM_INSN)
            continue;
        if (*n == 0 || place[*n - 1].src != i->src) {
            place = xgrow(place, &cap, (uint64_t)*n + 1, sizeof *place);
            place[(*n)++] = (struct trap_site){at, i->src};
        }
        at += b->length[k];
    }
    return place;
}

bool bytes_layout(struct bytes *b, struct emitted *e, struct x64_encoder *encoder) {
    *b = (struct bytes){0};
    b->label = xcalloc(e->nlabel, sizeof *b->label);
    find_templates(b, e, encoder);
    uint64_t bound = 0;
    for (int round = 0; round < 2; round++) {
        bound = place_labels(b, e, true);
        if (bound > INT32_MAX)
            return false;
        if (!shorten_branches(b, e, encoder))
            break;
    }
    b->size = (uint32_t)place_labels(b, e, false);
    assert(b->size <= bound);
    find_sites(b, e);
    return true;
}

void bytes_free(struct bytes *b) {
    xfree(b->label);
    xfree(b->site);
    xfree(b->templ);
    xfree(b->length);
    xfree(b->mark);
    *b = (struct bytes){0};
}

/* ---- writing ---- */

/* The distance of the item's label, should it have one, from `end`. */
static int32_t relative(const struct bytes *b, const struct item *i, uint32_t end) {
    if (i->in.base != X64_RIP && !is_branch(i))
        return 0;
    int32_t distance = (int32_t)(b->label[i->in.disp] - end);
    assert(!is_branch(i) || x64_size(i->in.operand[0]) == 4 || distance == (int8_t)distance);
    return distance;
}

static uint32_t write_string(const struct emitted *e, uint32_t string, uint8_t *to) {
    const struct ir_string *s = &e->m->ir->string[string];
    uint64_t len = s->len;
    memcpy(to, &len, sizeof len);
    if (s->len != 0)
        memcpy(to + sizeof len, e->m->ir->text + s->start, s->len);
    return (uint32_t)(sizeof len + s->len);
}

void bytes_write(const struct bytes *b, const struct emitted *e, const struct x64_encoder *encoder,
                 uint8_t *to) {
    uint32_t at = 0;
    for (uint32_t n = 0; n < e->n; n++) {
        const struct item *i = &e->item[n];
        uint32_t end;
        switch (kind_of(i)) {
        case ITEM_INSN:
            end = at + b->length[n];
            x64_write(encoder, b->templ[n], &i->in, relative(b, i, end), to + at);
            at = end;
            break;
        case ITEM_ALIGN:
            end = bytes_aligned(at, (uint32_t)i->in.disp);
            if (end > at && !ZYAN_SUCCESS(ZydisEncoderNopFill(to + at, end - at)))
                bug("emit: no padding of %u bytes", end - at);
            at = end;
            break;
        case ITEM_STRING:
            at += write_string(e, (uint32_t)i->in.imm, to + at);
            break;
        case ITEM_LABEL:
            break;
        }
    }
    assert(at == b->size);
}

uint32_t bytes_verify(const struct bytes *b, const struct emitted *e, const uint8_t *code) {
    uint32_t at = 0, count = 0;
    for (uint32_t n = 0; n < e->code_end; n++) {
        const struct item *i = &e->item[n];
        const char *why;
        if (kind_of(i) == ITEM_ALIGN)
            at = bytes_aligned(at, (uint32_t)i->in.disp);
        if (kind_of(i) == ITEM_LABEL && b->label[i->in.disp] != at)
            bug("emit: label %d is at %u, not %u", i->in.disp, at, b->label[i->in.disp]);
        if (kind_of(i) != ITEM_INSN)
            continue;
        uint32_t length = b->length[n];
        if (!x64_verify(&i->in, relative(b, i, at + length), code + at, length, &why))
            bug("emit: at offset %u, item %u: %s", at, n, why);
        at += length;
        count++;
    }
    return count;
}
