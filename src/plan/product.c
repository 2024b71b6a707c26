/* Products: steps of matrix multiplication are prepared once, and take up the elementwise steps
 * behind them that cost least in the registers of the product:
 *
 *   a bias, and a relu        relu(a b + bias)
 *   an addition to a variable that takes the result: w - rate a b, momentum v + a b; for the
 *   latter, also the step that the variable w takes by it: w - rate v
 *   an elementwise op with several results, the update of Adam
 *
 * so that the gradient of a weight need not exist. Only a result that nobody else reads is taken
 * up; the product then runs where the last of these steps was. */
#include "product.h"

#include <string.h>

#include "forms.h"
#include "inside.h"
#include "matmul.h"
#include "primitives.h"

/* ---- what reads what ------------------------------------------------------------------------- */

typedef struct joining {
    bpi_program *p;
    bpi_uses *uses;
    uint32_t
        *assigned;   /* by register that is a root: the one that a variable there takes; BPI_NONE */
    bpi_forms forms; /* of products */
} joining;

/* The product at hand, with the register that it computes so far and the step that computes it. */
typedef struct candidate {
    bpi_plan_product *product;
    uint32_t x[BPI_PRODUCT_INPUTS];
    int inputs;
    uint32_t taken[BPI_PRODUCT_OPS]; /* the steps that it is made of */
    int taken_count;
    uint32_t y, at;
    uint32_t moved;     /* the second result; BPI_NONE: none */
    uint32_t workspace; /* of a sweep; BPI_NONE */
    uint8_t outputs;
} candidate;

static uint32_t root(const joining *j, uint32_t reg) { return j->p->root[reg]; }

static const bp_type *type_of(const joining *j, uint32_t reg) { return j->p->regs[reg].type; }

static int64_t count_of(const joining *j, uint32_t reg) {
    return bpi_count(&type_of(j, reg)->shape);
}

static int64_t last_size(const joining *j, uint32_t reg) {
    const bp_shape *shape = &type_of(j, reg)->shape;
    return shape->rank > 0 ? shape->size[shape->rank - 1] : 1;
}

/* The elementwise kernel of a step; BPI_MAP_NONE when it has none. */
static int map_of(const bpi_step *step) {
    return step->kind == BPI_STEP_MAP ? (int)((const bpi_kernels *)step->op->kernel)->map
                                      : BPI_MAP_NONE;
}

/* The step that alone reads what the candidate computes, with the number of that operand, if it
 * reads the elements as they are and its result has as many; else BPI_NONE. */
static uint32_t only_reader(const joining *j, uint32_t reg, int *operand) {
    uint32_t r = root(j, reg), s = j->uses->of[r].reader;
    if (j->uses->of[r].reads != 1 || s == BPI_NONE)
        return BPI_NONE;
    const bpi_step *step = &j->p->steps[s];
    for (*operand = 0; root(j, step->x[*operand]) != r; ++*operand)
        ;
    bool same = step->kind == BPI_STEP_MAP && count_of(j, step->y) == count_of(j, reg) &&
                type_of(j, step->y)->dtype == type_of(j, reg)->dtype;
    return same ? s : BPI_NONE;
}

static bool is_scalar(const joining *j, uint32_t reg) {
    return count_of(j, reg) == 1 && type_of(j, reg)->shape.rank == 0;
}

/* ---- taking up ------------------------------------------------------------------------------- */

static int add_input(candidate *c, uint32_t reg) {
    c->x[c->inputs] = reg;
    return c->inputs++;
}

/* The step `s` becomes part of the product; its result is what the product computes from now on. */
static void take(joining *j, candidate *c, uint32_t s) {
    c->taken[c->taken_count++] = s;
    j->p->steps[c->at].kind = BPI_STEP_GONE;
    c->at = s;
    c->y = j->p->steps[s].y;
}

/* Tells whether a product of one column may have a bias: a large one is computed as one row. */
static bool column_may_have_bias(const bpi_product *p) {
    return p->m <= BPI_SHORT_SIDE && p->k <= BPI_SHORT_SIDE;
}

