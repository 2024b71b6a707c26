/* Matrix products with what follows them: y = relu(alpha a b + beta c + bias), and then d - rate y
 * as a second result; everything but the product itself may be missing. Or an elementwise op with
 * several results that reads a b. */
#ifndef BPI_PLAN_PRODUCT_H
#define BPI_PLAN_PRODUCT_H

#include "kernel/gemm.h"
#include "kernel/short.h"
#include "record.h"

enum { BPI_PRODUCT_INPUTS = 8, BPI_PRODUCT_OPS = 8 };

/* An op that reads a product panel by panel, some rows each, while it is in the second cache. */
typedef struct bpi_product_sweep {
    bpi_sweep *run;
    bp_call call;     /* its x and y are `arrays`: operands, then results */
    bp_array *arrays; /* where a panel of each is */
    int product;      /* which operand the product is */
    int64_t rows;     /* of a panel */
    bpi_gemm last;    /* the product of the last panel; the others are bpi_plan_product.gemm */
    int64_t m, n;     /* of the whole product */
    size_t row_a;     /* bytes from row to row of op(a) */
    void *panel;      /* of the product */
} bpi_product_sweep;

/* What all products of a shape share that are finished in the same way. The operands are a, b, and
 * then those that there are; `bias` and the like are their numbers, 0 where there is none. Those
 * of a sweep follow a and b in their order. */
typedef struct bpi_plan_product {
    bpi_gemm gemm;
    int bias, alpha, addend, beta, moved, rate; /* alpha, beta, rate: scalars, read in every run */
    bool minus, relu;                           /* minus: alpha is taken with the other sign */
    bpi_product_sweep *sweep; /* instead of all of these, of one product alone; or NULL */
    const char *ops[BPI_PRODUCT_OPS];
    int op_count;
    double flops;
    size_t bytes;            /* of a result */
    const int *threads;      /* as bp_set_threads takes it */
    bpi_product shape;       /* as it was recorded */
    bpi_short_product brief; /* its short form, with brief_run; NULL: none */
    bp_status (*brief_run)(const bpi_short_product *p, const void *const *x, void *const *y);
} bpi_plan_product;

/* Tells whether result `output` may be written where operand `input` is read. */
bool bpi_product_may_overwrite(const bpi_plan_product *product, int input, int output);
/* `x` and `y` are where the operands and results are. */
void bpi_plan_product_run(const bpi_plan_product *product, const void *const *x, void *const *y);

#endif
