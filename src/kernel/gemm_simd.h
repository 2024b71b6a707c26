/* The products of gemm_simd.c: one table per instruction set and float type. */
#ifndef BPI_KERNEL_GEMM_SIMD_H
#define BPI_KERNEL_GEMM_SIMD_H

#include "gemm.h"

/* One product with its arrays, of the float type of the kernel that takes it. */
typedef struct bpi_gemm_work {
    const bpi_product *product;
    const bpi_finish *finish;
    const void *a, *b;
    void *c;
} bpi_gemm_work;

/* Rows row <= i < row_end and columns column <= j < column_end of c. */
typedef struct bpi_block {
    int64_t row, row_end, column, column_end;
} bpi_block;

/* Computes a block of c, with the bits that it has in the whole product. `panel` is room for
 * BPI_GEMM_PANEL bytes (of `small`: a vector for each of its steps), aligned to 64. */
typedef void bpi_gemm_kernel(const bpi_gemm_work *work, const bpi_block *block, void *panel);

enum {
    BPI_GEMM_PANEL = 64 * 1024,
    BPI_GEMM_OUTER = 4,         /* steps at most, of `outer` */
    BPI_GEMM_SMALL = 16,        /* rows and steps at most, of `small` */
    BPI_GEMM_FEW_ROWS = 4,      /* rows of c at most, of `few` */
    BPI_GEMM_SHORT_ROW = 6,     /* vectors at most of a short row of c, of `few` */
    BPI_GEMM_FLAT_ROWS = 4,     /* rows of c at most, of `flat` */
    BPI_GEMM_FLAT_VECTORS = 25, /* of a period: rows of 50, 100, 200 and 400 elements fill them */
};

/* `tiles` serves every shape. `small`: at most `lanes` columns and BPI_GEMM_SMALL rows and steps.
 * `dots`: rows of op(a) and columns of op(b) must be contiguous. `outer`: 1 <= k <= BPI_GEMM_OUTER
 * and rows of op(b) contiguous. `few`: at most BPI_GEMM_FEW_ROWS rows, b not transposed and
 * n >= lanes. `flat`, one block for all columns of at most BPI_GEMM_FLAT_ROWS rows: b is not
 * transposed, has no gaps between its rows, and n >= lanes divides BPI_GEMM_FLAT_VECTORS * lanes.
 * `few` and `flat` are NULL where there is none. `width`: the fewest columns of c that are worth a
 * piece. */
typedef struct bpi_gemm_kernels {
    bpi_gemm_kernel *tiles, *small, *dots, *outer, *few, *flat;
    int width, lanes;
} bpi_gemm_kernels;

/* Tells whether a product is one row that `few` sums up in several parts: it is not to be cut. */
static inline bool bpi_gemm_is_short_row(const bpi_product *p, int lanes) {
    return p->m == 1 && p->n <= (int64_t)BPI_GEMM_SHORT_ROW * lanes;
}

/* Returns the kernels of the instruction set in use; NULL when there are none. */
const bpi_gemm_kernels *bpi_gemm_kernels_of(bp_dtype dtype);

#endif
