/* The built-in ops: one prototype each; formula, gradient, kinks and samples are in the op's record
 * (ops/) and in docs/ops.md, which is made from the records.
 *
 * All of them record a node and return at once. They return NULL when an operand is NULL or does
 * not fit; the graph keeps the first failure (bp_error). Elementwise ops broadcast as NumPy does.
 * There is no promotion: operands have one dtype. Axes count from 0; negative ones from the end. In
 * formulas g is the cotangent of the result. */
#ifndef BACKPROP_OPS_H
#define BACKPROP_OPS_H

#include <backprop/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A set of axes: BP_AXES(0, -1), or BP_ALL for all of them. */
typedef struct bp_axes {
    int count; /* -1: all */
    int axis[BP_MAX_RANK];
} bp_axes;
#ifdef __cplusplus
#define BP_AXES(...) (bp_axes{BP_COUNT_ARGS(__VA_ARGS__), {__VA_ARGS__}})
#define BP_ALL (bp_axes{-1, {0}})
#else
#define BP_AXES(...) ((bp_axes){BP_COUNT_ARGS(__VA_ARGS__), {__VA_ARGS__}})
#define BP_ALL ((bp_axes){-1, {0}})
#endif

/* ---- arithmetic, elementwise ----------------------------------------------------------------- */
BP_API bp_tensor *bp_add(bp_tensor *x, bp_tensor *y);     /* x + y;   g; g */
BP_API bp_tensor *bp_sub(bp_tensor *x, bp_tensor *y);     /* x - y;   g; -g */
BP_API bp_tensor *bp_mul(bp_tensor *x, bp_tensor *y);     /* x * y;   g y; g x */
BP_API bp_tensor *bp_div(bp_tensor *x, bp_tensor *y);     /* x / y;   g / y; -g x / y² */
BP_API bp_tensor *bp_neg(bp_tensor *x);                   /* -x;      -g */
BP_API bp_tensor *bp_abs(bp_tensor *x);                   /* |x|;     g sign(x), 0 at 0 */
BP_API bp_tensor *bp_sign(bp_tensor *x);                  /* -1, 0 or 1;  0 */
BP_API bp_tensor *bp_square(bp_tensor *x);                /* x²;      2 g x */
BP_API bp_tensor *bp_sqrt(bp_tensor *x);                  /* √x;      g / (2 √x) */
BP_API bp_tensor *bp_exp(bp_tensor *x);                   /* eˣ;      g eˣ */
BP_API bp_tensor *bp_log(bp_tensor *x);                   /* ln x;    g / x */
BP_API bp_tensor *bp_expm1(bp_tensor *x);                 /* eˣ - 1;  g eˣ */
BP_API bp_tensor *bp_log1p(bp_tensor *x);                 /* ln(1+x); g / (1 + x) */
BP_API bp_tensor *bp_reciprocal(bp_tensor *x);            /* 1 / x;   -g / x² */
BP_API bp_tensor *bp_sin(bp_tensor *x);                   /* sin x;   g cos x */
BP_API bp_tensor *bp_cos(bp_tensor *x);                   /* cos x;   -g sin x */
BP_API bp_tensor *bp_erf(bp_tensor *x);                   /* erf x;   2 g exp(-x²) / √π */
BP_API bp_tensor *bp_maximum(bp_tensor *x, bp_tensor *y); /* ties share the gradient in halves */
BP_API bp_tensor *bp_minimum(bp_tensor *x, bp_tensor *y); /* ties share the gradient in halves */
/* Multiplies by, or adds, a C number: a run-time scalar of the tensor's dtype, which for integers
 * must be a whole number that the dtype holds. */
BP_API bp_tensor *bp_scale(bp_tensor *x, double factor);
BP_API bp_tensor *bp_shift(bp_tensor *x, double offset);