/* A row that is added to every row of the product. */
static void take_bias(joining *j, candidate *c) {
    int k;
    uint32_t s = only_reader(j, c->y, &k);
    if (s == BPI_NONE || map_of(&j->p->steps[s]) != BPI_MAP_ADD)
        return;
    uint32_t bias = j->p->steps[s].x[1 - k];
    int64_t n = c->product->gemm.product.n;
    bool row = (n > 1 || column_may_have_bias(&c->product->gemm.product)) &&
               count_of(j, bias) == n && last_size(j, bias) == n &&
               last_size(j, j->p->steps[s].x[k]) == n && last_size(j, j->p->steps[s].y) == n;
    if (!row)
        return;
    c->product->bias = add_input(c, bias);
    take(j, c, s);
}

static void take_relu(joining *j, candidate *c) {
    int k;
    uint32_t s = only_reader(j, c->y, &k);
    if (s == BPI_NONE || map_of(&j->p->steps[s]) != BPI_MAP_RELU)
        return;
    c->product->relu = true;
    take(j, c, s);
}

/* Tells whether `reg` is a variable whose new value is register `value`. */
static bool becomes(const joining *j, uint32_t reg, uint32_t value) {
    return j->assigned[root(j, reg)] == root(j, value);
}

static bool note_assigned(joining *j) {
    const bpi_program *p = j->p;
    j->assigned = bpi_alloc((p->reg_count + 1) * sizeof *j->assigned);
    if (!j->assigned)
        return false;
    memset(j->assigned, 0xFF, (p->reg_count + 1) * sizeof *j->assigned); /* BPI_NONE */
    for (size_t k = 0; k < p->effect_count; k++)
        j->assigned[root(j, p->effects[k].reg)] = root(j, p->effects[k].value);
    return true;
}

/* The step, if any, that computes `reg` as a product of a scalar and of another register, for one
 * reader alone; *scalar and *other are the operands. */
static uint32_t scaling(const joining *j, uint32_t reg, uint32_t *scalar, uint32_t *other) {
    uint32_t s = j->uses->of[root(j, reg)].maker;
    if (s == BPI_NONE || map_of(&j->p->steps[s]) != BPI_MAP_MUL ||
        j->uses->of[root(j, reg)].reads != 1)
        return BPI_NONE;
    const bpi_step *step = &j->p->steps[s];
    for (int k = 0; k < 2; k++)
        if (is_scalar(j, step->x[k])) {
            *scalar = step->x[k];
            *other = step->x[1 - k];
            return s;
        }
    return BPI_NONE;
}

/* c ± alpha a b, or beta c ± alpha a b, where c is the variable that takes this value. */
static void take_update(joining *j, candidate *c) {
    int k;
    uint32_t s = only_reader(j, c->y, &k), scaled = BPI_NONE, alpha = 0, beta = 0, other;
    if (s != BPI_NONE && map_of(&j->p->steps[s]) == BPI_MAP_MUL &&
        is_scalar(j, j->p->steps[s].x[1 - k])) {
        scaled = s;
        alpha = j->p->steps[s].x[1 - k];
        s = only_reader(j, j->p->steps[s].y, &k);
    }
    if (s == BPI_NONE)
        return;
    const bpi_step *step = &j->p->steps[s];
    bool minus = map_of(step) == BPI_MAP_SUB;
    if (map_of(step) != BPI_MAP_ADD && !(minus && k == 1))
        return;
    uint32_t addend = step->x[1 - k], by_beta = scaling(j, addend, &beta, &other);
    if (by_beta != BPI_NONE)
        addend = other;
    if (!becomes(j, addend, step->y) || j->p->regs[addend].bytes != c->product->bytes)
        return;
    if (scaled != BPI_NONE) {
        c->product->alpha = add_input(c, alpha);
        take(j, c, scaled);
    }
    if (by_beta != BPI_NONE) {
        c->product->beta = add_input(c, beta);
        j->p->steps[by_beta].kind = BPI_STEP_GONE;
        c->taken[c->taken_count++] = by_beta;
    }
    c->product->addend = add_input(c, addend);
    c->product->minus = minus;
    take(j, c, s);
}

