/* Ops of your own: the record of an op is one struct, the same for yours and for the built-in ones.
 *
 * The least that an op of your own needs is a name, its operands, an `infer` rule (or none: the
 * result then has the type of the first operand), a `forward` kernel on plain arrays, and for
 * training either `vjp`, which records ops (and can be differentiated again), or
 * `backward` on plain arrays. */
#ifndef BACKPROP_OP_H
#define BACKPROP_OP_H

#include <backprop/base.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BP_MAX_ATTRS 8    /* attributes of an op */
#define BP_MAX_OPERANDS 4 /* operands of an op that is not BP_VARIADIC */
#define BP_MAX_OUTPUTS 4  /* outputs of an op */
#define BP_VARIADIC (-1)  /* as `arity`: one operand or more */

/* ---- attributes: typed, enumerable, part of a node's structure ------------------------------- */

typedef enum bp_attr_type {
    BP_ATTR_NONE = 0,
    BP_ATTR_INT,  /* i: an integer, a flag, or a dtype */
    BP_ATTR_REAL, /* f */
    BP_ATTR_INTS, /* list, count: axes, sizes */
    BP_ATTR_DTYPE /* i: a bp_dtype */
} bp_attr_type;

typedef struct bp_attr {
    bp_attr_type type;
    int count; /* length of `list` */
    union {
        int64_t i;
        double f;
        const int64_t *list;
    } as;
} bp_attr;

typedef struct bp_attr_spec {
    const char *name;
    bp_attr_type type;
} bp_attr_spec;

BP_API bp_attr bp_attr_int(int64_t value);
BP_API bp_attr bp_attr_real(double value);
BP_API bp_attr bp_attr_ints(const int64_t *list, int count); /* the list is copied when recorded */
BP_API bp_attr bp_attr_dtype(bp_dtype dtype);

/* ---- operands -------------------------------------------------------------------------------- */

typedef struct bp_operand {
    const char *name; /* as in the formulas: "x", "weight", "labels" */
    bool no_gradient; /* true: no cotangent flows here, whatever its dtype */
} bp_operand;

/* ---- the shape rule -------------------------------------------------------------------------- */

/* What an `infer` rule sees and fills: types of the operands in, types of the outputs out. */
typedef struct bp_signature {
    const bp_op *op;
    int inputs;
    const bp_type *x;          /* [inputs] */
    const bp_attr *attr;       /* as op->attrs */
    bp_type y[BP_MAX_OUTPUTS]; /* to be filled */
    bp_failure *why;
} bp_signature;

/* Fails a shape rule with words; returns `status`. The op's name and the operands' names and types
 * are put around the text by the caller, so say what is wrong and the likely fix. */
BP_API bp_status bp_infer_fail(bp_signature *s, bp_status status, const char *format, ...)
    BP_FORMAT(3, 4);
/* Reusable rules. Same: the result has the type of the first operand, all operands the same type.
 * Broadcast: NumPy broadcasting, all operands of one dtype, which the result has. Float: as `same`,
 * f32 or f64 only. F64: as `same`, f64 only, for kernels written for double. A kernel is given
 * arrays of every dtype that `infer` lets through. */
BP_API bp_status bp_infer_same(bp_signature *s);
BP_API bp_status bp_infer_broadcast(bp_signature *s);
BP_API bp_status bp_infer_float(bp_signature *s);
BP_API bp_status bp_infer_f64(bp_signature *s);
BP_API bp_status bp_infer_broadcast_float(bp_signature *s);

/* ---- the gradient as graph ------------------------------------------------------------------- */

/* What a `vjp` rule sees: operands, outputs, cotangents of the outputs (NULL where none arrives);
 * it records ops and stores the cotangent of every operand k with need[k] in gx[k]. For an
 * elementwise op gx[k] may have the shape of the output: reverse mode sums it over the broadcast
 * dimensions. Leaving gx[k] NULL where need[k] is a failure of the rule: record zeros where the
 * gradient is zero. */
typedef struct bp_vjp {
    bp_graph *graph;
    const bp_op *op;
    const bp_attr *attr;
    int inputs, outputs;
    bp_tensor *const *x;
    bp_tensor *const *y;
    bp_tensor *const *gy;
    bp_tensor **gx;
    const bool *need;
} bp_vjp;

/* ---- kernels on arrays ----------------------------------------------------------------------- */

/* An operand or a result at run time: contiguous, row-major, `count` elements. */
typedef struct bp_array {
    void *data;
    const bp_type *type;
    int64_t count;
} bp_array;

/* One call of a kernel. `forward` reads x and writes y. `backward` reads x, y and gy (all of them
 * present; zeros where no cotangent arrives) and writes (not adds) gx[k] for every operand k where
 * gx[k].data is not NULL. Both are given the workspace that op->workspace asks for, with the types
 * of x and y. An elementwise op sees broadcast operands expanded: x[k] and gx[k] have the shape of
 * y, and reverse mode sums gx[k] over the broadcast dimensions.
 *
 * A BP_OP_RANDOM op draws numbers that are a function of `random` (seed of the model, ordinal of
 * the op, step of the model) and of the element, so that `backward` draws what `forward` drew. It
 * must have an attribute {"ordinal", BP_ATTR_INT}: ops with one ordinal draw the same numbers, and
 * one recorded with -1 is given the next ordinal of the recording. */
