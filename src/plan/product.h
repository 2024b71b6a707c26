/* Matrix products with what follows them: y = relu(alpha a b + beta c + bias), of which everything but the
 * product itself may be missing. */
#ifndef BPI_PLAN_PRODUCT_H
#define BPI_PLAN_PRODUCT_H

#include "kernel/gemm.h"

enum { BPI_PRODUCT_INPUTS = 6, BPI_PRODUCT_OPS = 6 };

/* The operands are a, b, and then those that there are; `bias` and the like are their numbers, 0 where
 * there is none. */
typedef struct bpi_plan_product {
    bpi_gemm gemm;
    int bias, alpha, addend, beta; /* alpha and beta are scalars, read in every run */
    bool minus, relu;              /* minus: alpha is taken with the other sign */
    const char *ops[BPI_PRODUCT_OPS];
    int op_count;
    double flops;
    size_t bytes; /* of y */
    const void *x[BPI_PRODUCT_INPUTS]; /* where operands and result are now */
    void *y;
    const int *threads; /* as bp_set_threads takes it */
} bpi_plan_product;

void bpi_plan_product_run(const bpi_plan_product *product);

#endif
