/* disasm.c: a listing of the bytes that the JIT runs.
 *
 *   # prog.b:1:1:  ,>+<[.>+++++++++++<-]>.
 *   .Lb2:                                               ; loop depth 1
 *   000048  83 c1 0b               add     ecx, 11      ; 1:8 ++++++++  %5 = add %3, 11 @7
 *   00004b  80 c2 ff               add     dl, -1       ; 1:20 -  %6 = add %4, -1 @19
 *
 * Everything left of the `;` comes from the bytes alone, by Zydis' decoder; only names of labels
 * are put in place of their addresses.  What is right of it comes from the stream: the position in
 * the source and the IR instruction (or the allocator), each shown when it changes.  Code in loops
 * is indented by their depth.
 */
#include "backend/x64/disasm.h"

#include <Zydis/Zydis.h>
#include <string.h>

#include "backend/x64/bytes.h"
#include "backend/x64/x64.h"
#include "ir/print.h"
#include "runtime/alloc.h"
#include "runtime/bug.h"
#include "runtime/text.h"

#define BYTES_SHOWN 10u /* of one instruction; longer ones push the line */
#define NOTE_COLUMN 78u
#define MAX_INDENT  10u

struct listing {
    struct text *out;
    const struct emitted *e;
    const struct bytes *b;
    const uint8_t *code;
    struct source_view *source;
    struct ir_names names;
    ZydisDecoder decoder;
    ZydisFormatter formatter;
    uint32_t at;        /* offset of the next instruction */
    uint32_t depth;     /* loop depth of the present block */
    uint32_t src, from; /* shown last */
};

static void start(struct listing *l) {
    ZydisDecoderInit(&l->decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    ZydisFormatter *f = &l->formatter;
    ZydisFormatterInit(f, ZYDIS_FORMATTER_STYLE_INTEL);
    /* Operands are formatted one by one, so none can tell the size of another. */
    ZydisFormatterSetProperty(f, ZYDIS_FORMATTER_PROP_FORCE_SIZE, ZYAN_TRUE);
    ZydisFormatterSetProperty(f, ZYDIS_FORMATTER_PROP_IMM_BASE, ZYDIS_NUMERIC_BASE_DEC);
    ZydisFormatterSetProperty(f, ZYDIS_FORMATTER_PROP_IMM_SIGNEDNESS, ZYDIS_SIGNEDNESS_SIGNED);
    ZydisFormatterSetProperty(f, ZYDIS_FORMATTER_PROP_IMM_PADDING, ZYDIS_PADDING_DISABLED);
    ZydisFormatterSetProperty(f, ZYDIS_FORMATTER_PROP_DISP_BASE, ZYDIS_NUMERIC_BASE_DEC);
    ZydisFormatterSetProperty(f, ZYDIS_FORMATTER_PROP_DISP_PADDING, ZYDIS_PADDING_DISABLED);
}

/* Fills the line that began at `line` with spaces up to a column. */
static void pad(struct text *out, size_t line, size_t column) {
    do
        text_char(out, ' ');
    while (out->len - line < column);
}

static void put_bytes(struct listing *l, unsigned length) {
    static const char digit[] = "0123456789abcdef";
    text_fmt(l->out, "%06x ", l->at);
    for (unsigned n = 0; n < length; n++) {
        char hex[3] = {' ', digit[l->code[l->at + n] >> 4], digit[l->code[l->at + n] & 15]};
        text_add(l->out, hex, 3);
    }
    for (unsigned n = length; n < BYTES_SHOWN; n++)
        text_put(l->out, "   ");
    text_put(l->out, "  ");
    for (uint32_t n = 0; n < l->depth && n < MAX_INDENT; n++)
        text_put(l->out, "  ");
}

/* The label an operand's address is, by the bytes; false: it is none. */
static bool put_label(struct listing *l, const struct x64_insn *in,
                      const ZydisDecodedInstruction *d, const ZydisDecodedOperand *o) {
    ZyanU64 target;
    bool memory = o->type == ZYDIS_OPERAND_TYPE_MEMORY && o->mem.base == ZYDIS_REGISTER_RIP;
    bool branch = o->type == ZYDIS_OPERAND_TYPE_IMMEDIATE && o->imm.is_relative;
    if ((!memory && !branch) || !ZYAN_SUCCESS(ZydisCalcAbsoluteAddress(d, o, l->at, &target)))
        return false;
    if (target != l->b->label[in->disp])
        bug("disasm: offset %u goes to %llx, not to its label", l->at, (unsigned long long)target);
    if (memory)
        text_char(l->out, '[');
    emit_label_name(l->out, l->e, (uint32_t)in->disp);
    if (memory)
        text_char(l->out, ']');
    return true;
}

static void put_decoded(struct listing *l, const struct x64_insn *in,
                        const ZydisDecodedInstruction *d, const ZydisDecodedOperand *operand) {
    text_fmt(l->out, d->operand_count_visible > 0 ? "%-7s " : "%s",
             ZydisMnemonicGetString(d->mnemonic));
    for (unsigned n = 0; n < d->operand_count_visible; n++) {
        char name[96];
        if (n == 1 && d->encoding == ZYDIS_INSTRUCTION_ENCODING_EVEX)
            continue; /* k0: not only parts of the vector take part (encode.c) */
        if (n > 0)
            text_put(l->out, ", ");
        if (put_label(l, in, d, &operand[n]))
            continue;
        if (!ZYAN_SUCCESS(ZydisFormatterFormatOperand(&l->formatter, d, &operand[n], name,
                                                      sizeof name, l->at, NULL)))
            bug("disasm: no text for operand %u at %u", n, l->at);
        text_put(l->out, name);
    }
}

/* What the instruction comes from, as far as the line before did not say it. */
static void put_note(struct listing *l, const struct item *i, size_t line) {
    const struct minsn *mi = i->from != 0 ? &l->e->m->insn[i->from - 1] : NULL;
    bool place = i->src != l->src && source_view_knows(l->source, i->src);
    uint32_t ir = mi != NULL ? mi->ir : 0;
    bool changed = ir != 0 && ir != l->from;
    bool own = mi != NULL && mi->orig == 0;
    if (!place && !changed && !own)
        return;
    pad(l->out, line, NOTE_COLUMN);
    text_put(l->out, "; ");
    if (place) {
        source_view_place(l->source, l->out, i->src);
        l->src = i->src;
    }
    if (own)
        text_put(l->out, place ? "  (allocator)" : "(allocator)");
    if (changed && !own) {
        text_put(l->out, place ? "  " : "");
        ir_put_insn(l->out, &l->names, (value){ir});
        l->from = ir;
    }
}

static void list_insn(struct listing *l, const struct item *i) {
    ZydisDecodedInstruction d;
    ZydisDecodedOperand operand[ZYDIS_MAX_OPERAND_COUNT];
    if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&l->decoder, l->code + l->at, l->b->code_size - l->at,
                                             &d, operand)))
        bug("disasm: no instruction at %u", l->at);
    source_view_show(l->source, l->out, "\n# ", i->src);
    size_t line = l->out->len;
    put_bytes(l, d.length);
    put_decoded(l, &i->in, &d, operand);
    put_note(l, i, line);
    text_char(l->out, '\n');
    l->at += d.length;
}

