/* bug.c: the one way an internal error ends the process.
 *
 * abort() rather than exit(): a core dump and a debugger's stop are what whoever repairs it wants.
 */
#include "runtime/bug.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void bug(const char *format, ...) {
    va_list ap;
    fputs("bfopt: internal error: ", stderr);
    va_start(ap, format);
    vfprintf(stderr, format, ap);
    va_end(ap);
    fputc('\n', stderr);
    abort();
}
