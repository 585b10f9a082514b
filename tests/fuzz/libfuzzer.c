/* libfuzzer.c: one target (-DTARGET="name") as the coverage-guided fuzzer of LLVM wants it.
 *
 *   CC=clang meson setup build/libfuzzer -Dlibfuzzer=true ... (./dev libfuzzer TARGET does it)
 */
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/targets.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    for (unsigned i = 0; i < target_count; i++)
        if (strcmp(target_table[i].name, TARGET) == 0) {
            target_table[i].run(bytes, n);
            return 0;
        }
    abort();
}
