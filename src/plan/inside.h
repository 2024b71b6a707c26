/* What the files of this folder share: the way from a request to a plan that runs.
 *
 *   structure     the key of a request: what the targets depend on, as words        structure.c
 *   rewriting     a private copy of that graph (with what the extension recorded):
 *                 composites expanded, equal nodes merged, simplified      rewrite.c, rules.c
 *   program       the nodes that are left as steps over registers                   program.c
 *   products      matrix products prepared, with a bias, a relu or an update       product.c
 *   fusion        elementwise steps, and sums, that run together block by block
 *                                                                              fuse.c, chain*.c
 *   placement     which register lives where, and for how long           place.c, offsets.c
 *   instructions  steps with their kernels and operands resolved                       emit.c
 *   short forms   of chains and products of a few vectors                            short*.c
 *
 * Each of these is a pass over the result of the one before it. Equal chains, and equal products,
 * share what they are (forms.c), so that a step has little of its own. The naive executor runs a
 * program as it is, without fusion and placement. */
#ifndef BPI_PLAN_INSIDE_H
#define BPI_PLAN_INSIDE_H

#include "kernel/map.h"
#include "plan.h"

#define BPI_NONE UINT32_MAX /* no register, no step */

/* ---- the key of a request (structure.c) ------------------------------------------------------ */

/* The structure of what some targets depend on. Values that may change from one recording to the
 * next (inputs, scalars, large constants) are leaves, in an order that only depends on the
 * structure. */
typedef struct bpi_structure {
    bpi_closure closure; /* the nodes that it is of: until the next traversal of the graph */
    uint64_t *words;     /* the structure, then request->key */
    size_t count, capacity;
    const bp_tensor **leaves; /* also the variables: they say when a value is stale */
    size_t leaf_count, leaf_capacity;
    bool random;  /* depends on the model's seed and step */
    bool effects; /* assigns to variables */
} bpi_structure;

/* Fills `structure`, reusing its memory. */
bp_status bpi_structure_of(bp_graph *graph, const bpi_request *request, bpi_structure *structure);
uint64_t bpi_structure_hash(const bpi_structure *structure); /* of the words */
void bpi_structure_free(bpi_structure *structure);
/* Tells whether a leaf is a constant so small that its bytes belong to the structure. */
bool bpi_is_small_constant(const bpi_node *node);

/* ---- rewriting (rewrite.c, rules.c) ---------------------------------------------------------- */

/* A private graph after rewriting: the nodes that are left, operands before their readers; what
 * the roots have become; and, as further roots, the effects that they depend on. */
typedef struct bpi_rewritten {
    bpi_node **nodes;
    size_t count, capacity;
    bp_tensor **roots;
    size_t root_count, root_capacity;
    uint32_t *readers; /* by id of a node: 1, and 1 for each time that a root is it, or that a node
                          which is left reads it; 0: it is not left */
    size_t reader_capacity;
    size_t regs, steps, effects; /* the most that the nodes can take */
} bpi_rewritten;

/* Rewrites the private graph `graph`, whose nodes it changes. Composite ops are expanded; with
 * `simplify` the rules are applied and equal nodes merged. Nodes may be left that nothing reads. On
 * failure graph->why says why. Free the result with bpi_rewritten_free. */
bp_status bpi_rewrite(bp_graph *graph, bp_tensor *const *roots, int count, bool simplify,
                      bpi_rewritten *out);
void bpi_rewritten_free(bpi_rewritten *rewritten);

/* Applies the first rule that fits: returns a tensor of the same type and value as node->y[0],
 * recorded in the same graph where it is new; NULL when no rule fits. Rules may also replace
 * operands of `node` by others with which its value is the same. */
bp_tensor *bpi_simplify(bpi_node *node);

/* ---- programs (program.c) -------------------------------------------------------------------- */

/* Where the memory of a register is. */
typedef enum bpi_home {
    BPI_HOME_ARENA,    /* in the arena of the graph, which all its plans share */
    BPI_HOME_RESULT,   /* in the plan's results, which outlive the run */
    BPI_HOME_CONSTANT, /* in the plan's constants */
    BPI_HOME_LEAF,     /* where a leaf of the bound recording points */
    BPI_HOME_FIXED     /* at an address: a variable, or what the extension pointed at */
} bpi_home;

/* A tensor of a program. */
typedef struct bpi_reg {
    const bp_type *type; /* interned in the graph of the plan; NULL for a workspace */
    const char *name;    /* of the tensor, or NULL */
    size_t bytes;
    union {
        size_t offset;
        size_t leaf;
        const void *fixed;
    } at;
    uint8_t home; /* of a root: a bpi_home */
    bool tight;   /* of a root: nothing behind its last element may be read or written;
                     else there is room up to the next multiple of 64 bytes */
} bpi_reg;