/* ---- activations, elementwise ---------------------------------------------------------------- */
BP_API bp_tensor *bp_sigmoid(bp_tensor *x); /* s = 1/(1+e⁻ˣ);  g s (1-s) */
BP_API bp_tensor *bp_tanh(bp_tensor *x);    /* t = tanh x;     g (1-t²) */
BP_API bp_tensor *bp_relu(bp_tensor *x);    /* max(x, 0);      g where x > 0, 0 at 0 */
BP_API bp_tensor *bp_leaky_relu(bp_tensor *x, double slope); /* x > 0 ? x : slope x */
BP_API bp_tensor *bp_softplus(bp_tensor *x);                 /* ln(1+eˣ);  g sigmoid(x) */
/* x Φ(x), Φ the normal distribution;  g (Φ(x) + x φ(x)). The second one by tanh,
 * at most 0.0005 off. */
BP_API bp_tensor *bp_gelu(bp_tensor *x);
BP_API bp_tensor *bp_gelu_tanh(bp_tensor *x);
BP_API bp_tensor *bp_silu(bp_tensor *x);              /* x s, s = sigmoid(x);  g (s + x s (1-s)) */
BP_API bp_tensor *bp_elu(bp_tensor *x, double alpha); /* x > 0 ? x : alpha (eˣ-1) */

/* ---- choice and comparison, elementwise ------------------------------------------------------ */
/* condition (bool) ? x : y;  g where true; g where false. */
BP_API bp_tensor *bp_where(bp_tensor *condition, bp_tensor *x, bp_tensor *y);
BP_API bp_tensor *bp_equal(bp_tensor *x, bp_tensor *y); /* results of comparisons are bool */
BP_API bp_tensor *bp_not_equal(bp_tensor *x, bp_tensor *y);
BP_API bp_tensor *bp_less(bp_tensor *x, bp_tensor *y);
BP_API bp_tensor *bp_less_equal(bp_tensor *x, bp_tensor *y);
BP_API bp_tensor *bp_greater(bp_tensor *x, bp_tensor *y);
BP_API bp_tensor *bp_greater_equal(bp_tensor *x, bp_tensor *y);
/* Converts; between floats the gradient is converted back, otherwise there is none. */
BP_API bp_tensor *bp_cast(bp_tensor *x, bp_dtype dtype);
/* The value without its history: no gradient flows through. */
BP_API bp_tensor *bp_detach(bp_tensor *x);

/* ---- products -------------------------------------------------------------------------------- */
/* Matrix product as in NumPy: [m,k]·[k,n] -> [m,n]; vectors [k]·[k,n], [m,k]·[k], [k]·[k]; leading
 * dimensions are batch dimensions and broadcast. gradient: g·yᵀ; xᵀ·g. */
BP_API bp_tensor *bp_matmul(bp_tensor *x, bp_tensor *y);
/* As bp_matmul with either side transposed in its last two dimensions (rank >= 2). */
BP_API bp_tensor *bp_matmul_t(bp_tensor *x, bool transpose_x, bp_tensor *y, bool transpose_y);
/* [m] and [n] -> [m,n]: x_i y_j. gradient: g·y; gᵀ·x. */
BP_API bp_tensor *bp_outer(bp_tensor *x, bp_tensor *y);

/* ---- reductions; `keep` leaves the reduced axes with size 1 ---------------------------------- */
BP_API bp_tensor *bp_sum(bp_tensor *x, bp_axes axes, bool keep);
BP_API bp_tensor *bp_mean(bp_tensor *x, bp_axes axes, bool keep);
/* ties share the gradient evenly */
BP_API bp_tensor *bp_max(bp_tensor *x, bp_axes axes, bool keep);
BP_API bp_tensor *bp_logsumexp(bp_tensor *x, bp_axes axes, bool keep); /* g softmax(x) */
/* Index (i64) of the largest element along one axis, the first of equals; NaN counts as largest. */
BP_API bp_tensor *bp_argmax(bp_tensor *x, int axis);
BP_API bp_tensor *bp_softmax(bp_tensor *x, int axis);     /* y (g - Σ g y) */
BP_API bp_tensor *bp_log_softmax(bp_tensor *x, int axis); /* g - softmax(x) Σ g */
/* Layer normalisation over the last dimension, of n elements: u scale + shift, where u are the rows
 * of x with mean 0 and variance 1, u = (x - mean) / √(variance + epsilon); scale and shift are [n].
 * gradient, with h = g scale: (h - mean h - u mean(h u)) / √(variance + epsilon); Σ g u; Σ g.
 * Ba, Kiros and Hinton 2016. */
