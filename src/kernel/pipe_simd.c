/* The kernels of pipe.h. Compiled once per instruction set and float type; settings: BPI_BITS (32
 * or 64) and BPI_TABLE, the name of the table.
 *
 * The jumps are calls in the last place, which compilers make jumps of where they optimise. The
 * loop over groups goes by returning, so that nothing depends on it but speed. The group is in as
 * many registers as a call passes values in; of 512 bits, half of them: a jump takes the time of
 * one op on eight vectors of 256 bits. */
#include "pipe.h"

#include "map_names.inc"
#include "map_vectors.h"

#if BPI_VEC_BITS == 512
#define V_ARGUMENTS vec v0, vec v1, vec v2, vec v3
#define V_EACH(f) f(v0, 0), f(v1, 1), f(v2, 2), f(v3, 3)
enum { VECTORS = 4 };
#else
#define V_ARGUMENTS vec v0, vec v1, vec v2, vec v3, vec v4, vec v5, vec v6, vec v7
#define V_EACH(f) f(v0, 0), f(v1, 1), f(v2, 2), f(v3, 3), f(v4, 4), f(v5, 5), f(v6, 6), f(v7, 7)
enum { VECTORS = 8 };
#endif
enum { GROUP = VECTORS * sizeof(vec) };

/* The step itself, the place of the middle of the group in bytes, and the group. */
#define PIPE_ARGUMENTS const bpi_pipe_step *s, size_t i, V_ARGUMENTS
typedef void pipe_fn(PIPE_ARGUMENTS);
#define PIPE_NEXT(f) ((pipe_fn *)s[1].run)(s + 1, i, V_EACH(f))

/* The middle of what belongs to the group, from where all of it is within reach of a byte: short
 * instructions matter to code that jumps so much. */
static inline real *pipe_at(const bpi_pipe_step *s, size_t i) {
    return (real *)((char *)s->at + (i & s->mask));
}
#define V_PLACE(k) (((k)-VECTORS / 2) * LANES)

#define V_SAME(v, k) v
#define V_LOAD(v, k) v_load(x + V_PLACE(k))
#define V_STORE(v, k) v_store(y + V_PLACE(k), v)
#define V_STREAM(v, k) v_stream(y + V_PLACE(k), v)

static void pipe_load(PIPE_ARGUMENTS) {
    const real *x = pipe_at(s, i);
    PIPE_NEXT(V_LOAD);
}

static void pipe_fetch(PIPE_ARGUMENTS) {
    for (int k = -GROUP / 2; k < GROUP / 2; k += 64)
        __builtin_prefetch((const char *)s->at + i + s->ahead + k);
    PIPE_NEXT(V_SAME);
}

static void pipe_store(PIPE_ARGUMENTS) {
    real *y = pipe_at(s, i);
    V_EACH(V_STORE);
    PIPE_NEXT(V_SAME);
}

static void pipe_finish(PIPE_ARGUMENTS) {
    real *y = pipe_at(s, i);
    V_EACH(V_STORE);
}

static void pipe_finish_past(PIPE_ARGUMENTS) {
    real *y = pipe_at(s, i);
    V_EACH(V_STREAM);
}

static void run(const bpi_pipe_step *s, size_t bytes) {
    for (size_t i = GROUP / 2; i < bytes; i += GROUP) { /* the first step needs no jump */
        const real *x = pipe_at(s, i);
        PIPE_NEXT(V_LOAD);
    }
#if BPI_VEC_BITS > 128 /* the compiler does not see that wide registers were used */
    __builtin_ia32_vzeroupper();
#endif
}

static void fence(void) { v_fence(); }

#define MAP_FORM "pipe_step.inc"
#include "map_cheap.inc"

#define STEP(f) (bpi_pipe_fn *)(f)
#define ALONE(slot, op) \
    { STEP(pipe_##op), BPI_MAP_##slot, BPI_PIPE_FIRST, false }
#define SECOND(slot, op) \
    { STEP(pipe_second_##op), BPI_MAP_##slot, BPI_PIPE_SECOND, false }
#define COMMUTING(slot, op)                                          \
    {STEP(pipe_##op), BPI_MAP_##slot, BPI_PIPE_EITHER, false},       \
    {                                                                \
        STEP(pipe_scalar_##op), BPI_MAP_##slot, BPI_PIPE_EITHER, true \
    }
#define ORDERED(slot, op)                                             \
    ALONE(slot, op), SECOND(slot, op),                                \
        {STEP(pipe_scalar_##op), BPI_MAP_##slot, BPI_PIPE_FIRST, true}, \
    {                                                                 \
        STEP(pipe_second_scalar_##op), BPI_MAP_##slot, BPI_PIPE_SECOND, true \
    }
#define GRADIENT(slot, op) ALONE(slot, op), SECOND(slot, op)

static const bpi_pipe_op ops[] = {
    COMMUTING(ADD, add),
    ORDERED(SUB, sub),
    COMMUTING(MUL, mul),
    ORDERED(DIV, div),
    ORDERED(MAXIMUM, maximum),
    ORDERED(MINIMUM, minimum),
    ALONE(NEG, neg),
    ALONE(SQUARE, square),
    ALONE(ABS, abs),
    ALONE(SIGN, sign),
    ALONE(SQRT, sqrt),
    ALONE(RECIPROCAL, reciprocal),
    ALONE(RELU, relu),
    ALONE(LEAKY_RELU, leaky_relu),
    GRADIENT(SIGMOID_GRAD, sigmoid_grad),
    GRADIENT(TANH_GRAD, tanh_grad),
    GRADIENT(RELU_GRAD, relu_grad),
    GRADIENT(LEAKY_RELU_GRAD, leaky_relu_grad),
};

extern const bpi_pipe BPI_TABLE;
const bpi_pipe BPI_TABLE = {.group = GROUP,
                            .slot = GROUP / 2,
                            .run = run,
                            .fence = fence,
                            .load = STEP(pipe_load),
                            .store = STEP(pipe_store),
                            .finish = STEP(pipe_finish),
                            .fetch = STEP(pipe_fetch),
                            .finish_past = STEP(pipe_finish_past),
                            .ops = {ops, sizeof ops / sizeof *ops}};
