/* Pipes: cheap elementwise ops one after the other, with what one hands to the next in registers.
 *
 * A pipe is a list of steps through which one group of vectors after the other goes: a step loads
 * the group, applies an op to it, whose other operand it reads from memory, or stores it. Steps are
 * functions that have the group as arguments, which are registers, and end in a jump to the next
 * one: threaded code (Bell, Communications of the ACM 16, 1973). An op gives the bits that its
 * elementwise kernel (map.h) gives. */
#ifndef BPI_KERNEL_PIPE_H
#define BPI_KERNEL_PIPE_H

#include <stdbool.h>
#include <stdint.h>

#include "map.h"

enum { BPI_PIPE_GROUP = 256 }; /* bytes of the largest group */

typedef void bpi_pipe_fn(void); /* what its arguments are, kernels know alone */

typedef struct bpi_pipe_step {
    bpi_pipe_fn *run;
    void *at; /* an array, or one group that serves for all, or the element of a scalar */
    union {
        size_t mask;  /* SIZE_MAX for an array, bpi_pipe.slot for one group */
        size_t ahead; /* of a fetch: bytes */
    };
    double attr; /* attr[0] of the op */
} bpi_pipe_step;

/* Which operand of an op is the group. */
enum { BPI_PIPE_FIRST = 1, BPI_PIPE_SECOND = 2, BPI_PIPE_EITHER = 3 };

typedef struct bpi_pipe_op {
    bpi_pipe_fn *run;
    uint8_t slot;  /* of map.h */
    uint8_t group; /* BPI_PIPE_FIRST, ... */
    bool scalar;   /* the other operand is one element */
} bpi_pipe_op;

typedef struct bpi_pipe_ops {
    const bpi_pipe_op *op;
    int count;
} bpi_pipe_ops;

/* The kernels of one instruction set and float type. */
typedef struct bpi_pipe {
    size_t group; /* bytes; all that is read or written is a multiple of it */
    size_t slot;  /* bpi_pipe_step.mask of one group */
    /* Takes `bytes` of every array through the steps: the first is a load, the last one and no
     * other is a `finish`. Arrays are at any alignment; two are the same, or do not overlap. */
    void (*run)(const bpi_pipe_step *steps, size_t bytes);
    bpi_pipe_fn *load, *store, *finish; /* finish stores as well */
    /* For arrays that no cache keeps: fetch brings what a later group reads of one; finish_past
     * writes past the caches, at multiples of 64 bytes, and needs a fence before anyone reads. */
    bpi_pipe_fn *fetch, *finish_past;
    void (*fence)(void);
    bpi_pipe_ops ops;
} bpi_pipe;

/* Returns the kernels of the instruction set in use for a dtype; NULL where there are none. */
const bpi_pipe *bpi_pipe_for(bp_dtype dtype);
/* Returns one of several ops as a step; NULL where there is none: in a pipe an op that takes longer
 * than loads and stores would gain nothing. An array may stand for every scalar, but not the other
 * way round. */
bpi_pipe_fn *bpi_pipe_find(const bpi_pipe_ops *ops, enum bpi_map_slot slot, int group,
                           bool scalar);

#endif
