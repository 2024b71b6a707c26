/* The recorded graph inside: nodes, leaves, variables, and what may be done with them. */
#ifndef BPI_GRAPH_H
#define BPI_GRAPH_H

#include <backprop.h>
#include <pthread.h>

#include "memory.h"
#include "name_table.h"
#include "text.h"

typedef struct bpi_node bpi_node;
typedef struct bpi_leaf bpi_leaf;
typedef struct bpi_variable bpi_variable;
typedef struct bpi_value bpi_value; /* where a computed tensor's values are: plan/plan.h */
typedef struct bpi_plans bpi_plans; /* the compiled plans of a graph: plan/plan.h */

enum { BPI_MAX_SCOPES = 64 };

/* One output of a node. */
struct bp_tensor {
    bpi_node *node;
    const bp_type *type; /* interned in the graph: equal types have equal addresses */
    union {
        bpi_value *value;  /* NULL until computed as a target; for leaves always NULL */
        bp_tensor *became; /* in a private graph: what stands for it, plan/rewrite.c */
    };
};

/* One recorded op. Allocated in one piece: outputs, then attributes, then operands follow. What is
 * looked at through a tensor stands next to the outputs, most often in the same line of the
 * cache. */
struct bpi_node {
    bp_graph *graph;
    const char *name; /* or NULL */
    bp_tensor **x;
    const bp_attr *attr;
    bpi_leaf *leaf; /* of a leaf, else NULL */
    const bp_op *op;
    uint32_t id;   /* place in the order of recording: operands have smaller ones */
    uint32_t mark; /* scratch of one traversal: == graph->mark when visited */
    uint32_t slot; /* scratch of one traversal: a number of its own */
    uint16_t inputs;
    uint8_t outputs;
    uint8_t attrs;
    bp_tensor y[];
};

/* Which output of its node a tensor is. */
static inline uint32_t bpi_index(const bp_tensor *tensor) {
    const bp_tensor *first = tensor->node->y;
    return tensor == first ? 0 : (uint32_t)(tensor - first);
}

/* What stands behind a leaf. The ops of leaves are bpi_op_input, _constant, _scalar, _variable. */
typedef enum bpi_leaf_kind { BPI_INPUT, BPI_CONSTANT, BPI_SCALAR, BPI_VARIABLE } bpi_leaf_kind;
struct bpi_leaf {
    bpi_leaf_kind kind;
    bool pointed;           /* data belongs to the caller: bp_point */
    bool listed;            /* in the list of the graph, to free owned memory */
    void *owned;            /* memory of the leaf in which data is, freed with the recording */
    const void *data;       /* values now (a variable's: see variable->data) */
    uint64_t stamp;         /* when they last changed, by the model's clock */
    bpi_variable *variable; /* of a variable */
    bpi_leaf *next;         /* of that list */
    union {
        float f32;
        double f64;
        int64_t i64;
    } scalar; /* storage of a scalar */
};

/* Types of which equal ones have one address (types.c). */
typedef struct bpi_types {
    bpi_arena arena;
    const bp_type **table; /* hash table; size is a power of two */
    size_t count, size;
} bpi_types;
/* Interns a type; NULL when memory is short. */
const bp_type *bpi_type_intern(bpi_types *types, const bp_type *type);
void bpi_types_free(bpi_types *types);

/* A named value of the model, in one piece with its name and its data. */
struct bpi_variable {
    const bp_type *type; /* interned in the model */
    void *data;          /* 64-byte aligned, stable address */
    uint64_t hash;       /* of the name */
    uint64_t stamp;      /* as leaf->stamp */
    bool trainable;
    bool alone; /* an allocation of its own; else in the arena of the model */
    char name[];
};

struct bp_model {
    pthread_mutex_t lock;     /* around the variables, their names, types and arena */
    bpi_variable **variables; /* in the order in which they were made */
    size_t count, capacity;
    bpi_name_table names;
    bpi_types types;
    bpi_arena arena;             /* small variables */
    bp_optimizer *optimizers;    /* list, freed with the model */
    struct bpi_derived *derived; /* list of ops made from backward functions */
    _Atomic uint64_t clock;      /* grows with every change of a value */
    uint64_t seed, step;         /* of random ops */
    uint64_t step_stamp;         /* when seed or step last changed */
    bp_failure why;
};

