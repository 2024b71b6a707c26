/* Matrix products with what follows them: y = relu(alpha a b + beta c + bias), and then d - rate y as a second
 * result; everything but the product itself may be missing. */
#ifndef BPI_PLAN_PRODUCT_H
#define BPI_PLAN_PRODUCT_H

#include "kernel/gemm.h"

enum { BPI_PRODUCT_INPUTS = 8, BPI_PRODUCT_OPS = 8 };

/* The operands are a, b, and then those that there are; `bias` and the like are their numbers, 0 where
 * there is none. */
typedef struct bpi_plan_product {
    bpi_gemm gemm;
    int bias, alpha, addend, beta, moved, rate; /* alpha, beta, rate: scalars, read in every run */
    bool minus, relu;                           /* minus: alpha is taken with the other sign */
    const char *ops[BPI_PRODUCT_OPS];
    int op_count;
    double flops;
    size_t bytes;                      /* of a result */
    const void *x[BPI_PRODUCT_INPUTS]; /* where operands and results are now */
    void *y[2];
    const int *threads; /* as bp_set_threads takes it */
} bpi_plan_product;

/* Tells whether result `output` may be written where operand `input` is read. */
bool bpi_product_may_overwrite(const bpi_plan_product *product, int input, int output);
void bpi_plan_product_run(const bpi_plan_product *product);

#endif