typedef enum bpi_step_kind {
    BPI_STEP_MAP,     /* an elementwise op with map kernels */
    BPI_STEP_KERNEL,  /* one call on whole arrays */
    BPI_STEP_SWEEP,   /* an elementwise op with several results */
    BPI_STEP_PRODUCT, /* a matrix product, and steps behind it: op is the product's */
    BPI_STEP_CHAIN,   /* elementwise ops and sums that run together: op is the last of them */
    BPI_STEP_COPY,    /* bytes of x[0] to y; op is NULL */
    BPI_STEP_GONE     /* a product has taken it up; fusion leaves it out */
} bpi_step_kind;

/* An op to be run. */
typedef struct bpi_step {
    const bp_op *op;
    const bp_attr *attr;
    union {
        struct bpi_chain *chain;          /* of a chain */
        struct bpi_plan_product *product; /* of a product */
    };
    const uint32_t *x;  /* registers */
    uint32_t y;         /* the first of `outputs` consecutive registers */
    uint32_t workspace; /* register, or BPI_NONE */
    uint16_t inputs;
    uint8_t outputs;
    uint8_t kind;
} bpi_step;

/* A variable that takes the value of a register. */
typedef struct bpi_effect {
    bpi_variable *variable;
    uint32_t reg; /* of the variable */
    uint32_t value;
    bool direct; /* the value is computed where the variable is: nothing to copy */
} bpi_effect;

typedef struct bpi_program {
    bpi_arena memory; /* operands, attributes, names, and what instructions refer to */
    bpi_reg *regs;
    uint32_t *root; /* by register: the one whose memory it uses: itself, or what it is an alias of;
                       apart, since most passes look at little else */
    size_t reg_count;
    bpi_step *steps;
    size_t step_count, step_capacity;
    bpi_effect *effects;
    size_t effect_count;
    uint32_t *targets; /* the register of each target */
    int target_count;
    size_t leaf_count;
    char *constants, *results; /* blocks of memory */
    size_t constant_bytes, result_bytes, arena_bytes;
    size_t bound_bytes; /* the least that any placement of these lifetimes needs */
} bpi_program;

/* Makes a program of what the roots need: the first `targets` of them are targets, and have their
 * places among the results. `leaves` are the nodes that stand for leaves of the request, by their
 * number. On failure bpi_program_free is still to be called. */
bp_status bpi_program_of(const bpi_rewritten *rewritten, int targets, bpi_node *const *leaves,
                         size_t leaf_count, bpi_program *program, bp_failure *why);
void bpi_program_free(bpi_program *program);
/* Makes room for `count` registers in all. */
bool bpi_reserve_regs(bpi_program *program, size_t count);
static inline bpi_reg *bpi_root_of(const bpi_program *program, uint32_t reg) {
    return &program->regs[program->root[reg]];
}
static inline bool bpi_is_chain(const bpi_step *step) { return step->kind == BPI_STEP_CHAIN; }
static inline bool bpi_is_product(const bpi_step *step) { return step->kind == BPI_STEP_PRODUCT; }
/* The bytes that a tensor of a type takes. */
size_t bpi_type_bytes(const bp_type *type);
/* The bytes that a register takes where several are placed together. */
size_t bpi_aligned(size_t bytes);
/* Tells whether a step can fail because of the values that it works on. */
bool bpi_step_can_fail(const bpi_program *program, const bpi_step *step);

/* The flops of a step, and with them the bytes that it reads and writes (cost.c); a copy has its
 * bytes alone. */
double bpi_step_flops(const bpi_program *program, const bpi_step *step);
void bpi_step_cost(const bpi_program *program, const bpi_step *step, double *flops, double *bytes);

/* Of a register that is a root: which step computes the memory, and which one reads it last,
 * BPI_NONE where there is none; and how many steps, effects and targets read it (uses.c). */
typedef struct bpi_use {
    uint32_t maker, reader, reads;
    uint32_t renamed; /* the register that takes its place; BPI_NONE: none */
} bpi_use;

typedef struct bpi_uses {
    bpi_use *of;  /* by register */
    bool renamed; /* there are renames to be applied */
} bpi_uses;

/* Also makes room for a new register for the result of every step. */
bool bpi_note_uses(bpi_program *program, bpi_uses *uses);
void bpi_free_uses(bpi_uses *uses);
/* Returns a new register, the next one, for the memory of a result: several called for one after
 * the other are the outputs of one step. All names of the old one become names of it with
 * bpi_apply_renames. */
uint32_t bpi_rename_result(bpi_program *program, bpi_uses *uses, uint32_t reg);
void bpi_apply_renames(bpi_program *program, bpi_uses *uses);

/* Makes products of steps of matrix multiplication (product.c). At every run they may take
 * `*threads` threads; 0: as many as are worth it. BP_ERR_MEMORY when memory is short. */
bp_status bpi_join_products(bpi_program *program, bpi_uses *uses, const int *threads);

/* Makes chains of elementwise steps (fuse.c); `threads` and failures as above. */
bp_status bpi_fuse(bpi_program *program, bpi_uses *uses, const int *threads);

/* ---- placement (place.c) --------------------------------------------------------------------- */