struct bp_graph {
    bp_model *model;
    bpi_arena arena;     /* nodes, names, attributes: all that dies with a reset */
    bpi_types *types;    /* its own; a private copy of a graph has the original's */
    bpi_types own_types; /* kept over a reset */
    bpi_node **nodes;    /* by id */
    size_t count, capacity;
    size_t again; /* while a recording repeats the last one: the nodes of that one; else 0 */
    bpi_leaf *leaves;     /* those that own their data, or have done so */
    bpi_name_table names; /* of tensors */
    /* The variables of this recording, and behind them those of the last one, in their order: it
     * is likely to be the same, and then none has to be looked up. */
    bpi_variable **variables;
    size_t variable_count, variable_next, variable_capacity;
    char scope[256]; /* "encoder.layer1." */
    size_t scope_length;
    uint16_t scope_starts[BPI_MAX_SCOPES]; /* length of `scope` before each open one */
    int scope_depth;
    bool share;
    uint32_t mark;           /* of the traversal under way */
    uint32_t random_ordinal; /* random ops recorded so far */
    uint64_t recording; /* number of this recording: grows with every reset; process-wide unique */
    bp_executor executor;
    uint64_t stale_before; /* values computed before this stamp are computed again */
    uint64_t pointings;    /* how often the data of a leaf have moved */
    int threads;
    bool profiling;
    double profile_overhead; /* nanoseconds of each measured time that the measuring takes */
    bp_failure why;
    bpi_plans *plans; /* made on first run */
    bpi_text text;    /* what bp_plan_text and its like return */
};

/* ---- recording ------------------------------------------------------------------------------- */

/* Ops of leaves and of effects: src/leaf.c. */
extern const bp_op bpi_op_input, bpi_op_constant, bpi_op_scalar, bpi_op_variable, bpi_op_assign;

/* Appends a node without running its shape rule; y[k] of the interned type types[k]. NULL when
 * memory is short (the failure is kept). `leaf` may be NULL. */
bpi_node *bpi_node_append(bp_graph *graph, const bp_op *op, bp_tensor *const *x, int inputs,
                          const bp_attr *attr, const bp_type *const *types, int outputs,
                          bpi_leaf *leaf);
/* Appends a node that shares name, leaf and attributes with one of another graph, which lasts
 * longer; its operands are to be filled in. */
bpi_node *bpi_node_copy(bp_graph *graph, const bpi_node *from, const bp_type *const *types);
/* Records the node that the last recording had at this place, when it is just what is to be
 * recorded now; NULL when it is not, or a node had to be made before (again.c). */
bpi_node *bpi_node_again(bp_graph *graph, const bp_op *op, bp_tensor *const *x, int inputs,
                         const bp_attr *attr);
/* The same for a leaf, whose values are still to be given. */
bpi_node *bpi_leaf_again(bp_graph *graph, const bp_op *op, const bp_type *type);
/* As bp_record for an op without operands. */
bp_tensor *bpi_record_leaf(bp_graph *graph, const bp_op *op, const bp_type *type,
                           bpi_leaf_kind kind, bpi_leaf **leaf);
/* Has the leaf own its data: freed with the recording. */
void bpi_leaf_own(bp_graph *graph, bpi_leaf *leaf, void *memory);
/* Which attribute is the ordinal of an op's random numbers; -1: none. */
int bpi_op_ordinal(const bp_op *op);
/* Tells whether two attributes are equal, reals bit for bit. The list of the second one may be
 * NULL, and equals none then. */
bool bpi_same_attr(const bp_attr *a, const bp_attr *b);
/* Number of attributes and outputs of an op. */
int bpi_op_attrs(const bp_op *op);
int bpi_op_outputs(const bp_op *op);

/* Keeps the first failure of a graph; returns NULL so that `return
 * bpi_graph_fail(...)` reads well. */
void *bpi_graph_fail(bp_graph *graph, bp_status status, const char *format, ...) BP_FORMAT(3, 4);

/* As bp_find and bp_named with the hash of the name, which the tensor takes as it is: it lasts as
 * long as the recording. */
bp_tensor *bpi_find_name(const bp_graph *graph, const char *name, uint64_t hash);
bp_tensor *bpi_take_name(bp_tensor *tensor, const char *name, uint64_t hash);

/* ---- traversal ------------------------------------------------------------------------------- */

/* A pass over a large graph mostly waits for the operands of its nodes, which may be anywhere: has
 * those of a node that it will come to soon fetched into the cache. */
