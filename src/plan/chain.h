/* Chains: elementwise ops that run together, block by block, so that what one op hands to the next
 * stays in the first-level cache; with broadcast operands, several results, and sums at the end. */
#ifndef BPI_PLAN_CHAIN_H
#define BPI_PLAN_CHAIN_H

#include "kernel/pipe.h"
#include "memory.h"

enum {
    BPI_CHAIN_INPUTS = 16,               /* most operands */
    BPI_CHAIN_OPS = 24,                  /* most ops */
    BPI_CHAIN_SUMS = 2,                  /* most sums */
    BPI_CHAIN_STEPS = 5 * BPI_CHAIN_OPS, /* most steps of pipes: two of each operand, and a store */
    BPI_CHAIN_ROOM =
        28672 /* bytes for blocks: with what is read and written they fit the first cache */
};

/* How an operand is fed to the ops. */
typedef enum bpi_feed_kind {
    BPI_FEED_WHOLE, /* has the shape of the domain: as it lies in memory */
    BPI_FEED_ONCE,  /* a scalar, or one short row for all: spread into a buffer once */
    BPI_FEED_ROWS   /* anything else: spread into a buffer for every block */
} bpi_feed_kind;

typedef struct bpi_feed {
    bpi_feed_kind kind;
    size_t item;                 /* bytes of an element */
    int64_t stride[BP_MAX_RANK]; /* elements; 0 where it is broadcast */
} bpi_feed;

/* Values are numbered: operands first, then the results of the ops in their order. */
typedef struct bpi_chain_op {
    const char *name; /* of the op */
    bpi_map_fn *map;
    const double *attr;
    bp_dtype dtype; /* by which its kernels are found */
    uint8_t slot;   /* of kernel/map.h */
    uint8_t x[3];   /* values */
    uint8_t inputs;
    uint8_t item;  /* bytes of an element of the result */
    int8_t output; /* which output of the chain the result is; -1: none, it stays in a buffer */
} bpi_chain_op;

/* A sum of the result of an op: over everything, or over the leading dimensions, leaving a row. */
typedef struct bpi_chain_sum {
    uint8_t value;
    uint8_t output;  /* of the chain */
    bp_dtype dtype;  /* f32 or f64 */
    bpi_map_fn *add; /* of that dtype */
    int64_t row;     /* elements that are left; 1: everything is summed */
} bpi_chain_sum;

/* Ops that go over a block together: in a pipe as far as it is whole groups, and over what is left,
 * or all of it where there is no pipe, one after the other. */
typedef struct bpi_chain_part {
    const bpi_pipe *pipe; /* NULL: none */
    uint8_t first, end;   /* its ops */
    uint8_t step, steps;  /* of the pipe: the first one, and how many */
    bool past;            /* the last result is an output that may be written past the caches */
} bpi_chain_part;

/* What all chains of the same ops over the same shapes share. Its arrays are as long as they need
 * to be: most chains are short. */
typedef struct bpi_chain {
    int inputs, ops, outputs, sums;
    int rank;
    int64_t size[BP_MAX_RANK]; /* of the domain, after taking dimensions together */
    int64_t count;             /* elements of the domain */
    double flops;              /* of the ops and sums, as their records say */
    int64_t row, block;        /* elements: the last size, and how many at a time */
    size_t buffer_bytes;       /* of a buffer for the values of one block */
    int buffers;               /* at most BPI_CHAIN_ROOM bytes in all */
    int8_t
        buffer[BPI_CHAIN_INPUTS + BPI_CHAIN_OPS]; /* of each value; -1: it has memory of its own */
    bool flows;     /* it is one pipe, and a buffer holds one group: no blocks are needed */
    bpi_feed *feed; /* of each operand */
    bpi_chain_op *op;
    bpi_chain_sum *sum;
    uint8_t reads[BPI_CHAIN_INPUTS + BPI_CHAIN_OPS]; /* how often ops and sums read each value */
    int parts, steps; /* parts: 0 where it is small; steps: of all pipes */
    bpi_chain_part *part;
    bpi_pipe_step *step; /* but for their places */
    uint8_t *at;         /* of each step: the value that it reads or writes */
    const int *threads;  /* as bp_set_threads takes it */
} bpi_chain;

/* Completes a chain whose ops, sums and feed items are filled in: `types` are those of the
 * operands, over a domain of shape `domain`. False without memory. */
bool bpi_chain_prepare(bpi_chain *chain, const bp_type *const *types, const bp_shape *domain,
                       bpi_arena *memory);
/* Cuts it into parts, once everything else is known (chain_pipe.c); false without memory. */
bool bpi_chain_cut(bpi_chain *chain, bpi_arena *memory);
/* Tells whether it is one pipe that needs no blocks; and whether an op alone, of `count` elements,
 * is better a chain than a call of its kernel. */
bool bpi_chain_may_flow(const bpi_chain *chain);
bool bpi_chain_suits(enum bpi_map_slot slot, bp_dtype dtype, int64_t count);
/* Tells whether output `output` may be written where operand `input` is read: every op that reads
 * the operand has done so, element by element, before the output is written. */
bool bpi_chain_may_overwrite(const bpi_chain *chain, int input, int output);
/* `x` and `y` are where the operands and outputs are. */
bp_status bpi_chain_run(const bpi_chain *chain, const void *const *x, void *const *y);
/* Writes elements first .. first+n of an operand, broadcast over the domain, to `to`: a part of a
 * row, or whole rows. */
void bpi_chain_spread(const bpi_chain *chain, const bpi_feed *feed, const void *data, int64_t first,
                      int64_t n, void *to);

#endif