/* The addend's new value is also taken, times a rate, from another variable, and read
 * for nothing else. */
static void take_move(joining *j, candidate *c) {
    const uint32_t value = root(j, c->y), s = j->uses->of[value].reader;
    if (j->uses->of[value].reads != 2 || s == BPI_NONE || map_of(&j->p->steps[s]) != BPI_MAP_MUL)
        return;
    const bpi_step *scaled = &j->p->steps[s];
    int k = root(j, scaled->x[0]) == value ? 0 : 1;
    uint32_t t = only_reader(j, scaled->y, &(int){0});
    if (root(j, scaled->x[k]) != value || !is_scalar(j, scaled->x[1 - k]) || t == BPI_NONE ||
        map_of(&j->p->steps[t]) != BPI_MAP_SUB)
        return;
    const bpi_step *step = &j->p->steps[t];
    if (j->uses->of[root(j, step->x[1])].maker != s || !becomes(j, step->x[0], step->y) ||
        j->p->regs[step->x[0]].bytes != c->product->bytes)
        return;
    uint32_t first = c->y;
    c->product->rate = add_input(c, scaled->x[1 - k]);
    c->product->moved = add_input(c, step->x[0]);
    c->moved = step->y;
    c->outputs = 2;
    take(j, c, s);
    take(j, c, t);
    c->y = first;
}

/* ---- an op with several results -------------------------------------------------------------- */

/* The step that alone reads the product, if it is such an op and has room for its other operands;
 * *operand is the number of the product among them. */
static uint32_t sweep_behind(const joining *j, const candidate *c, int *operand) {
    uint32_t product = root(j, c->y), s = j->uses->of[product].reader;
    if (j->uses->of[product].reads != 1 || s == BPI_NONE || j->p->steps[s].kind != BPI_STEP_SWEEP)
        return BPI_NONE;
    const bpi_step *step = &j->p->steps[s];
    for (*operand = 0; root(j, step->x[*operand]) != product; ++*operand)
        ;
    bool fits = count_of(j, step->y) == count_of(j, c->y) &&
                step->inputs - 1 + c->inputs <= BPI_PRODUCT_INPUTS;
    return fits ? s : BPI_NONE;
}

/* Rows of c that are computed together: they stay in the second cache until they are read, and are
 * enough for several threads. */
static int64_t rows_of_panel(const bpi_product *p) {
    enum { PANEL = 128 * 1024, LEAST = 64 };
    int64_t most = PANEL / p->n > LEAST ? PANEL / p->n : LEAST;
    int64_t panels = (p->m + most - 1) / most;
    return (p->m + panels - 1) / panels;
}

/* Makes the sweep of step `s` over a product of this shape; NULL without memory. */
static bpi_product_sweep *new_sweep(const joining *j, uint32_t s, int operand,
                                    const bpi_product *shape) {
    const bpi_step *step = &j->p->steps[s];
    const bp_dtype dtype = type_of(j, step->x[operand])->dtype;
    const int arrays = step->inputs + step->outputs;
    bpi_product_sweep *sweep = bpi_arena_alloc(&j->p->memory, sizeof *sweep);
    bp_array *array = bpi_arena_alloc(&j->p->memory, (size_t)arrays * sizeof *array);
    if (!sweep || !array)
        return NULL;
    for (int k = 0; k < arrays; k++) {
        uint32_t reg = k < step->inputs ? step->x[k] : step->y + (uint32_t)(k - step->inputs);
        array[k] = (bp_array){NULL, type_of(j, reg), count_of(j, reg)};
    }
    *sweep = (bpi_product_sweep){.run = ((const bpi_kernels *)step->op->kernel)->sweep,
                                 .call = {.op = step->op,
                                          .attr = step->attr,
                                          .inputs = step->inputs,
                                          .outputs = step->outputs,
                                          .x = array,
                                          .y = array + step->inputs},
                                 .arrays = array,
                                 .product = operand,
                                 .rows = rows_of_panel(shape),
                                 .m = shape->m,
                                 .n = shape->n,
                                 .row_a = bp_dtype_size(dtype) *
                                          (size_t)(shape->transpose_a ? 1 : shape->lda)};
    bpi_product last = *shape;
    last.m = shape->m - (shape->m - 1) / sweep->rows * sweep->rows;
    sweep->last = bpi_gemm_prepare(&last, dtype, BPI_GEMM_PLAIN);
    return sweep;
}

