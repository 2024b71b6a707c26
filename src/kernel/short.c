/* Finds the kernels for short arrays of the instruction set in use, and prepares products. On SSE2
 * there are none: a load of a part is a loop there. */
#include "short.h"

#include "tables.h"

BPI_WIDE_TABLES(bpi_short, short)

const bpi_short *bpi_short_for(bp_dtype dtype) { return table_of(dtype); }

/* One column is computed as one row: c is its transpose, op(b)' op(a)'. */
static void flip(bpi_short_product *p) {
    *p = (bpi_short_product){.m = 1,
                             .n = p->m,
                             .k = p->k,
                             .row_a = p->column_b,
                             .step_a = p->step_b,
                             .step_b = p->step_a,
                             .column_b = p->row_a,
                             .a = 1,
                             .column = true};
}

static bool is_short(int64_t size) { return size >= 1 && size <= BPI_SHORT_SIDE; }

static enum bpi_short_kind kind_of(const bpi_short_product *p, int lanes) {
    if (p->column_b == 1 && p->m > 1 && 2 * p->n == lanes)
        return BPI_SHORT_HALVES;
    if (p->column_b == 1 && p->m == 1 && p->n <= lanes)
        return BPI_SHORT_ROW;
    const bool dots = p->m == 1 && p->step_a == 1 && p->step_b == 1 && p->k <= lanes;
    return dots ? BPI_SHORT_DOTS : BPI_SHORT_ANY;
}

bool bpi_short_product_of(const bpi_short *kernels, const bpi_product *from, bpi_short_product *p) {
    bool gaps = from->ldc != from->n && from->m > 1;
    if (!is_short(from->m) || !is_short(from->n) || !is_short(from->k) || gaps)
        return false;
    *p = (bpi_short_product){.m = (int32_t)from->m,
                             .n = (int32_t)from->n,
                             .k = (int32_t)from->k,
                             .row_a = from->transpose_a ? 1 : from->lda,
                             .step_a = from->transpose_a ? from->lda : 1,
                             .step_b = from->transpose_b ? 1 : from->ldb,
                             .column_b = from->transpose_b ? from->ldb : 1,
                             .b = 1};
    if (p->n == 1)
        flip(p);
    if (p->n == 1)
        p->column_b = 1;
    p->whole = p->n % kernels->lanes == 0 || p->m == 1;
    p->kind = (uint8_t)kind_of(p, kernels->lanes);
    return true;
}
