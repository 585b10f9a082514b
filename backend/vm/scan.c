/* scan.c: the end of a scan, for the interpreter: the first cell, in steps from some cell on, that
 * is 0.
 *
 * A block of 64 bytes is compared at once, where the cells of a lane are near each other: a bit for
 * each of its bytes says which are 0, and those of other lanes are masked out.
 *
 *   step 9:   bytes    0        9        18         ...       63
 *             mask     1........1........1.................1    8 cells; on by 72 bytes
 *
 * Backwards the block ends with the present cell.  Nothing beyond the tape is loaded: near its
 * ends, as for large steps, cells are looked at one by one.  So are a scan's first cells, for many
 * scans end there, and a block would wait for a cell that has just been stored. */
#include "backend/vm/interp.h"

/* ---- one by one ---- */

/* The first zero cell from p on in steps of `step` bytes; the address at which the scan leaves the
 * tape if there is none. */
#define DEFINE_SCAN(name, cell)                                                                    \
    static uint8_t *name(const struct tape *t, uint8_t *p, int64_t step) {                         \
        const uintptr_t base = (uintptr_t)t->base;                                                 \
        const uint64_t bytes = t->bytes;                                                           \
        uintptr_t at = (uintptr_t)p, by = (uintptr_t)step;                                         \
        /* Between two cells of the tape there are only such. */                                   \
        while (at - base < bytes && at + 3 * by - base < bytes) {                                  \
            for (unsigned n = 0; n < 4; n++, at += by)                                             \
                if (*(cell *)at == 0)                                                              \
                    return (uint8_t *)at;                                                          \
        }                                                                                          \
        while (at - base < bytes && *(cell *)at != 0)                                              \
            at += by;                                                                              \
        return (uint8_t *)at;                                                                      \
    }
DEFINE_SCAN(cells_8, uint8_t)
DEFINE_SCAN(cells_16, uint16_t)
DEFINE_SCAN(cells_32, uint32_t)
DEFINE_SCAN(cells_64, uint64_t)

static vm_scan *const cells[4] = {cells_8, cells_16, cells_32, cells_64};

/* ---- a block at once ---- */

#ifdef __x86_64__
#include <immintrin.h>

#define BLOCK    64
#define MAX_STEP 16 /* bytes; of a larger one there are too few cells in a block */

/* By the bytes of a step: the bits of its cells in a block, and how far they reach. */
static const struct lane {
    uint64_t mask, bytes;
} lanes[MAX_STEP + 1] = {
    [1] = {UINT64_C(0xffffffffffffffff), 64},  [2] = {UINT64_C(0x5555555555555555), 64},
    [3] = {UINT64_C(0x9249249249249249), 66},  [4] = {UINT64_C(0x1111111111111111), 64},
    [5] = {UINT64_C(0x1084210842108421), 65},  [6] = {UINT64_C(0x1041041041041041), 66},
    [7] = {UINT64_C(0x8102040810204081), 70},  [8] = {UINT64_C(0x101010101010101), 64},
    [9] = {UINT64_C(0x8040201008040201), 72},  [10] = {UINT64_C(0x1004010040100401), 70},
    [11] = {UINT64_C(0x80100200400801), 66},   [12] = {UINT64_C(0x1001001001001001), 72},
    [13] = {UINT64_C(0x10008004002001), 65},   [14] = {UINT64_C(0x100040010004001), 70},
    [15] = {UINT64_C(0x1000200040008001), 75}, [16] = {UINT64_C(0x1000100010001), 64},
};

/* A bit for each byte of a zero cell in the block at `at`. */
#define ZEROS_SSE2(bits)                                                                           \
    const __m128i zero = _mm_setzero_si128(), *part = (const __m128i *)at;                         \
    uint64_t found = 0;                                                                            \
    for (unsigned n = 0; n < 4; n++) {                                                             \
        __m128i is_zero = _mm_cmpeq_epi##bits(_mm_loadu_si128(part + n), zero);                    \
        found |= (uint64_t)(uint32_t)_mm_movemask_epi8(is_zero) << 16 * n;                         \
    }
#define ZEROS_AVX2(bits)                                                                           \
    const __m256i zero = _mm256_setzero_si256(), *part = (const __m256i *)at;                      \
    uint64_t found = 0;                                                                            \
    for (unsigned n = 0; n < 2; n++) {                                                             \
        __m256i is_zero = _mm256_cmpeq_epi##bits(_mm256_loadu_si256(part + n), zero);              \
        found |= (uint64_t)(uint32_t)_mm256_movemask_epi8(is_zero) << 32 * n;                      \
    }

