/* The products of gemm_simd.c: one table per instruction set. */
#ifndef BPI_KERNEL_GEMM_SIMD_H
#define BPI_KERNEL_GEMM_SIMD_H

#include "gemm.h"

/* c = alpha op(a) op(b), or added to c where p->add. `panel` is room for BPI_GEMM_PANEL bytes, aligned to
 * 64. Only rows first <= i < end of c are computed, with the bits that they have in the whole product. */
typedef void bpi_gemm_rows_f32(const bpi_product *p, float alpha, const float *a, const float *b, float *c,
                               int64_t first, int64_t end, float *panel);
typedef void bpi_gemm_rows_f64(const bpi_product *p, double alpha, const double *a, const double *b,
                               double *c, int64_t first, int64_t end, double *panel);

enum { BPI_GEMM_PANEL = 48 * 1024 };

typedef struct bpi_gemm_table_f32 {
    bpi_gemm_rows_f32 *rows;
} bpi_gemm_table_f32;
typedef struct bpi_gemm_table_f64 {
    bpi_gemm_rows_f64 *rows;
} bpi_gemm_table_f64;

#endif