typedef struct bp_call {
    const bp_op *op;
    const bp_attr *attr;
    int inputs, outputs;
    const bp_array *x;
    const bp_array *y;
    const bp_array *gy;
    const bp_array *gx;
    void *workspace;        /* op->workspace bytes, aligned to 64 */
    const uint64_t *random; /* for a BP_OP_RANDOM op: seed, ordinal, step */
    bp_failure *why;
} bp_call;

typedef bp_status bp_kernel(const bp_call *call);

/* Fails a kernel with words (say which element and what to do); returns `status`. */
BP_API bp_status bp_kernel_fail(const bp_call *call, bp_status status, const char *format, ...)
    BP_FORMAT(3, 4);

/* ---- the record ------------------------------------------------------------------------------ */

enum {
    BP_OP_ELEMENTWISE = 1u << 0,   /* y[i] depends on x[k][i] only, operands broadcast */
    BP_OP_LINEAR = 1u << 1,        /* linear in each float operand alone: differences are exact */
    BP_OP_RANDOM = 1u << 2,        /* draws random numbers: never merged or folded; see bp_call */
    BP_OP_EFFECT = 1u << 3,        /* changes state: never dropped while it is a target */
    BP_OP_ZERO_GRADIENT = 1u << 4, /* the gradient is zero everywhere, rightly */
    BP_OP_ALIAS = 1u << 5,         /* the output has the bytes of the first operand: reshape */
    BP_OP_LEAF = 1u << 6,          /* no operands: values come from outside */
    BP_OP_NO_SECOND = 1u << 7      /* second-order gradients are zero or undefined on the samples */
};

struct bp_op {
    const char *name;    /* unique; what files and messages say */
    const char *summary; /* one sentence */
    int arity;           /* number of operands, at most BP_MAX_OPERANDS, or BP_VARIADIC */
    int outputs;         /* at most BP_MAX_OUTPUTS; 0 means 1 */
    bp_operand operands[BP_MAX_OPERANDS];
    bp_attr_spec attrs[BP_MAX_ATTRS];
    unsigned flags;

    bp_status (*infer)(bp_signature *s); /* NULL: the result has the type of the first operand */
    void (*vjp)(bp_vjp *v);              /* the gradient, recorded */
    bp_kernel *forward;                  /* on arrays: for a built-in op, the portable reference */
    bp_kernel *backward;                 /* instead of vjp: the gradient on arrays */
    bp_tensor *(*lower)(bp_tensor *const *x, int inputs, const bp_attr *attr); /* or: of these */
    size_t (*workspace)(const bp_signature *s); /* bytes a kernel needs; may be NULL */
    void (*cost)(const bp_signature *s, double *flops, double *bytes); /* NULL: 1 flop an element */

    const char *formula;   /* "y = 1 / (1 + exp(-x))"; grammar in docs/formulas.md */
    const char *gradient;  /* "gx = gy * y * (1 - y)"; several operands: parts joined by "; " */
    const char *kinks;     /* where the derivative jumps: zeros of these, joined by "; ": "x - y" */
    const char *domain;    /* conditions on the operands, joined by "; ": "x > 0" */
    const char *saturates; /* where the gradient vanishes in floating point: "abs(x) > 17" */
    const char *source;    /* of the method: paper, book, or what it agrees with */

    /* The samples on which the op is checked, one string each, ended by NULL; see docs/formulas.md:
     * "[2,3] [3]"  two operands;  "[4,5] [4]:i64<5 | axis=1"  an integer operand below 5,
     * attribute; "[3](0.5,2)"  drawn from that range. */
    const char *const *samples;

    const void *kernel; /* optimised kernels of a built-in op; NULL for yours */
    unsigned reserved[4];
};

/* Records one op on operands of one graph. Returns its first output (bp_output gives the others),
 * or NULL with the failure kept in the graph: a NULL operand, operands of two graphs, a wrong
 * number of operands or attributes, a record that cannot be, or a shape rule that fails. `attrs`
 * are copied; may be NULL when the op has none. The record must outlive the graph and stay as it
 * is, and its `infer` depend on nothing but the signature: what is recorded again after a reset is
 * not inferred again. Where there is no operand that is not NULL, there is no graph that could keep
 * a failure. */
BP_API bp_tensor *bp_record(const bp_op *op, bp_tensor *const *operands, int count,
                            const bp_attr *attrs);

/* Returns built-in op `index` (0, 1, ...), NULL past the last; and one by name,
 * NULL when unknown. */
BP_API const bp_op *bp_op_at(int index);
BP_API const bp_op *bp_op_find(const char *name);

#ifdef __cplusplus
}
#endif
#endif