enum { BPI_NODES_AHEAD = 12 };
static inline void bpi_fetch_operands(const bpi_node *node) {
    for (int k = 0; k < node->inputs; k++)
        __builtin_prefetch(node->x[k]);
}
static inline void bpi_fetch_ahead(bpi_node *const *nodes, size_t at, size_t count) {
    if (at + BPI_NODES_AHEAD < count)
        bpi_fetch_operands(nodes[at + BPI_NODES_AHEAD]);
}

/* The nodes that `targets` depend on, themselves included, in the order of recording. */
typedef struct bpi_closure {
    bpi_node **nodes;
    size_t count, capacity;
} bpi_closure;
/* Fills `closure`, using the memory that it has (begin with zeros; free closure->nodes with
 * bpi_free), without recursion, in linear time up to sorting; afterwards node->mark == graph->mark
 * for its nodes and node->slot is the place in `nodes`. On failure it is empty. */
bp_status bpi_closure_of(bp_graph *graph, bp_tensor *const *targets, int count,
                         bpi_closure *closure);

/* Copies a closure that is not empty into another graph: the copy of closure->nodes[k] becomes
 * copies[k]. Names, attributes and what stands behind leaves are shared: the copy must not outlive
 * the recording that it is of, and is not found by name. With retype not BP_DTYPE_COUNT every float
 * tensor becomes `retype`: the shape rules run again, float leaves become inputs with converted
 * values, and the result of an assignment becomes its value: the copy assigns nothing. */
bp_status bpi_clone(bp_graph *to, const bpi_closure *closure, bp_dtype retype, bpi_node **copies);

/* ---- gradients (autodiff.c) ------------------------------------------------------------------ */

/* Reverse mode: bp_grads without its checks. */
bp_status bpi_reverse(bp_tensor *const *targets, bp_tensor *const *cotangents, int target_count,
                      bp_tensor *const *wrt, int wrt_count, bp_tensor **gradients);
/* Sums over the dimensions that broadcasting from `shape` to the shape of x
 * repeated. NULL for NULL. */
bp_tensor *bpi_sum_to(bp_tensor *x, bp_shape shape);

/* For tests of the verifier: when set, called after each VJP rule and may change
 * v->gx. Process-wide. */
extern void (*bpi_vjp_fault)(bp_vjp *v);

/* ---- variables ------------------------------------------------------------------------------- */

/* Keeps the last failure of a model, if there is one to keep it; returns `status`. */
bp_status bpi_model_fail(const bp_model *model, bp_status status, const char *format, ...)
    BP_FORMAT(3, 4);

bpi_variable *bpi_variable_find(const bp_model *model, const char *name, uint64_t hash);
/* Makes a variable, initialised, unless another thread has just made one of that name. Returns the
 * one that there is; NULL with model->why set. */
bpi_variable *bpi_variable_new(bp_model *model, const char *name, uint64_t hash,
                               const bp_type *type, bp_init init, bool trainable);
/* Fills memory of a type by an initialiser (nn/init.c). */
bp_status bpi_init_fill(bp_init init, uint64_t seed, const char *name, const bp_type *type,
                        void *data, bp_failure *why);
/* Next tick of the model's clock. */
uint64_t bpi_clock(bp_model *model);

/* Writes `value` as one element of `dtype`; reads one as a double. */
void bpi_store(bp_dtype dtype, void *at, int64_t index, double value);
double bpi_load(bp_dtype dtype, const void *at, int64_t index);

/* The elements of a shape that has been checked. */
static inline int64_t bpi_count(const bp_shape *shape) {
    int64_t count = 1;
    for (int k = 0; k < shape->rank; k++)
        count *= shape->size[k];
    return count;
}

/* As bp_shape_equal, most often by one look: equal types are interned. */
static inline bool bpi_same_shape(const bp_shape *a, const bp_shape *b) {
    bool same = a == b || a->rank == b->rank;
    for (int k = 0; k < a->rank && a != b && same; k++)
        same = a->size[k] == b->size[k];
    return same;
}

static inline bool bpi_same_type(const bp_type *a, const bp_type *b) {
    return a->dtype == b->dtype && bpi_same_shape(&a->shape, &b->shape);
}

/* Hashes for the tables of the library: FNV-1a over a string; and of a hash so far with a word. */
uint64_t bpi_hash_text(const char *text);
uint64_t bpi_hash_name(const char *name); /* for tables: of eight bytes at a time */
static inline uint64_t bpi_hash_mix(uint64_t hash, uint64_t word) {
    hash = (hash ^ word) * 0x9E3779B97F4A7C15u; /* 2^64 / golden ratio: multiplicative hashing */
    return hash ^ hash >> 32;
}

#endif
