/* Copies of a block of b, k rows of `width` elements (a multiple of LANES) one behind the other,
 * for the tiles of gemm_simd.c. The last vector of a row is where last_vector says; what stands in
 * columns that b does not have is never stored in c. */
#ifndef BPI_KERNEL_GEMM_PACK_H
#define BPI_KERNEL_GEMM_PACK_H

#include "gemm_finish.h"
#include "vec_fold.h"

/* From the first of `columns` columns to their last vector: with masks the rest of them; else it
 * ends where they do and repeats some of those before, unless they are fewer than a vector's. */
static inline int64_t last_vector(int64_t columns) {
    if (!PARTS_ARE_FREE && columns >= LANES)
        return columns - LANES;
    return (columns - 1) / LANES * LANES;
}

/* From b stored as it is multiplied: element (r, j) is b[r * ldb + j]. */
static void pack_rows(const real *b, int64_t ldb, int64_t k, int64_t columns, int64_t width,
                      real *panel) {
    const int64_t end = last_vector(columns), last = columns - end;
    for (int64_t r = 0; r < k; r++, b += ldb, panel += width) {
        for (int64_t j = 0; j < width - LANES; j += LANES)
            v_store(panel + j, v_load(b + j));
        v_store(panel + width - LANES,
                last < LANES ? v_load_part(b + end, (size_t)last) : v_load(b + end));
    }
}

/* A quarter as the first part of a wider vector, and as part `at` of one. */
#if BPI_BITS == 32
#define Q_WIDEN256(q) simde_mm256_castps128_ps256(q)
#define Q_WIDEN512(q) simde_mm512_castps128_ps512(q)
#define Q_INSERT256(v, q) simde_mm256_insertf128_ps(v, q, 1)
#define Q_INSERT512(v, q, at) simde_mm512_insertf32x4(v, q, at)
#else
#define Q_WIDEN256(q) simde_mm256_castpd128_pd256(q)
#define Q_WIDEN512(q) simde_mm512_castpd128_pd512(q)
#define Q_INSERT256(v, q) simde_mm256_insertf128_pd(v, q, 1)
#define Q_INSERT512(v, q, at) simde_mm512_insertf64x2(v, q, at)
#endif

/* Reads 128 bits at offset r from each of row[0], row[QUARTER], row[2 QUARTER], ... */
static inline vec v_gather_quarters(const real *const *row, int64_t r) {
#if BPI_VEC_BITS == 128
    return V_NARROW(loadu)(row[0] + r);
#elif BPI_VEC_BITS == 256
    return Q_INSERT256(Q_WIDEN256(V_NARROW(loadu)(row[0] + r)), V_NARROW(loadu)(row[QUARTER] + r));
#else
    vec v =
        Q_INSERT512(Q_WIDEN512(V_NARROW(loadu)(row[0] + r)), V_NARROW(loadu)(row[QUARTER] + r), 1);
    v = Q_INSERT512(v, V_NARROW(loadu)(row[2 * QUARTER] + r), 2);
    return Q_INSERT512(v, V_NARROW(loadu)(row[3 * QUARTER] + r), 3);
#endif
}

/* From b stored transposed: element (r, j) is b[j * ldb + r]. LANES rows of b become one vector per
 * r, QUARTER of them at a time. */
static void pack_columns(const real *b, int64_t ldb, int64_t k, int64_t columns, int64_t width,
                         real *panel) {
    for (int64_t j = 0; j < width; j += LANES) {
        const int64_t first = j < width - LANES ? j : last_vector(columns);
        const real *row[LANES];
        for (int64_t l = 0; l < LANES; l++)
            row[l] = b + (first + l < columns ? first + l : columns - 1) * ldb;
        int64_t r = 0;
        for (; r + QUARTER <= k; r += QUARTER) {
            vec v[QUARTER];
            V_UNROLL
            for (int q = 0; q < QUARTER; q++)
                v[q] = v_gather_quarters(row + q, r);
            v_transpose_quarters(v);
            V_UNROLL
            for (int q = 0; q < QUARTER; q++)
                v_store(panel + (r + q) * width + j, v[q]);
        }
        for (; r < k; r++)
            for (int l = 0; l < LANES; l++)
                panel[r * width + j + l] = row[l][r];
    }
}

#endif