BP_API bp_tensor *bp_layer_norm(bp_tensor *x, bp_tensor *scale, bp_tensor *shift, double epsilon);

/* ---- shape ----------------------------------------------------------------------------------- */
BP_API bp_tensor *bp_reshape(bp_tensor *x, bp_shape shape); /* one size may be -1: worked out */
/* Dimension k of the result is dimension permutation[k] of x. */
BP_API bp_tensor *bp_permute(bp_tensor *x, bp_axes permutation);
BP_API bp_tensor *bp_transpose(bp_tensor *x);              /* swaps the last two dimensions */
BP_API bp_tensor *bp_expand(bp_tensor *x, bp_shape shape); /* broadcasts to a shape */
/* Elements start[k], start[k]+1, ... stop[k]-1 of every dimension k; both have the rank of x,
 * negative values count from the end, and values are cut to the size as in NumPy. */
BP_API bp_tensor *bp_slice(bp_tensor *x, const int64_t *start, const int64_t *stop);
/* x surrounded by zeros: before[k] and after[k] elements in dimension k. The gradient of slice. */
BP_API bp_tensor *bp_pad(bp_tensor *x, const int64_t *before, const int64_t *after);
BP_API bp_tensor *bp_concat(bp_tensor *const *x, int count, int axis);

/* ---- indexing; index tensors are i32 or i64, an index out of range is an error of the run ---- */
/* Rows of x: result[i..., rest] = x[index[i...], rest] along `axis`; index of any
 * shape replaces it. */
BP_API bp_tensor *bp_gather(bp_tensor *x, bp_tensor *index, int axis);
/* Adds rows into zeros: the gradient of gather. result has `size` entries along `axis`. */
BP_API bp_tensor *bp_scatter_add(bp_tensor *x, bp_tensor *index, int axis, int64_t size);
/* [..] -> [.., classes], 1 at the index and 0 elsewhere. */
BP_API bp_tensor *bp_one_hot(bp_tensor *index, int64_t classes, bp_dtype dtype);

/* ---- random ---------------------------------------------------------------------------------- */
/* Zeroes elements with probability `rate` in [0,1) and divides the others by 1 - rate, whenever it
 * runs: for an evaluation record a graph without it, over the same model. */
BP_API bp_tensor *bp_dropout(bp_tensor *x, double rate);

/* ---- losses: scalars ------------------------------------------------------------------------- */
/* The mean of (y - t)² over all elements;  2 (y - t) / n. */
BP_API bp_tensor *bp_mse(bp_tensor *y, bp_tensor *target);
/* ½ Σ (y - t)² over all elements;  y - t. */
BP_API bp_tensor *bp_squared_error(bp_tensor *y, bp_tensor *target);
/* The mean over all elements of -t ln s - (1-t) ln(1-s), s = sigmoid(logits);  (s - t) / n. */
BP_API bp_tensor *bp_bce_with_logits(bp_tensor *logits, bp_tensor *target);
/* The mean over samples of -Σ p ln softmax(logits). logits are [..., classes]; the target holds
 * either class numbers, i32 or i64 of shape [...], or probabilities of the shape of the logits.
 * gradient: (softmax(logits) - p) / n. */
BP_API bp_tensor *bp_cross_entropy(bp_tensor *logits, bp_tensor *target);

#ifdef __cplusplus
}
#endif
#endif