/* Has the op run on panels of the product. Returns false without memory. */
static bool take_sweep(joining *j, candidate *c) {
    int operand;
    bpi_product *shape = &c->product->gemm.product;
    const uint32_t s = sweep_behind(j, c, &operand), product = root(j, c->y);
    if (s == BPI_NONE || shape->ldc != shape->n || shape->m * shape->n == 0)
        return true;
    const bp_dtype dtype = type_of(j, c->y)->dtype;
    const bpi_gemm whole = bpi_gemm_prepare(shape, dtype, BPI_GEMM_PLAIN);
    if (bpi_gemm_is_blas(&whole))
        return true;
    bpi_product_sweep *sweep = new_sweep(j, s, operand, shape);
    if (!sweep)
        return false;
    const bpi_step *step = &j->p->steps[s];
    for (int k = 0; k < step->inputs; k++)
        if (k != operand)
            add_input(c, step->x[k]);
    c->product->sweep = sweep;
    shape->m = sweep->rows;
    c->workspace = product;
    c->outputs = step->outputs;
    take(j, c, s);
    return true;
}

/* The register of a product with a sweep becomes room for a panel. */
static void make_workspace(joining *j, const candidate *c, bp_dtype dtype) {
    const bpi_product *panel = &c->product->gemm.product;
    bpi_reg *reg = &j->p->regs[c->workspace];
    reg->type = NULL;
    reg->bytes = (size_t)(panel->m * panel->n) * bp_dtype_size(dtype);
}

/* ---- the pass -------------------------------------------------------------------------------- */

/* The register of the result; two results get new registers, side by side. */
static uint32_t results_of(joining *j, const candidate *c) {
    if (c->moved == BPI_NONE)
        return c->y;
    uint32_t first = bpi_rename_result(j->p, j->uses, c->y);
    bpi_rename_result(j->p, j->uses, c->moved);
    j->uses->of[first].maker = j->uses->of[first + 1].maker = c->at;
    return first;
}

static bpi_gemm_use use_of(const bpi_plan_product *product) {
    if (product->bias)
        return BPI_GEMM_BIASED;
    return product->addend && !product->moved ? BPI_GEMM_ADDED : BPI_GEMM_PLAIN;
}

enum { NUMBERS = 10 };

/* The words that a product without a sweep follows from: NUMBERS, and one for every step. */
static size_t key_of(const joining *j, const candidate *c, bp_dtype dtype, uint64_t *key) {
    const bpi_plan_product *p = c->product;
    const bpi_product *s = &p->shape;
    const int numbers[] = {p->bias, p->alpha, p->addend, p->beta, p->moved, p->rate};
    const bool flags[] = {s->transpose_a, s->transpose_b, p->minus, p->relu};
    const int64_t sizes[] = {s->m, s->n, s->k, s->lda, s->ldb, s->ldc, (int64_t)p->bytes, dtype};
    size_t words = 2;
    key[0] = key[1] = 0;
    for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++)
        key[0] = key[0] << 8 | (uint64_t)numbers[k];
    for (size_t k = 0; k < sizeof flags / sizeof *flags; k++)
        key[1] = key[1] << 8 | flags[k];
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++)
        key[words++] = (uint64_t)sizes[k];
    for (int k = 0; k < c->taken_count; k++)
        key[words++] = (uint64_t)(uintptr_t)j->p->steps[c->taken[k]].op;
    return words;
}