static void list_label(struct listing *l, uint32_t label) {
    if (!l->e->used[label])
        return;
    size_t line = l->out->len;
    emit_label_name(l->out, l->e, label);
    text_char(l->out, ':');
    const char *what = emit_label_meaning(l->e, label);
    bool is_block = emit_label_is_block(l->e, label);
    const struct mblock *b = is_block ? &l->e->m->block[label - LABEL_BLOCKS] : NULL;
    if (what != NULL || (b != NULL && b->depth != l->depth)) {
        pad(l->out, line, NOTE_COLUMN);
        l->depth = b != NULL ? b->depth : 0;
        if (what != NULL)
            text_fmt(l->out, "; %s", what);
        else
            text_fmt(l->out, "; loop depth %u", l->depth);
    }
    text_char(l->out, '\n');
}

static void list_strings(struct listing *l) {
    const struct func *f = l->e->m->ir;
    for (uint32_t n = l->e->code_end; n < l->e->n; n++) {
        const struct item *i = &l->e->item[n];
        if ((i->in.tag & ITEM_KIND) == ITEM_LABEL) {
            emit_label_name(l->out, l->e, (uint32_t)i->in.disp);
            text_put(l->out, ": ");
        } else {
            const struct ir_string *s = &f->string[i->in.imm];
            ir_put_string(l->out, f->text + s->start, s->len);
            text_char(l->out, '\n');
        }
    }
}

static void list(struct listing *l) {
    for (uint32_t n = 0; n < l->e->code_end; n++) {
        const struct item *i = &l->e->item[n];
        switch ((enum item_kind)(i->in.tag & ITEM_KIND)) {
        case ITEM_INSN:
            list_insn(l, i);
            break;
        case ITEM_LABEL:
            list_label(l, (uint32_t)i->in.disp);
            break;
        case ITEM_ALIGN:
            l->at = bytes_aligned(l->at, (uint32_t)i->in.disp);
            break;
        case ITEM_STRING:
            break;
        }
    }
    list_strings(l);
}

bool disasm_print(struct text *out, struct emitted *e, struct source_view *source) {
    struct x64_encoder *encoder = x64_encoder_new();
    struct bytes b;
    bool ok = bytes_layout(&b, e, encoder);
    if (ok) {
        uint8_t *code = xalloc((size_t)b.size + X64_SLACK, 1);
        bytes_write(&b, e, encoder, code);
        struct listing l = {.out = out, .e = e, .b = &b, .code = code, .source = source};
        l.names = ir_names_dense(e->m->ir);
        l.src = NO_SRC;
        start(&l);
        list(&l);
        text_fmt(out, "; %u bytes of code, %u of strings, %u places that may leave the tape\n",
                 b.code_size, b.size - b.code_size, b.nsite);
        ir_names_free(&l.names);
        xfree(code);
    }
    bytes_free(&b);
    x64_encoder_free(encoder);
    return ok;
}
