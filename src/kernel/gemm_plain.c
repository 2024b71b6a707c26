/* Matrix products by plain loops, and the choice between them and CBLAS. The loops are ordered so
 * that the innermost one runs over contiguous elements in every orientation. */
#include "gemm.h"

#include "map_names.inc"

enum { LANES = 16, SMALL = 4096 };

/* Below about SMALL multiplications a call of CBLAS costs more than the product. So it does where
 * the product is bound by memory anyway: k = 1 writes an outer product. */
static bool is_small(const bpi_product *p) {
    if (p->k <= 1 || p->m == 0 || p->n == 0)
        return true;
    return p->m <= SMALL && p->n <= SMALL && p->k <= SMALL && p->m * p->n <= SMALL / p->k;
}

#define REAL float
#define SUFFIX f32
#include "gemm_plain.inc"
#undef REAL
#undef SUFFIX

#define REAL double
#define SUFFIX f64
#include "gemm_plain.inc"
