/* Status codes, element types, shapes and failures: the vocabulary of every other header. */
#ifndef BACKPROP_BASE_H
#define BACKPROP_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#define BP_API __declspec(dllexport)
#elif defined(__GNUC__)
#define BP_API __attribute__((visibility("default")))
#else
#define BP_API
#endif

#if defined(__GNUC__)
#define BP_FORMAT(text, rest) __attribute__((format(printf, text, rest)))
#else
#define BP_FORMAT(text, rest)
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define BP_VERSION_MAJOR 0
#define BP_VERSION_MINOR 1
#define BP_VERSION_PATCH 0

/* What a function that does something returns. The numbers are fixed for ever. */
typedef enum bp_status {
    BP_OK = 0,
    BP_ERR_ARGUMENT = 1,     /* a NULL, a name or a number that the function cannot use */
    BP_ERR_SHAPE = 2,        /* sizes that do not fit together, or overflow */
    BP_ERR_DTYPE = 3,        /* element types that do not fit together */
    BP_ERR_MEMORY = 4,       /* an allocation failed */
    BP_ERR_VALUE = 5,        /* a value out of its range, e.g. a label >= classes */
    BP_ERR_ARITHMETIC = 6,   /* integer division by zero */
    BP_ERR_GRADIENT = 7,     /* no gradient: no VJP, no path, or an integer tensor */
    BP_ERR_NAME = 8,         /* a name used twice, or not found */
    BP_ERR_FILE = 9,         /* a file that cannot be opened, read or written */
    BP_ERR_FORMAT = 10,      /* a file that is not what it should be */
    BP_ERR_CHECK = 11,       /* a verification found a difference */
    BP_ERR_STATE = 12,       /* the object is not in a state that allows this */
    BP_ERR_UNSUPPORTED = 13, /* valid, but not supported in this build or by this op */
    BP_STATUS_COUNT
} bp_status;

/* Returns the name of a status in words, e.g. "shapes do not fit"; never NULL. */
BP_API const char *bp_status_text(bp_status status);

/* A failure with its words. Functions that take a `bp_failure *why` fill it when they fail; NULL is
 * allowed and means that the caller wants the status only. */
typedef struct bp_failure {
    bp_status status;
    char text[500];
} bp_failure;

/* Element types. Codes 6 and 7 are reserved for f16 and bf16. */
typedef enum bp_dtype {
    BP_F32 = 0,
    BP_F64 = 1,
    BP_I32 = 2,
    BP_I64 = 3,
    BP_U8 = 4,
    BP_BOOL = 5, /* one byte, 0 or 1 */
    BP_DTYPE_COUNT = 6
} bp_dtype;

/* Returns the size of one element in bytes; 0 for a dtype that does not exist. */
BP_API size_t bp_dtype_size(bp_dtype dtype);
/* Returns "f32", "f64", "i32", "i64", "u8" or "bool"; "?" for a dtype that does not exist. */
BP_API const char *bp_dtype_name(bp_dtype dtype);
/* Tells whether a dtype is f32 or f64: only such tensors have gradients. */
BP_API bool bp_dtype_is_float(bp_dtype dtype);

/* The most dimensions that a tensor can have. */
#define BP_MAX_RANK 8

/* A shape: sizes of the dimensions, outermost first. Rank 0 is a scalar; sizes may be 0. Entries
 * past the rank are ignored. */
typedef struct bp_shape {
    int rank;
    int64_t size[BP_MAX_RANK];
} bp_shape;

/* BP_SHAPE(4, 2) is the shape [4,2]; between 1 and 8 sizes. BP_SCALAR is the shape of a scalar. */
#define BP_COUNT_ARGS_(a, b, c, d, e, f, g, h, n, ...) n
#define BP_COUNT_ARGS(...) BP_COUNT_ARGS_(__VA_ARGS__, 8, 7, 6, 5, 4, 3, 2, 1, 0)
#ifdef __cplusplus
#define BP_SHAPE(...) (bp_shape{BP_COUNT_ARGS(__VA_ARGS__), {__VA_ARGS__}})
#define BP_SCALAR (bp_shape{0, {0}})
#else
#define BP_SHAPE(...) ((bp_shape){BP_COUNT_ARGS(__VA_ARGS__), {__VA_ARGS__}})
#define BP_SCALAR ((bp_shape){0, {0}})
#endif

/* Returns the number of elements; 1 for a scalar; -1 when the shape is invalid or overflows. */
BP_API int64_t bp_shape_count(bp_shape shape);
/* Tells whether two shapes have the same rank and sizes. */
BP_API bool bp_shape_equal(bp_shape a, bp_shape b);

/* What the framework knows of a tensor before it has values. */
typedef struct bp_type {
    bp_dtype dtype;
    bp_shape shape;
} bp_type;

typedef struct bp_model bp_model;         /* what lasts: named parameters and other state */
typedef struct bp_graph bp_graph;         /* one recorded computation over a model */
typedef struct bp_tensor bp_tensor;       /* one output of one node of a graph; dies with it */
typedef struct bp_op bp_op;               /* the record of an op, see op.h */
typedef struct bp_optimizer bp_optimizer; /* an update rule with its state, see optim.h */

#ifdef __cplusplus
}
#endif
#endif
