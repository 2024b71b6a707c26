/* Copies of a block of b, k rows of `width` elements (a multiple of LANES) one behind the other,
 * for the tiles of gemm_simd.c. What stands in columns that b does not have is
 * never stored in c. */
#ifndef BPI_KERNEL_GEMM_PACK_H
#define BPI_KERNEL_GEMM_PACK_H

#include "vec.h"

/* Elements in 128 bits, the part of a register in which elements are shuffled cheaply. */
enum { QUAD = 128 / BPI_BITS };

/* From b stored as it is multiplied: element (r, j) is b[r * ldb + j]. */
static void pack_rows(const real *b, int64_t ldb, int64_t k, int64_t columns, int64_t width,
                      real *panel) {
    for (int64_t r = 0; r < k; r++, b += ldb, panel += width) {
        int64_t j = 0;
        for (; j + LANES <= columns; j += LANES)
            v_store(panel + j, v_load(b + j));
        if (j < columns)
            v_store(panel + j, v_load_part(b + j, (size_t)(columns - j)));
    }
}

/* 128 bits: in memory, as the first part of a wider vector, as part `at` of one. */
#if BPI_BITS == 32
typedef simde__m128 quad;
#define Q_ADD(a, b) simde_mm_add_ps(a, b)
#define Q_STORE(p, q) simde_mm_storeu_ps(p, q)
#define Q_PART256(v, at) simde_mm256_extractf128_ps(v, at)
#define Q_PART512(v, at) simde_mm512_extractf32x4_ps(v, at)
#define Q_LOAD(p) simde_mm_loadu_ps(p)
#define Q_WIDEN256(q) simde_mm256_castps128_ps256(q)
#define Q_WIDEN512(q) simde_mm512_castps128_ps512(q)
#define Q_INSERT256(v, q) simde_mm256_insertf128_ps(v, q, 1)
#define Q_INSERT512(v, q, at) simde_mm512_insertf32x4(v, q, at)
#else
typedef simde__m128d quad;
#define Q_ADD(a, b) simde_mm_add_pd(a, b)
#define Q_STORE(p, q) simde_mm_storeu_pd(p, q)
#define Q_PART256(v, at) simde_mm256_extractf128_pd(v, at)
#define Q_PART512(v, at) V_NATIVE(extractf64x2)(v, at)
#define Q_LOAD(p) simde_mm_loadu_pd(p)
#define Q_WIDEN256(q) simde_mm256_castpd128_pd256(q)
#define Q_WIDEN512(q) simde_mm512_castpd128_pd512(q)
#define Q_INSERT256(v, q) simde_mm256_insertf128_pd(v, q, 1)
#define Q_INSERT512(v, q, at) simde_mm512_insertf64x2(v, q, at)
#endif

/* Reads 128 bits at offset r from each of row[0], row[QUAD], row[2 QUAD], ... */
static inline vec v_gather_quads(const real *const *row, int64_t r) {
#if BPI_VEC_BITS == 128
    return Q_LOAD(row[0] + r);
#elif BPI_VEC_BITS == 256
    return Q_INSERT256(Q_WIDEN256(Q_LOAD(row[0] + r)), Q_LOAD(row[QUAD] + r));
#else
    vec v = Q_INSERT512(Q_WIDEN512(Q_LOAD(row[0] + r)), Q_LOAD(row[QUAD] + r), 1);
    v = Q_INSERT512(v, Q_LOAD(row[2 * QUAD] + r), 2);
    return Q_INSERT512(v, Q_LOAD(row[3 * QUAD] + r), 3);
#endif
}

/* Transposes the QUAD x QUAD elements in each 128 bits of QUAD vectors. */
static inline void v_transpose_quads(vec *v) {
#if BPI_BITS == 64
    vec first = V_OP(unpacklo)(v[0], v[1]);
    v[1] = V_OP(unpackhi)(v[0], v[1]);
    v[0] = first;
#else
    vec a = V_OP(unpacklo)(v[0], v[1]), b = V_OP(unpackhi)(v[0], v[1]);
    vec c = V_OP(unpacklo)(v[2], v[3]), d = V_OP(unpackhi)(v[2], v[3]);
    v[0] = V_OP(shuffle)(a, c, 0x44);
    v[1] = V_OP(shuffle)(a, c, 0xee);
    v[2] = V_OP(shuffle)(b, d, 0x44);
    v[3] = V_OP(shuffle)(b, d, 0xee);
#endif
}

/* From b stored transposed: element (r, j) is b[j * ldb + r]. LANES rows of b become one vector per
 * r, QUAD of them at a time. */
static void pack_columns(const real *b, int64_t ldb, int64_t k, int64_t columns, int64_t width,
                         real *panel) {
    for (int64_t j = 0; j < columns; j += LANES) {
        const real *row[LANES];
        for (int64_t l = 0; l < LANES; l++)
            row[l] = b + (j + l < columns ? j + l : columns - 1) * ldb;
        int64_t r = 0;
        for (; r + QUAD <= k; r += QUAD) {
            vec v[QUAD];
            V_UNROLL
            for (int q = 0; q < QUAD; q++)
                v[q] = v_gather_quads(row + q, r);
            v_transpose_quads(v);
            V_UNROLL
            for (int q = 0; q < QUAD; q++)
                v_store(panel + (r + q) * width + j, v[q]);
        }
        for (; r < k; r++)
            for (int l = 0; l < LANES; l++)
                panel[r * width + j + l] = row[l][r];
    }
}

#endif
