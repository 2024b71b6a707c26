/* Work on arrays of a few vectors, where calls, branches and stores of parts of vectors cost more
 * than the arithmetic does.
 *
 * What is computed is written in whole vectors, and read so where nothing else is said: these
 * arrays have room up to a multiple of BPI_SHORT_VECTOR bytes. What is there behind the last
 * element is undefined. */
#ifndef BPI_KERNEL_SHORT_H
#define BPI_KERNEL_SHORT_H

#include <backprop/base.h>

#include "gemm.h"
#include "map.h"
#include "pipe.h"

enum {
    BPI_SHORT_VECTOR = 64,                   /* bytes of the widest vector */
    BPI_SHORT_SIDE = 16,                     /* rows, columns and steps of a product, at most */
    BPI_SHORT_SUMS = 16 * 16 * 8 + 16 * 64 /* bytes of its sums, at most, and a vector a row */
};

/* A product, and by the numbers of operands, 0 where there is none, what follows it:
 * y[0] = relu(alpha op(a) op(b) + beta c + bias), where c, with `addend`, is what y[0] held; and
 * y[1] = y[1] - rate y[0] with `moved`. There is a bias or an addend, not both. */
typedef struct bpi_short_product {
    int32_t m, n, k;
    uint8_t a, b; /* numbers of operands, as are the next ones */
    uint8_t bias, alpha, beta, addend, moved, rate;
    uint8_t kind;     /* of bpi_short.product */
    bool minus, relu; /* minus: alpha is taken with the other sign */
    bool finishes;    /* anything but a bias follows the sums */
    bool whole;       /* the rows of c fill vectors, so that they may be stored there one by one */
    bool column;      /* c has one column, which is computed as a row; there is one bias */
    int64_t row_a, step_a;    /* elements from a row of op(a), and a step of k, to the next */
    int64_t step_b, column_b; /* elements from a step of k, and a column of op(b), to the next */
    void *sums;               /* room for BPI_SHORT_SUMS bytes */
} bpi_short_product;

/* Kinds of products. The rows of op(b) are contiguous in the first two; DOTS have a contiguous row
 * of op(a), and columns of op(b) that are contiguous and no longer than a vector. */
enum bpi_short_kind {
    BPI_SHORT_ANY,
    BPI_SHORT_ROW,    /* c is one row of at most a vector */
    BPI_SHORT_HALVES, /* rows of half a vector */
    BPI_SHORT_DOTS,   /* c is one row */
    BPI_SHORT_KINDS
};

/* Ops in a row, through which one vector after the other goes in a register: threaded code, as are
 * pipes (pipe.h). A step applies an op to the vector at hand, whose other operand it reads; or
 * loads or stores it; or keeps it in a second register; or takes it back from there. */
typedef struct bpi_short_step {
    bpi_pipe_fn *run;
    void *at; /* an array: the other operand, or what is loaded or stored */
} bpi_short_step;

/* The kernels of one instruction set and float type. */
typedef struct bpi_short {
    size_t vector; /* bytes */
    int lanes;
    /* These are called as the elementwise kernels are. y[i] = x[0][0], and y[i] = x[0][i], for
     * i < n; y[0] = the sum of x[0][i]; y[j] = the sum of x[0][i attr[0] + j] over i, for
     * j < attr[0]. The order of a sum depends on the sizes only. Nothing behind x is read. */
    bpi_map_fn *spread, *copy, *sum, *sum_rows;
    bpi_map_fn *add_scaled; /* y[i] = x[1][i] + attr[0] x[2][0] x[0][i]; attr[0] is 1 or -1 */
    /* Nothing is read behind a, b and bias. */
    bp_status (*product[BPI_SHORT_KINDS])(const bpi_short_product *p, const void *const *x,
                                          void *const *y);
    /* x[0] are steps, a load first and a finish, which stores, last; the arrays hold n elements in
     * whole vectors. An op gives the bits of its elementwise kernel. */
    bpi_map_fn *flow;
    bpi_pipe_fn *load, *store, *finish, *keep, *take_back;
    bpi_pipe_ops ops; /* none where there are no steps; none has attributes or reads scalars */
} bpi_short;

/* Returns the kernels of the instruction set in use for a dtype; NULL where there are none. */
const bpi_short *bpi_short_for(bp_dtype dtype);
/* Fills in what follows from the shape, with a and b as operands 0 and 1; false where a product is
 * too large, empty, or has gaps between the rows of c. */
bool bpi_short_product_of(const bpi_short *kernels, const bpi_product *product,
                          bpi_short_product *to);

#endif