static void prepare(const joining *j, const candidate *c, bp_dtype dtype) {
    bpi_plan_product *p = c->product;
    const bpi_product shape = p->gemm.product;
    p->gemm = bpi_gemm_prepare(&shape, dtype, use_of(p));
    for (int k = 0; k < c->taken_count; k++) {
        const bpi_step *step = &j->p->steps[c->taken[k]];
        p->flops += bpi_step_flops(j->p, step);
        p->ops[p->op_count++] = step->op->name;
    }
}

/* What all products like this one share, prepared when it is the first; NULL without memory. */
static bpi_plan_product *shared_product(joining *j, const candidate *c, bp_dtype dtype) {
    uint64_t key[NUMBERS + BPI_PRODUCT_OPS];
    void *own = NULL, **place = &own;
    if (!c->product->sweep)
        place = bpi_form_of(&j->forms, &j->p->memory, key, key_of(j, c, dtype, key));
    if (!place)
        return NULL;
    if (*place)
        return *place;
    bpi_plan_product *made = *place = bpi_arena_alloc(&j->p->memory, sizeof *made);
    if (!made)
        return NULL;
    prepare(j, c, dtype);
    *made = *c->product;
    return made;
}

/* Makes a product of step `s`, at the place of the last step that it takes up. */
static bool join_step(joining *j, uint32_t s, const bpi_product *shape, const int *threads) {
    bpi_program *p = j->p;
    const bpi_step *step = &p->steps[s];
    bpi_plan_product product = {.gemm.product = *shape,
                                .shape = *shape,
                                .bytes = p->regs[step->y].bytes,
                                .threads = threads};
    candidate c = {.product = &product,
                   .x = {step->x[0], step->x[1]},
                   .inputs = 2,
                   .taken = {s},
                   .taken_count = 1,
                   .y = step->y,
                   .at = s,
                   .moved = BPI_NONE,
                   .workspace = BPI_NONE,
                   .outputs = 1};
    const bp_dtype dtype = type_of(j, step->y)->dtype;
    take_update(j, &c);
    if (product.addend) {
        take_move(j, &c);
    } else {
        take_bias(j, &c);
        take_relu(j, &c);
    }
    if (c.taken_count == 1 && !take_sweep(j, &c))
        return false;
    bpi_plan_product *shared = shared_product(j, &c, dtype);
    uint32_t *x = bpi_arena_alloc(&p->memory, (size_t)c.inputs * sizeof *x);
    if (!shared || !x)
        return false;
    memcpy(x, c.x, (size_t)c.inputs * sizeof *x);
    if (product.sweep)
        make_workspace(j, &c, dtype);
    p->steps[c.at] = (bpi_step){.op = step->op,
                                .attr = step->attr,
                                .product = shared,
                                .x = x,
                                .y = results_of(j, &c),
                                .workspace = c.workspace,
                                .inputs = (uint16_t)c.inputs,
                                .outputs = c.outputs,
                                .kind = BPI_STEP_PRODUCT};
    return true;
}

static bool is_product(const bpi_step *step) {
    return step->op == &bpi_op_matmul && step->kind == BPI_STEP_KERNEL;
}

bp_status bpi_join_products(bpi_program *p, bpi_uses *uses, const int *threads) {
    uint32_t first = 0;
    while (first < p->step_count && !is_product(&p->steps[first]))
        first++;
    if (first == p->step_count)
        return BP_OK;
    joining j = {.p = p, .uses = uses};
    bool ok = note_assigned(&j);
    for (uint32_t s = first; s < p->step_count && ok; s++) {
        const bpi_step *step = &p->steps[s];
        bpi_product shape;
        if (is_product(step) && bpi_matmul_product(type_of(&j, step->x[0]), type_of(&j, step->x[1]),
                                                   type_of(&j, step->y), step->attr, &shape))
            ok = join_step(&j, s, &shape, threads);
    }
    if (ok)
        bpi_apply_renames(p, uses);
    bpi_free(j.assigned);
    bpi_forms_free(&j.forms);
    return ok ? BP_OK : BP_ERR_MEMORY;
}
