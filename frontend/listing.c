/* listing.c: from an optimized function to the text of its machine code. */
#include "frontend/listing.h"

#include "backend/x64/asm.h"
#include "backend/x64/disasm.h"
#include "frontend/compile.h"
#include "frontend/diag.h"

static struct source_place listing_place(void *context, uint32_t offset) {
    struct position p = source_position(context, offset);
    return (struct source_place){p.line, p.column, p.line_start};
}

static bool listing_print(struct text *out, struct emitted *e, struct source_view *view,
                          uint64_t drift, const struct options *o) {
    if (o->action == ACT_DUMP_ASM)
        return disasm_print(out, e, view);
    struct asm_options options = {.tape_cells = o->tape_cells,
                                  .drift = drift,
                                  .eof = o->eof,
                                  .checks = !o->guard,
                                  .source = view};
    asm_print(out, e, &options);
    return true;
}

bool listing_make(struct text *out, struct func *f, struct source *s, uint64_t drift,
                  const struct options *o) {
    struct source_view view = {.name = "program"};
    if (s != NULL)
        view = (struct source_view){.name = s->name,
                                    .text = s->text,
                                    .size = s->size,
                                    .place = listing_place,
                                    .context = s};
    struct mach *m = compile_select(f, TARGET_X64, !o->guard, o);
    if (m == NULL)
        return false;
    struct emitted *e = emit(m, compile_level(o));
    bool ok = e != NULL && listing_print(out, e, &view, drift, o);
    if (!ok)
        diag_error("no machine code: the program is too large");
    emit_free(e);
    mach_free(m);
    compile_time(o, "print");
    return ok;
}