/* Lets values of variables be computed in place where that is safe, appends the copies of the
 * others as steps, and places every register of the arena. BP_ERR_MEMORY when memory is short. */
bp_status bpi_place_program(bpi_program *program);

/* ---- plans (plan.c) -------------------------------------------------------------------------- */

typedef struct bpi_instruction bpi_instruction;

/* Where the operands that stand for a leaf point now, and the bytes that they read there. */
typedef struct bpi_pointing {
    const void *data;
    size_t bytes;
} bpi_pointing;

struct bpi_plan {
    bpi_plan *next; /* the one used before this one */
    uint64_t *words;
    size_t word_count, key_words; /* the last key_words are request->key */
    uint64_t hash;
    bp_executor executor;
    bool random, effects; /* of what the targets depend on; the extension does not count */
    const int *threads;   /* of the graph, as bp_set_threads takes it */
    bpi_program program;
    bpi_value *values; /* by target */

    uint64_t recording;  /* the recording whose tensors it is bound to; 0: none */
    bp_tensor **targets; /* those tensors */
    const bpi_leaf **leaves;
    bpi_pointing *pointed; /* by leaf */
    uint64_t pointings;    /* graph->pointings when they were made to; UINT64_MAX: binding is new */

    bpi_instruction *code;   /* of a planned plan: one for each step */
    const void ***uses;      /* operands that point at a leaf; those of leaf k are ... */
    size_t *use_start;       /* ... uses[use_start[k]..use_start[k + 1]) */
    uint64_t **random_state; /* of the instructions that draw: {seed, ordinal, step} */
    size_t random_count, random_capacity;
    uint64_t *profile; /* nanoseconds of each instruction so far; NULL: never measured */
    uint64_t profiled_runs;
    const char *base;  /* the arena that the operands point into; NULL: nowhere yet */
    size_t room_bytes; /* for what short forms compute, behind the arena */
};

enum { BPI_PLANS_KEPT = 32 };

struct bpi_plans {
    bpi_plan *first; /* most recently used first */
    int count;
    bpi_structure structure; /* of the request at hand */
    char *arena;
    size_t arena_bytes;
    bp_failure why; /* of the kernel that failed */
};

/* Finds the plan of a request or makes it, and binds it to the request's tensors; NULL with the
 * failure kept in the graph. */
bpi_plan *bpi_plan_for(bp_graph *graph, const bpi_request *request);

/* The graph of several tensors; NULL, with a failure kept where there is a graph, when one of
 * them is NULL or of another graph (values.c). */
bp_graph *bpi_graph_of(const char *function, bp_tensor *const *tensors, int count);

/* Makes a plan that is not in the list yet, and takes over the words of the structure; NULL with
 * the failure kept (compile.c). */
bpi_plan *bpi_compile(bp_graph *graph, const bpi_request *request, bpi_structure *structure);
void bpi_plan_free(bpi_plan *plan);

/* An instruction: a step with its kernel and operands resolved. It needs nothing else to run, so
 * that any thread can run it. */
struct bpi_instruction {
    bp_status (*run)(const bpi_instruction *self);
    union {
        struct { /* of an elementwise step or a copy */
            bpi_map_fn *map;
            size_t n; /* elements; bytes for a copy */
            const void *x[BPI_MAP_OPERANDS];
            void *y;
        };
        struct { /* of a chain or a product: where operands and results are now */
            const void **operands;
            void **results;
        };
    };
    const void *more; /* attributes, a bpi_chain, its short form, a bpi_plan_product or a call */
};

/* Resolves the steps of a placed program into instructions (emit.c); kernels put their words
 * into `why`. BP_ERR_MEMORY when memory is short. */
bp_status bpi_emit(bpi_plan *plan, bp_failure *why);
/* Points every operand at its memory again, after the arena has moved. */
void bpi_point_code(bpi_plan *plan, const char *arena);

/* Runs the instructions (run.c). `why` says what failed. */
bp_status bpi_run_code(bp_graph *graph, bpi_plan *plan, bp_failure *why);
/* Runs the instructions one by one with a clock, up to one that fails (profile.c). */
bp_status bpi_run_measured(bpi_plan *plan, const bpi_instruction **failed);
/* Runs the program of a naive plan (naive.c). */
bp_status bpi_run_naive(bp_graph *graph, bpi_plan *plan, bp_failure *why);
/* Where a register of a plan is now. */
void *bpi_reg_address(const bpi_plan *plan, uint32_t reg, const char *arena);
/* Appends "f32 %7[4] = add+relu(x[4], %6[4])", and only "add+relu" (print.c). */
void bpi_add_step(bpi_text *text, const bpi_program *program, const bpi_step *step);
void bpi_add_ops(bpi_text *text, const bpi_step *step);
/* Puts op, name and operands around the words of a kernel that failed. */
bp_status bpi_step_fail(const bpi_program *program, const bpi_step *step, bp_status status,
                        bp_failure *why);
/* The ordinal of a random op among its attributes; 0 where it has none. */
uint64_t bpi_random_ordinal(const bp_op *op, const bp_attr *attr);

#endif