#define ZEROS_AVX512(bits)                                                                         \
    __m512i all = _mm512_loadu_si512((const void *)at);                                            \
    uint64_t found = _mm512_movepi8_mask(                                                          \
        _mm512_movm_epi##bits(_mm512_cmpeq_epi##bits##_mask(all, _mm512_setzero_si512())));

#define FIRST 2

/* From the FIRST cells on, all in blocks as long as these lie on the tape. */
#define DEFINE_BLOCKS(name, bits, isa, ZEROS)                                                      \
    __attribute__((target(isa))) static uint8_t *name(const struct tape *t, uint8_t *p,            \
                                                      int64_t step) {                              \
        const uintptr_t base = (uintptr_t)t->base;                                                 \
        const bool back = step < 0;                                                                \
        const uint64_t distance = back ? 0 - (uint64_t)step : (uint64_t)step;                      \
        for (unsigned n = 0; n < FIRST; n++, p = (uint8_t *)((uintptr_t)p + (uintptr_t)step))      \
            if ((uintptr_t)p - base >= t->bytes || *(uint##bits##_t *)p == 0)                      \
                return p;                                                                          \
        if (distance > MAX_STEP || t->bytes < BLOCK)                                               \
            return cells_##bits(t, p, step);                                                       \
        const struct lane *lane = &lanes[distance];                                                \
        const uint64_t last = t->bytes - BLOCK, end = back ? BLOCK - bits / 8 : 0;                 \
        const uint64_t by = back ? 0 - lane->bytes : lane->bytes;                                  \
        const uint64_t mask = lane->mask << (back ? end - (lane->bytes - distance) : 0);           \
        uintptr_t at = (uintptr_t)p - end;                                                         \
        for (; at - base <= last; at += by) {                                                      \
            ZEROS(bits)                                                                            \
            found &= mask;                                                                         \
            if (found != 0)                                                                        \
                return (uint8_t *)at +                                                             \
                       (back ? 63 - __builtin_clzll(found) : __builtin_ctzll(found));              \
        }                                                                                          \
        return cells_##bits(t, (uint8_t *)(at + end), step);                                       \
    }
DEFINE_BLOCKS(sse2_8, 8, "sse2", ZEROS_SSE2)
DEFINE_BLOCKS(sse2_16, 16, "sse2", ZEROS_SSE2)
DEFINE_BLOCKS(sse2_32, 32, "sse2", ZEROS_SSE2)
DEFINE_BLOCKS(avx2_8, 8, "avx2", ZEROS_AVX2)
DEFINE_BLOCKS(avx2_16, 16, "avx2", ZEROS_AVX2)
DEFINE_BLOCKS(avx2_32, 32, "avx2", ZEROS_AVX2)
DEFINE_BLOCKS(avx512_8, 8, "avx512bw,avx512dq", ZEROS_AVX512)
DEFINE_BLOCKS(avx512_16, 16, "avx512bw,avx512dq", ZEROS_AVX512)
DEFINE_BLOCKS(avx512_32, 32, "avx512bw,avx512dq", ZEROS_AVX512)

static vm_scan *const sse2[4] = {sse2_8, sse2_16, sse2_32, cells_64};
static vm_scan *const avx2[4] = {avx2_8, avx2_16, avx2_32, cells_64};
static vm_scan *const avx512[4] = {avx512_8, avx512_16, avx512_32, cells_64};

vm_scan *vm_scan_for(unsigned cell_bits, enum vm_vectors vectors) {
    static vm_scan *const *const by_vectors[] = {
        [VM_NO_VECTORS] = cells, [VM_SSE2] = sse2, [VM_AVX2] = avx2, [VM_AVX512] = avx512};
    vm_scan *const *by_width = by_vectors[vectors];
    return by_width[__builtin_ctz(cell_bits) - 3];
}

enum vm_vectors vm_native_vectors(void) {
    bool v4 = __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq");
    return v4 ? VM_AVX512 : __builtin_cpu_supports("avx2") ? VM_AVX2 : VM_SSE2;
}
#else
vm_scan *vm_scan_for(unsigned cell_bits, enum vm_vectors vectors) {
    (void)vectors;
    return cells[__builtin_ctz(cell_bits) - 3];
}

enum vm_vectors vm_native_vectors(void) {
    return VM_NO_VECTORS;
}
#endif
